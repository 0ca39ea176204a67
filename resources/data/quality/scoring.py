"""Quality scores: the measures of each record's answer, and the first rule that they break."""

from collections.abc import Callable

import polars as pl

from fineline.data_contracts.curation import RecordQuality
from fineline.data_contracts.messages import contents
from fineline.resources.core.recipe.curation import Quality
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
RECORDS_AT_ONCE = 10_000
KEY = ["record_id", "batch"]


def score(records: pl.DataFrame, section: Quality, progress: Callable[[int, int], None] | None = None) -> pl.DataFrame:
    """Measure and judge records: one ``RecordQuality`` row each, sorted by record_id.

    All completion messages are judged as one text. Only ``replaced_share`` is measured on the whole record, because
    replacements are counted over all of it. Only chats can be refusals: the better answer of a preference may rightly
    decline. ``progress`` gets (records done, records).
    """
    failed_rule = first_broken(section)
    schema = RecordQuality.create_empty().schema
    scored = [pl.DataFrame(schema=schema)]
    for start in range(0, records.height, RECORDS_AT_ONCE):
        part = records.slice(start, RECORDS_AT_ONCE)
        measured = measure(part, languages=section.languages is not None).with_columns(failed_rule=failed_rule)
        scored.append(measured.select(schema.names()).cast(schema))
        if progress is not None:
            progress(min(start + RECORDS_AT_ONCE, records.height), records.height)
    return pl.concat(scored).sort("record_id")


def score_unique(
    records: pl.LazyFrame,
    clusters: pl.DataFrame,
    section: Quality,
    known: pl.DataFrame | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pl.DataFrame:
    """Score the representative of each cluster: one ``RecordQuality`` row each, sorted by record_id.

    ``known`` holds rows of an earlier call with the same section, for records that have not changed since: they are
    reused, and only the text of the other records is read. The result is the same without it.
    """
    representatives = clusters.filter("representative").select(KEY)
    reused = RecordQuality.create_empty() if known is None else known.join(representatives, on=KEY, how="semi")
    fresh = representatives.join(reused, on=KEY, how="anti")
    of_batches = records.filter(pl.col("batch").is_in(fresh["batch"].unique().implode()))
    scored = score(of_batches.join(fresh.lazy(), on=KEY).collect(), section, progress)
    return pl.concat([reused.select(scored.columns), scored]).sort("record_id")


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
