"""What a row says: all strings of a table's rows in one comparable form, and which rows say one of some texts.

Comparable means: letters and digits alone, in lower case and Unicode form NFKC, with one space between words, so that
line ends, markup, punctuation and width of letters make no difference. In scripts that put no space between
words, each character is a word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import polars as pl
from polars.datatypes import DataTypeClass

from fineline.data_contracts.records import RECORD_ID_PATTERN

# Stands between two strings of a row, so that no text is found across them.
BETWEEN = "\x1e"
BLANK = "(forgotten)"
IDENTIFIERS = frozenset(
    {
        "__class__",
        "__enum__",
        "asset_check_selection",
        "asset_key",
        "check_name",
        "cursor",
        "event_type_value",
        "execution_plan_snapshot_id",
        "external_pipeline_origin",
        "job_name",
        "op_name",
        "output_name",
        "partition",
        "path",
        "pipeline_name",
        "pipeline_snapshot_id",
        "run_id",
        "solid_handle",
        "step_handle",
        "step_key",
        "step_keys_to_execute",
        "step_kind_value",
    }
)
_SPACELESS = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])"
_NO_WORD = rf"[^\p{{L}}\p{{M}}\p{{N}}{BETWEEN}]+"
_ESCAPES = {r"\\": " ", r"\n": " ", r"\r": " ", r"\t": " ", r"\b": " ", r"\f": " ", r"\/": "/", r"\"": '"'}
_ID = re.compile(RECORD_ID_PATTERN)
_ID_LENGTH = 32
_DIGITS = rf"[0-9a-fA-F]{{{_ID_LENGTH},}}"
_CODE_UNITS = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")


def folded(text: pl.Expr) -> pl.Expr:
    """A string in comparable form."""
    lower = text.str.normalize("NFKC").str.to_lowercase().str.replace_many(["ß", "ς"], ["ss", "σ"])
    spaced = lower.str.replace_all(_SPACELESS, " ${1} ")
    return spaced.str.replace_all(_NO_WORD, " ").str.strip_chars(" ")


def fold(texts: Sequence[str]) -> list[str]:
    """The same for strings at hand."""
    return pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)}).select(folded(pl.col("text")))["text"].to_list()


def strings(frame: pl.DataFrame) -> pl.Series:
    """All strings of each row, also those inside lists and structs, as one string with ``BETWEEN`` between them."""
    parts = [part for name, kind in frame.schema.items() if (part := _strings(pl.col(name), kind)) is not None]
    if not parts:
        return pl.repeat("", frame.height, dtype=pl.String, eager=True)
    return frame.select(pl.concat_str(parts, separator=BETWEEN, ignore_nulls=True).alias("strings"))["strings"]


def text_columns(schema: pl.Schema) -> list[str]:
    """The columns that ``strings`` reads."""
    return [name for name, kind in schema.items() if _strings(pl.col(name), kind) is not None]


def says_any(said: pl.Series, needles: Sequence[str]) -> pl.Series:
    """Which strings say one of the needles, which are in comparable form; also where they are escaped as in JSON."""
    return _say(said, _sought(tuple(needles)))


@dataclass(frozen=True)
class _Sought:
    """Needles by how they are looked for: record_ids in a set, of which there may be very many, texts one by one.

    ``anchors`` are the longest words of the texts that are plain ASCII.
    """

    ids: frozenset[str]
    texts: list[str]
    anchors: list[str]


@lru_cache(maxsize=4)
def _sought(needles: tuple[str, ...]) -> _Sought:
    ids = frozenset(needle for needle in needles if _ID.fullmatch(needle))
    texts = [needle for needle in needles if needle not in ids]
    return _Sought(ids, texts, sorted({max(text.split(" "), key=len) for text in texts if text.isascii()}))


def _say(said: pl.Series, sought: _Sought) -> pl.Series:
    if not sought.ids and not sought.texts:
        return pl.repeat(False, len(said), dtype=pl.Boolean, eager=True)
    rows = said.fill_null("").alias("said").to_frame().with_row_index()
    possible = rows.filter(_may_say(rows["said"], sought))
    if possible.is_empty():
        return pl.repeat(False, rows.height, dtype=pl.Boolean, eager=True)
    escaped = possible.filter(pl.col("said").str.contains("\\", literal=True))
    forms = pl.concat([possible, escaped.with_columns(said=unescaped(escaped["said"]))])
    compared = forms.select(folded(pl.col("said")))["said"]
    found = forms["index"].filter(_holds_id(compared, sought.ids) | _holds_text(compared, sought.texts))
    return rows.select(found=pl.col("index").is_in(found.implode()))["found"]


def _may_say(said: pl.Series, sought: _Sought) -> pl.Series:
    """A quick look: in plain ASCII, an id and a text's longest word must stand as they are."""
    plain = (said.str.len_bytes() == said.str.len_chars()) & ~said.str.contains(r"\u", literal=True)
    return ~plain | _holds_id(said, sought.ids) | _holds_text(said, sought.anchors, ascii_case_insensitive=True)


def _holds_id(said: pl.Series, ids: frozenset[str]) -> pl.Series:
    """Which strings hold one of these record_ids, alone or within a longer run of hexadecimal digits."""
    if not ids:
        return pl.repeat(False, len(said), dtype=pl.Boolean, eager=True)
    runs = said.str.extract_all(_DIGITS).to_list()
    return pl.Series([any(_names_one(run.lower(), ids) for run in some) for some in runs], dtype=pl.Boolean)


def _names_one(run: str, ids: frozenset[str]) -> bool:
    return any(run[start : start + _ID_LENGTH] in ids for start in range(len(run) - _ID_LENGTH + 1))


def _holds_text(said: pl.Series, texts: list[str], *, ascii_case_insensitive: bool = False) -> pl.Series:
    if not texts:
        return pl.repeat(False, len(said), dtype=pl.Boolean, eager=True)
    return said.str.contains_any(texts, ascii_case_insensitive=ascii_case_insensitive)


def unescaped(text: pl.Series) -> pl.Series:
    r"""Strings with JSON's escapes undone: ``\n`` is a space, ``\u00e9`` its letter."""
    wide = text.str.contains(r"\u", literal=True)
    if wide.any():
        decoded = [_CODE_UNITS.sub(_decoded, each) if each and "\\u" in each else each for each in text]
        text = pl.Series(text.name, decoded, dtype=pl.String)
    return text.str.replace_many(list(_ESCAPES), list(_ESCAPES.values()), leftmost=True)


def blanked(value: Any, needles: Sequence[str]) -> Any:
    """A JSON value in which no string says a needle: of several lines those that do are gone, others are replaced.

    What is named in ``IDENTIFIERS`` stays: without it the value would no longer be of the same thing.
    """
    return _blanked(value, _sought(tuple(needles)))


def _blanked(value: Any, sought: _Sought) -> Any:
    if isinstance(value, dict):
        return {name: each if name in IDENTIFIERS else _blanked(each, sought) for name, each in value.items()}
    if isinstance(value, list):
        return [_blanked(each, sought) for each in value]
    if not isinstance(value, str) or not _says(value, sought):
        return value
    lines = value.splitlines()
    rest = "\n".join(line for line, gone in zip(lines, _say(pl.Series(lines), sought), strict=True) if not gone)
    return rest if rest and not _says(rest, sought) else BLANK


def _says(text: str, sought: _Sought) -> bool:
    return bool(_say(pl.Series([text]), sought).any())


def _decoded(found: re.Match[str]) -> str:
    units = b"".join(int(unit, 16).to_bytes(2, "little") for unit in found.group().split(r"\u")[1:])
    return units.decode("utf-16-le", errors="replace")


def _strings(value: pl.Expr, kind: pl.DataType) -> pl.Expr | None:
    match kind:
        case pl.String():
            return value
        case pl.Enum() | pl.Categorical():
            return value.cast(pl.String)
        case pl.Struct():
            parts = [
                part
                for field in kind.fields
                if (part := _strings(value.struct.field(field.name), _instance(field.dtype))) is not None
            ]
            return pl.concat_str(parts, separator=BETWEEN, ignore_nulls=True) if parts else None
        case pl.List() | pl.Array():
            inside = _strings(pl.element(), _instance(kind.inner))
            if inside is None:
                return None
            return value.cast(pl.List(kind.inner)).list.eval(inside).list.join(BETWEEN, ignore_nulls=True)
        case _:
            return None


def _instance(kind: pl.DataType | DataTypeClass) -> pl.DataType:
    return kind() if isinstance(kind, DataTypeClass) else kind
