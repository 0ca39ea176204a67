"""Quality scores: the measures of each record's answer, and the first rule that they break."""

from dataclasses import dataclass

import polars as pl

from fineline.data_contracts import catalog
from fineline.data_contracts.curation import RecordQuality
from fineline.data_contracts.messages import contents
from fineline.resources.core.recipe.curation import Quality
from fineline.resources.core.storage.tables import TableOutput
from fineline.resources.core.storage.units import Rows, TableWork
from fineline.resources.data.quality.language import identify
from fineline.resources.data.quality.measures import by_lines, by_words, is_truncated, ratio, words
from fineline.resources.data.quality.repetition import repetition
from fineline.resources.data.quality.rules import first_broken

CANNOT = r"(?:can(?:['’]t|not| not)|do(?:n['’]t| not)|won['’]t|(?:am |['’]m )?(?:unable|not able) to)"
# Only at the start of a line, so that an answer about refusals is not one.
REFUSAL = (
    r"(?im)^\W*(?:(?:(?:i['’]m|i am) )?(?:very |really |so )?sorry[,.]? (?:but )?|unfortunately,? )?(?:"
    rf"as an? (?:ai|artificial intelligence)\b[^.\n]{{0,80}}?\b{CANNOT}\b"
    rf"|i ?{CANNOT} (?:assist|fulfil|comply|answer|provide|help you|help with (?:that|this|your))\b"
    r")"
)
# The language of a shorter answer is identified from its prompt and the answer together.
IDENTIFIABLE_WORDS = 10


@dataclass(frozen=True)
class Scoring(TableWork):
    """Scores the representatives among the records of scrubbed batches, in the order of the records.

    ``snapshot`` holds the scrubbed corpus and the clusters, and for ``reusable`` batches ``record_quality`` as it was
    stored before: those scores are reused, and only the text of other records is read.
    """

    asset = catalog.RECORD_QUALITY.name
    unit_rows = 10_000
    # About half is for the language.
    seconds_a_row = 2e-4
    section: Quality
    reusable: frozenset[str] = frozenset()

    def output(self, unit: Rows) -> TableOutput:
        """The scores of the representatives of a unit, and the number that failed a rule."""
        records = self.snapshot.scan(catalog.SCRUBBED_CORPUS.name, unit.batch).slice(unit.first, unit.number)
        clusters = self.snapshot.scan(catalog.DUPLICATE_CLUSTERS.name, unit.batch)
        representatives = clusters.filter("representative").select("record_id").collect()
        wanted = (
            records.select("record_id")
            .collect()
            .join(representatives, on="record_id", how="semi", maintain_order="left")
        )
        scores: pl.DataFrame = RecordQuality.create_empty()
        if unit.batch in self.reusable:
            before = self.snapshot.scan(catalog.RECORD_QUALITY.name, unit.batch).collect()
            scores = before.select(scores.columns).join(wanted, on="record_id", how="semi")
        fresh = wanted.join(scores, on="record_id", how="anti")
        if fresh.height:
            scores = pl.concat([scores, score(records.join(fresh.lazy(), on="record_id").collect(), self.section)])
        scored = wanted.join(scores, on="record_id", how="left", maintain_order="left")
        return TableOutput(scored, rows_in=scored.height, facts={"failed": scored["failed_rule"].count()})


def score(records: pl.DataFrame, section: Quality) -> pl.DataFrame:
    """Measure and judge records: one ``RecordQuality`` row each, sorted by record_id.

    All completion messages are judged as one text. Only ``replaced_share`` is measured on the whole record, because
    replacements are counted over all of it. Only chats can be refusals: the better answer of a preference may rightly
    decline.
    """
    schema = RecordQuality.create_empty().schema
    measured = measure(records, languages=section.languages is not None)
    judged = measured.with_columns(failed_rule=first_broken(section))
    return judged.select(schema.names()).cast(schema).sort("record_id")


def measure(records: pl.DataFrame, *, languages: bool) -> pl.DataFrame:
    """The records with every measure of ``RecordQuality``; languages, half of the time, only on request."""
    answer = pl.col("answer")
    measured = (
        records.with_columns(answer=contents("completion"), prompted=contents("prompt"))
        .with_columns(
            **by_words(answer),
            **by_lines(answer),
            replaced_share=ratio(pl.col("replacements"), _words_of_the_record()),
            refusal=(pl.col("kind") == "chat") & answer.str.contains(REFUSAL),
            truncated=(pl.col("kind") != "text") & is_truncated(answer),
            placeholder=answer.str.contains("(?i)lorem ipsum"),
            curly_brace=answer.str.contains("{", literal=True),
        )
        .with_columns(
            identifiable=pl.when(pl.col("words") < IDENTIFIABLE_WORDS)
            .then(pl.concat_str("prompted", "answer", separator="\n"))
            .otherwise(answer)
        )
    )
    unknown = pl.DataFrame(schema={"language": pl.String, "language_probability": pl.Float64}).clear(measured.height)
    identified = identify(measured["identifiable"]) if languages else unknown
    return pl.concat([measured, repetition(measured["answer"]), identified], how="horizontal")


def _words_of_the_record() -> pl.Expr:
    rejected = words(contents("rejected")).fill_null(0)
    return words(pl.col("answer")) + words(pl.col("prompted")) + rejected
