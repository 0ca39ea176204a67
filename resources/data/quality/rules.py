"""Quality rules: the measures of a record's answer, and the first rule that it breaks."""

from collections.abc import Callable, Iterable

import polars as pl

from fineline.data_contracts.curation import RecordQuality
from fineline.data_contracts.records import contents
from fineline.resources.core.recipe.curation import Quality
from fineline.resources.data.quality.language import identify
from fineline.resources.data.quality.measures import by_lines, by_words, is_truncated, ratio, words
from fineline.resources.data.quality.repetition import repetition

# In the order in which they are tried: the first that a record breaks is the one it is dropped for.
RULES: dict[str, str] = {
    "too_few_words": "The answer has fewer words than minimum_words.",
    "too_many_words": "The answer has more words than maximum_words.",
    "words_too_long": "The words are longer on average than maximum_mean_word_length: rarely prose.",
    "words_too_short": "The words of a text are shorter on average than texts.minimum_mean_word_length.",
    "mostly_symbols": "More characters than maximum_symbol_ratio are no letter, digit or space.",
    "few_alphabetic_words": "Fewer words of a text than texts.minimum_alphabetic_word_share have a letter.",
    "too_many_marks": "A text has more # or ellipses to words than texts.maximum_marks_per_word.",
    "few_stop_words": "A text has fewer of the, be, to, of, and, that, have, with than texts.minimum_stop_words.",
    "mostly_replaced": "Replaced spans to words of the whole record are above maximum_replaced_share.",
    "mostly_bullets": "More lines of a text than texts.maximum_bullet_line_share are list items.",
    "mostly_ellipses": "More lines of a text than texts.maximum_ellipsis_line_share end in an ellipsis.",
    "unpunctuated_lines": "Fewer lines of a text than texts.minimum_punctuated_line_share end as sentences do.",
    "short_lines": "More lines of a text than texts.maximum_short_line_share have at most 30 characters.",
    "repeated_lines": "More lines (or, of a text, characters of lines) than the maximum repeat an earlier line.",
    "repeated_paragraphs": "More paragraphs than maximum_repeated_paragraph_ratio repeat an earlier one.",
    "top_ngram": "One n-gram takes more of the characters than maximum_top_ngram_characters.",
    "repeated_ngrams": "More characters than maximum_repeated_ngram_characters are in n-grams that stood before.",
    "placeholder": "A text has lorem ipsum.",
    "curly_brace": "A text has a {.",
    "refusal": "The answer of a chat declines to answer.",
    "truncated": "The answer of a chat or a preference stops within a sentence or a block of code.",
    "other_language": "The answer is in none of the languages.",
}

CANNOT = r"(?:can(?:['’]t|not| not)|do(?:n['’]t| not)|won['’]t|(?:am |['’]m )?(?:unable|not able) to)"
# Only where a line starts, so that an answer which speaks of refusals is none.
REFUSAL = (
    r"(?im)^\W*(?:(?:(?:i['’]m|i am) )?(?:very |really |so )?sorry[,.]? (?:but )?|unfortunately,? )?(?:"
    rf"as an? (?:ai|artificial intelligence)\b[^.\n]{{0,80}}?\b{CANNOT}\b"
    rf"|i ?{CANNOT} (?:assist|fulfil|comply|answer|provide|help you|help with (?:that|this|your))\b"
    r")"
)
# Words from which an answer is long enough to tell its language; a shorter one is read with its prompt.
TELLING_WORDS = 10
# In a shorter answer a phrase may well come twice, as in: The sun rose. The sun set.
REPEATING_WORDS = 20
RECORDS_AT_ONCE = 10_000
KEY = ["record_id", "batch"]


def score(records: pl.DataFrame, section: Quality, progress: Callable[[int, int], None] | None = None) -> pl.DataFrame:
    """Measure and judge records, one ``RecordQuality`` row each, sorted by record_id.

    All completion messages are judged as one text. Only ``replaced_share`` is about the whole record, since
    replacements are counted over all of it. Refusals are a matter of chats only: the better answer of a
    preference may rightly decline. ``progress`` is told how many records are done, of how many.
    """
    broken = broken_rules(section)
    first = pl.coalesce(pl.when(broken[rule]).then(pl.lit(rule)) for rule in RULES)
    schema = RecordQuality.create_empty().schema
    scored = [pl.DataFrame(schema=schema)]
    for start in range(0, records.height, RECORDS_AT_ONCE):
        part = records.slice(start, RECORDS_AT_ONCE)
        measured = measure(part, languages=section.languages is not None).with_columns(failed_rule=first)
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
    """Judge the representative of each cluster, one ``RecordQuality`` row each, sorted by record_id.

    ``known`` holds rows of an earlier call with the same section, of records that are the same today: they are
    taken over, and only the text of the others is read. The outcome is the same without it.
    """
    stays = clusters.filter("representative").select(KEY)
    held = RecordQuality.create_empty() if known is None else known.join(stays, on=KEY, how="semi")
    fresh = stays.join(held, on=KEY, how="anti")
    of_these = records.filter(pl.col("batch").is_in(fresh["batch"].unique().implode()))
    scored = score(of_these.join(fresh.lazy(), on=KEY).collect(), section, progress)
    return pl.concat([held.select(scored.columns), scored]).sort("record_id")


def measure(records: pl.DataFrame, *, languages: bool) -> pl.DataFrame:
    """The records with every measure of ``RecordQuality``; languages only if asked for: they take half of the time."""
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
            telling=pl.when(pl.col("words") < TELLING_WORDS)
            .then(pl.concat_str("prompted", "answer", separator="\n"))
            .otherwise(answer)
        )
    )
    unknown = pl.DataFrame(schema={"language": pl.String, "language_probability": pl.Float64}).clear(measured.height)
    identified = identify(measured["telling"]) if languages else unknown
    return pl.concat([measured, repetition(measured["answer"]), identified], how="horizontal")


def broken_rules(section: Quality) -> dict[str, pl.Expr]:
    """For each of ``RULES``, whether the measures of a record break it; a rule without a threshold never breaks."""
    texts, is_text, long = section.texts, pl.col("kind") == "text", pl.col("words") >= REPEATING_WORDS
    return {
        "too_few_words": _below("words", section.minimum_words) | (is_text & _below("words", texts.minimum_words)),
        "too_many_words": _above("words", section.maximum_words),
        "words_too_long": _above("mean_word_length", section.maximum_mean_word_length),
        "words_too_short": is_text & _below("mean_word_length", texts.minimum_mean_word_length),
        "mostly_symbols": _above("symbol_ratio", section.maximum_symbol_ratio),
        "few_alphabetic_words": is_text & _below("alphabetic_word_share", texts.minimum_alphabetic_word_share),
        "too_many_marks": is_text & _above("marks_per_word", texts.maximum_marks_per_word),
        "few_stop_words": is_text & _below("stop_words", texts.minimum_stop_words),
        "mostly_replaced": _above("replaced_share", section.maximum_replaced_share),
        "mostly_bullets": is_text & _above("bullet_line_share", texts.maximum_bullet_line_share),
        "mostly_ellipses": is_text & _above("ellipsis_line_share", texts.maximum_ellipsis_line_share),
        "unpunctuated_lines": is_text & _below("punctuated_line_share", texts.minimum_punctuated_line_share),
        "short_lines": is_text & _above("short_line_share", texts.maximum_short_line_share),
        "repeated_lines": _above("repeated_line_ratio", section.maximum_repeated_line_ratio)
        | (is_text & _above("repeated_line_characters", texts.maximum_repeated_line_characters)),
        "repeated_paragraphs": _above("repeated_paragraph_ratio", section.maximum_repeated_paragraph_ratio),
        "top_ngram": long
        & _any(
            _above(f"top_{size}gram_characters", share) for size, share in section.maximum_top_ngram_characters.items()
        ),
        "repeated_ngrams": long
        & _any(
            _above(f"repeated_{size}gram_characters", share)
            for size, share in section.maximum_repeated_ngram_characters.items()
        ),
        "placeholder": is_text & pl.col("placeholder") & texts.drop_placeholder,
        "curly_brace": is_text & pl.col("curly_brace") & texts.drop_curly_braces,
        "refusal": pl.col("refusal") & section.drop_refusals,
        "truncated": pl.col("truncated") & section.drop_truncated,
        "other_language": _in_none_of(section.languages)
        & (pl.col("language_probability") >= section.minimum_language_probability),
    }


def _above(measure: str, threshold: float | None) -> pl.Expr:
    return pl.lit(False) if threshold is None else pl.col(measure) > threshold


def _below(measure: str, threshold: float | None) -> pl.Expr:
    return pl.lit(False) if threshold is None else pl.col(measure) < threshold


def _any(conditions: Iterable[pl.Expr]) -> pl.Expr:
    return pl.any_horizontal(pl.lit(False), *conditions)


def _in_none_of(languages: list[str] | None) -> pl.Expr:
    return pl.lit(False) if languages is None else ~pl.col("language").is_in(languages)


def _words_of_the_record() -> pl.Expr:
    rejected = words(contents("rejected")).fill_null(0)
    return words(pl.col("answer")) + words(pl.col("prompted")) + rejected
