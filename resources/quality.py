"""Quality rules: simple measures of a record's answer, and the first rule that it breaks."""

import polars as pl

from fineline.data_contracts.curation import RecordQuality
from fineline.resources.recipe_data import Quality

# In the order in which they are tried: the first that a record breaks is the one it is dropped for.
RULES: dict[str, str] = {
    "too_few_words": "The answer has fewer words than minimum_words.",
    "too_many_words": "The answer has more words than maximum_words.",
    "words_too_long": "The answer's words are longer on average than maximum_mean_word_length: rarely prose.",
    "mostly_symbols": "More of the answer's characters than maximum_symbol_ratio are no letter, digit or space.",
    "repeated_lines": "More of the answer's lines than maximum_repeated_line_ratio repeat an earlier line.",
    "mostly_replaced": "Replaced spans to words of the whole record are above maximum_replaced_share.",
    "refusal": "The answer of a chat declines to answer.",
}

CANNOT = r"(?:can(?:['’]t|not| not)|do(?:n['’]t| not)|won['’]t|(?:am |['’]m )?(?:unable|not able) to)"
# Only where a line starts, so that an answer which speaks of refusals is none.
REFUSAL = (
    r"(?im)^\W*(?:(?:(?:i['’]m|i am) )?(?:very |really |so )?sorry[,.]? (?:but )?|unfortunately,? )?(?:"
    rf"as an? (?:ai|artificial intelligence)\b[^.\n]{{0,80}}?\b{CANNOT}\b"
    rf"|i ?{CANNOT} (?:assist|fulfil|comply|answer|provide|help you|help with (?:that|this|your))\b"
    r")"
)


def score(records: pl.DataFrame, section: Quality) -> pl.DataFrame:
    """Measure and judge records, one ``RecordQuality`` row each, sorted by record_id.

    All completion messages are judged as one text. Only ``replaced_share`` is about the whole record, since
    replacements are counted over all of it. ``refusal`` judges chats only: the better answer of a preference
    may rightly decline, and a plain text answers nobody.
    """
    answer, lines = pl.col("answer"), pl.col("lines")
    measured = (
        records.with_columns(answer=_contents("completion"), all_words=_words_of_the_record())
        .with_columns(
            words=_words(answer),
            characters=answer.str.len_chars(),
            letters=answer.str.replace_all(r"\s", "").str.len_chars(),
            symbols=answer.str.replace_all(r"[\p{L}\p{M}\p{N}\s]", "").str.len_chars(),
            lines=answer.str.split("\n").list.eval(_lines_with_text()),
        )
        .with_columns(
            mean_word_length=_ratio(pl.col("letters"), pl.col("words")),
            symbol_ratio=_ratio(pl.col("symbols"), pl.col("characters")),
            repeated_line_ratio=_ratio(lines.list.len() - lines.list.n_unique(), lines.list.len()),
            replaced_share=_ratio(pl.col("replacements"), pl.col("all_words")),
        )
    )
    broken = broken_rules(section)
    first = pl.coalesce(pl.when(broken[rule]).then(pl.lit(rule)) for rule in RULES)
    return (
        measured.with_columns(failed_rule=first)
        .select(RecordQuality.column_names())
        .cast(RecordQuality.create_empty().schema)
        .sort("record_id")
    )


def broken_rules(section: Quality) -> dict[str, pl.Expr]:
    """For each of ``RULES``, whether the measures of a record break it."""
    return {
        "too_few_words": pl.col("words") < section.minimum_words,
        "too_many_words": pl.col("words") > section.maximum_words,
        "words_too_long": pl.col("mean_word_length") > section.maximum_mean_word_length,
        "mostly_symbols": pl.col("symbol_ratio") > section.maximum_symbol_ratio,
        "repeated_lines": pl.col("repeated_line_ratio") > section.maximum_repeated_line_ratio,
        "mostly_replaced": pl.col("replaced_share") > section.maximum_replaced_share,
        "refusal": (pl.col("kind") == "chat") & pl.col("answer").str.contains(REFUSAL) & section.drop_refusals,
    }


def _contents(column: str) -> pl.Expr:
    return pl.col(column).list.eval(pl.element().struct.field("content")).list.join("\n")


def _words(text: pl.Expr) -> pl.Expr:
    return text.str.count_matches(r"\S+")


def _words_of_the_record() -> pl.Expr:
    columns = ("prompt", "completion", "rejected")
    return pl.sum_horizontal(_words(_contents(column)) for column in columns)


def _lines_with_text() -> pl.Expr:
    line = pl.element().str.strip_chars()
    return line.filter(line != "")


def _ratio(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """0 where the whole is 0: a record without words has too few, and nothing else is wrong with it."""
    return pl.when(whole > 0).then(part / whole).otherwise(0.0)
