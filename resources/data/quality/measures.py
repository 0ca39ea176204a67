"""Measures of a text's words, lines and paragraphs, for the rules of web corpora.

The rules are those of Gopher (Rae et al.: Scaling Language Models, 2021, appendix A.1), C4 (Raffel et al.:
Exploring the Limits of Transfer Learning, 2020, section 2.2) and FineWeb (Penedo et al.: The FineWeb Datasets,
2024, section 3.6). A word is a run without white space, as in Gopher, or one character of a script that puts no spaces
between words. All measures are expressions over a column of texts; ratios are 0 if there is nothing to count.
"""

import polars as pl

UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
WORD = rf"[{UNSPACED}]|[^\s{UNSPACED}]+"

# Gopher: a text of fewer than two of these is hardly English prose.
STOP_WORDS = ["the", "be", "to", "of", "and", "that", "have", "with"]
# FineWeb: a line of at most so many characters is short.
SHORT_LINE = 30
SENTENCE_END = r"""[.!?…。！？؟।:]["'”’»)\]*_`]*$"""
BULLET = r"^(?:[•‣▶◦■□▪–]|[-*+] )"

# Words that end no sentence, a comma, or an opening bracket that is no face :( .
UNFINISHED = (
    r"(?:\s(?:the|an|and|or|but|nor|of|because|than|whose|my|your|our|their|every|into|onto)|,|[^:;=-][(\[{])\s*$"
)
FENCE = r"(?m)^\s*```"
# A shorter answer need not be a sentence.
SENTENCE_WORDS = 5


def words(text: pl.Expr) -> pl.Expr:
    """The number of words."""
    return text.str.count_matches(WORD)


def by_words(text: pl.Expr) -> dict[str, pl.Expr]:
    """Measures of words and characters."""
    count, found = words(text), text.str.extract_all(WORD)
    marks = pl.max_horizontal(text.str.count_matches("#"), text.str.count_matches(r"\.\.\.|…"))
    stops = text.str.to_lowercase().str.extract_all(r"\w+").list.set_intersection(pl.lit([STOP_WORDS]).list.first())
    return {
        "words": count,
        "mean_word_length": ratio(text.str.count_matches(r"\S"), count),
        "symbol_ratio": ratio(text.str.count_matches(r"[^\p{L}\p{M}\p{N}\s]"), text.str.len_chars()),
        "marks_per_word": ratio(marks, count),
        "alphabetic_word_share": ratio(found.list.eval(pl.element().str.contains(r"\p{L}")).list.sum(), count),
        "stop_words": stops.list.len(),
    }


def by_lines(text: pl.Expr) -> dict[str, pl.Expr]:
    """Measures of lines and paragraphs; empty ones do not count."""
    lines, paragraphs = _parts(text, "\n"), _parts(text, "\n\n")
    return {
        "bullet_line_share": _share(lines, pl.element().str.contains(BULLET)),
        "ellipsis_line_share": _share(lines, pl.element().str.contains(r"(?:\.\.\.|…)$")),
        "punctuated_line_share": _share(lines, pl.element().str.contains(SENTENCE_END)),
        "short_line_share": _share(lines, pl.element().str.len_chars() <= SHORT_LINE),
        "repeated_line_ratio": _repeated(lines),
        "repeated_line_characters": _repeated_characters(lines),
        "repeated_paragraph_ratio": _repeated(paragraphs),
    }


def is_truncated(text: pl.Expr) -> pl.Expr:
    """Whether a text ends within a sentence or a block of code."""
    sentence = (words(text) >= SENTENCE_WORDS) & text.str.contains(UNFINISHED)
    return sentence | (text.str.count_matches(FENCE) % 2 == 1)


def ratio(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """The part over the whole; 0 if the whole is 0, so that a text without words breaks no other rule."""
    return pl.when(whole > 0).then(part / whole).otherwise(0.0)


def _parts(text: pl.Expr, separator: str) -> pl.Expr:
    part = pl.element().str.strip_chars()
    return text.str.split(separator).list.eval(part.filter(part != ""))


def _share(parts: pl.Expr, condition: pl.Expr) -> pl.Expr:
    return ratio(parts.list.eval(condition).list.sum(), parts.list.len())


def _repeated(parts: pl.Expr) -> pl.Expr:
    """The share of parts that repeat an earlier one."""
    return ratio(parts.list.len() - parts.list.n_unique(), parts.list.len())


def _repeated_characters(parts: pl.Expr) -> pl.Expr:
    """The share of characters in parts that repeat an earlier one."""
    length = pl.element().str.len_chars()
    distinct = pl.element().unique().str.len_chars()
    total = parts.list.eval(length).list.sum()
    return ratio(total - parts.list.eval(distinct).list.sum(), total)
