"""The quality rules, one line each: a name, what breaks the rule, and why.

Measures are defined in :mod:`measures`, :mod:`repetition`, :mod:`language` and :mod:`scoring`, limits in the recipe's
section ``quality``. A rule whose limit is null is off; a limit of ``quality.texts`` applies to plain texts alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import polars as pl

from fineline.resources.core.recipe.curation import Quality

# A shorter answer may well repeat a phrase, as in: The sun rose. The sun set.
REPEATING_WORDS = 20

Condition = Callable[[Quality], pl.Expr]


@dataclass(frozen=True)
class Rule:
    """A named rule. ``broken`` gives, for a recipe's section, an expression over measures that is true where it is."""

    name: str
    broken: Condition
    explanation: str


def above(measure: str, setting: str) -> Condition:
    """True where a measure is above the limit that the section sets."""
    return _limited(setting, lambda limit: pl.col(measure) > limit)


def below(measure: str, setting: str) -> Condition:
    """True where a measure is below the limit that the section sets."""
    return _limited(setting, lambda limit: pl.col(measure) < limit)


def any_above(measure: str, setting: str) -> Condition:
    """True where a measure of n-grams, named with {} for n, is above its limit for any n; never in a short answer."""
    long = pl.col("words") >= REPEATING_WORDS

    def broken(limits: dict[int, float]) -> pl.Expr:
        return long & pl.any_horizontal(False, *(pl.col(measure.format(n)) > limit for n, limit in limits.items()))

    return _limited(setting, broken)


def flagged(measure: str, setting: str) -> Condition:
    """True where a measure is, if the section drops such records."""
    return _limited(setting, lambda drop: pl.col(measure) & drop)


def either(*conditions: Condition) -> Condition:
    """True where any of the conditions is."""
    return lambda section: pl.any_horizontal(condition(section) for condition in conditions)


def in_other_language(section: Quality) -> pl.Expr:
    """True where the language is probably none of the section's."""
    if section.languages is None:
        return pl.lit(False)
    probable = pl.col("language_probability") >= section.minimum_language_probability
    return probable & ~pl.col("language").is_in(section.languages)


def _limited(setting: str, broken: Callable[[Any], pl.Expr]) -> Condition:
    def condition(section: Quality) -> pl.Expr:
        limit = attrgetter(setting)(section)
        if limit is None:
            return pl.lit(False)
        return (pl.col("kind") == "text") & broken(limit) if setting.startswith("texts.") else broken(limit)

    return condition


# In the order in which they are tried: a record is dropped for the first rule that it breaks.
RULES = (
    Rule(
        "too_few_words",
        either(below("words", "minimum_words"), below("words", "texts.minimum_words")),
        "The answer has too few words.",
    ),
    Rule("too_many_words", above("words", "maximum_words"), "The answer has too many words."),
    Rule("words_too_long", above("mean_word_length", "maximum_mean_word_length"), "Prose has shorter words."),
    Rule("words_too_short", below("mean_word_length", "texts.minimum_mean_word_length"), "Prose has longer words."),
    Rule("mostly_symbols", above("symbol_ratio", "maximum_symbol_ratio"), "Few characters are letters or digits."),
    Rule(
        "few_alphabetic_words",
        below("alphabetic_word_share", "texts.minimum_alphabetic_word_share"),
        "Few words have a letter.",
    ),
    Rule("too_many_marks", above("marks_per_word", "texts.maximum_marks_per_word"), "Many # or ellipses to words."),
    Rule("few_stop_words", below("stop_words", "texts.minimum_stop_words"), "English has the, of, and."),
    Rule(
        "mostly_replaced",
        above("replaced_share", "maximum_replaced_share"),
        "Scrubbing replaced much of the whole record.",
    ),
    Rule("mostly_bullets", above("bullet_line_share", "texts.maximum_bullet_line_share"), "Most lines are list items."),
    Rule(
        "mostly_ellipses",
        above("ellipsis_line_share", "texts.maximum_ellipsis_line_share"),
        "Many lines end in an ellipsis.",
    ),
    Rule(
        "unpunctuated_lines",
        below("punctuated_line_share", "texts.minimum_punctuated_line_share"),
        "Few lines end as sentences do.",
    ),
    Rule("short_lines", above("short_line_share", "texts.maximum_short_line_share"), "Many lines are short."),
    Rule(
        "repeated_lines",
        either(
            above("repeated_line_ratio", "maximum_repeated_line_ratio"),
            above("repeated_line_characters", "texts.maximum_repeated_line_characters"),
        ),
        "Many lines repeat an earlier one.",
    ),
    Rule(
        "repeated_paragraphs",
        above("repeated_paragraph_ratio", "maximum_repeated_paragraph_ratio"),
        "Many paragraphs repeat an earlier one.",
    ),
    Rule(
        "top_ngram",
        any_above("top_{}gram_characters", "maximum_top_ngram_characters"),
        "One n-gram takes much of the text.",
    ),
    Rule(
        "repeated_ngrams",
        any_above("repeated_{}gram_characters", "maximum_repeated_ngram_characters"),
        "Much of the text repeats earlier n-grams.",
    ),
    Rule("placeholder", flagged("placeholder", "texts.drop_placeholder"), "A text has lorem ipsum."),
    Rule("curly_brace", flagged("curly_brace", "texts.drop_curly_braces"), "A text has a {."),
    Rule("refusal", flagged("refusal", "drop_refusals"), "The answer of a chat declines to answer."),
    Rule("truncated", flagged("truncated", "drop_truncated"), "The answer stops within a sentence or a block of code."),
    Rule("other_language", in_other_language, "The answer is in none of the languages."),
)


def first_broken(section: Quality) -> pl.Expr:
    """The name of the first rule that a record's measures break, null where they break none."""
    return pl.coalesce(pl.when(rule.broken(section)).then(pl.lit(rule.name)) for rule in RULES)
