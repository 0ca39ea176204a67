"""Which records of the raw corpora mention a text, whatever its case, punctuation, markup and line ends."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import polars as pl

from fineline.resources.disk import StorageError

_SCHEMA = pl.Schema({"record_id": pl.String(), "batch": pl.String()})
# Between two words may stand anything but letters and digits; in JSON also an escaped line end or tab.
_BETWEEN = r"(?:\\[nrtbf]|[^\p{L}\p{M}\p{N}])+"


def mentions(raw: list[Path], quarantine: list[Path], text: str) -> pl.DataFrame:
    """The record_id and batch of each record that mentions a text, in the order of batches and rows.

    ``raw`` are the tables of the batches, ``quarantine`` those of the rows that broke a contract. Searched are all
    strings of a record: its messages, tools, label, group and metadata. The words of the text must follow one
    another; the first and the last may be part of a longer word.

    Raises:
        StorageError: the text has neither letters nor digits.
    """
    pattern = _pattern(text)
    found = [_in_records(raw, pattern), _in_quarantine(quarantine, pattern)]
    return pl.concat(pl.collect_all(found))


def _in_records(paths: list[Path], pattern: str) -> pl.LazyFrame:
    if not paths:
        return pl.LazyFrame(schema=_SCHEMA)
    says = pl.element().struct.field("content").str.contains(pattern)
    said = [pl.col(name).list.eval(says).list.any() for name in ("prompt", "completion", "rejected")]
    said += [pl.col(name).str.contains(pattern) for name in ("tools", "label", "group", "metadata")]
    return pl.scan_parquet(paths).filter(pl.any_horizontal(said)).select(_SCHEMA.names())


def _in_quarantine(paths: list[Path], pattern: str) -> pl.LazyFrame:
    if not paths:
        return pl.LazyFrame(schema=_SCHEMA)
    return pl.scan_parquet(paths).filter(pl.col("record").str.contains(pattern)).select(_SCHEMA.names())


def _pattern(text: str) -> str:
    """A regular expression of the text's words, as they are given and as Unicode's NFKC writes them."""
    forms = dict.fromkeys(_BETWEEN.join(_words(unicodedata.normalize(form, text))) for form in ("NFC", "NFKC"))
    if "" in forms:
        raise StorageError("a text to look for needs letters or digits")
    return f"(?i){'|'.join(forms)}"


def _words(text: str) -> list[str]:
    letters = (char if unicodedata.category(char)[0] in "LMN" else " " for char in text)
    return "".join(letters).split()
