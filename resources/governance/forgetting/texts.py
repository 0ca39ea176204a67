"""Comparison of texts: all strings of a row in one comparable form, and the rows that contain one of some texts.

The comparable form has letters and digits only, in lower case and Unicode form NFKC, with one space between words, so
that line ends, markup, punctuation, invisible characters and the width of letters make no difference. In scripts
without spaces between words, each character is a word. A string is compared in every reading: as it stands, with
escapes, entities, tags and encodings resolved, and without accents.
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
from fineline.resources.governance.forgetting.capitals import HUMP, JOINED, NAMED, marked
from fineline.resources.governance.forgetting.forms import spellings
from fineline.resources.governance.forgetting.wrappings import DIGESTS, WRAPPED, unwrapped

# Separates two strings of a row, so that no text is found across them.
BETWEEN = "\x1e"
BLANK = "(forgotten)"
# Names of values by which Dagster finds an event again. They stay as they are.
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
_ESCAPES = {r"\\": " ", r"\n": "\n", r"\r": "\r", r"\t": " ", r"\b": " ", r"\f": " ", r"\/": "/", r"\"": '"'}
_ID = re.compile(RECORD_ID_PATTERN)
_ID_LENGTH = 32
_DIGITS = rf"[0-9a-fA-F]{{{_ID_LENGTH},}}"
_CODE_UNITS = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")


def folded(text: pl.Expr) -> pl.Expr:
    """The comparable form of a string column."""
    lower = _visible(text).str.to_lowercase().str.replace_many(["ß", "ς"], ["ss", "σ"])
    spaced = lower.str.replace_all(_SPACELESS, " ${1} ")
    return spaced.str.replace_all(_NO_WORD, " ").str.strip_chars(" ")


def _visible(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(r"\p{Cf}", "").str.normalize("NFKC")


def fold(texts: Sequence[str]) -> list[str]:
    """The comparable form of some strings."""
    return pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)}).select(folded(pl.col("text")))["text"].to_list()


def strings(frame: pl.DataFrame) -> pl.Series:
    """All strings of each row, with those inside lists and structs, joined by ``BETWEEN``."""
    parts = [part for name, kind in frame.schema.items() if (part := _strings(pl.col(name), kind)) is not None]
    if not parts:
        return pl.repeat("", frame.height, dtype=pl.String, eager=True)
    return frame.select(pl.concat_str(parts, separator=BETWEEN, ignore_nulls=True).alias("strings"))["strings"]


def text_columns(schema: pl.Schema) -> list[str]:
    """The columns that hold strings: those that ``strings`` joins."""
    return [name for name, kind in schema.items() if _strings(pl.col(name), kind) is not None]


def contains_any(texts: pl.Series, needles: Sequence[str]) -> pl.Series:
    """Whether each text contains one of the needles (in comparable form; spaces around one
    stand for the ends of words), plainly or with JSON's escapes."""
    return _contain(texts, _sought(tuple(needles)))


@dataclass(frozen=True)
class _Sought:
    """Needles by the way they are searched: record_ids, of which there may be very many, in a set; texts one by one.

    ``anchors`` are the longest words of the texts that are plain ASCII.
    """

    ids: frozenset[str]
    texts: list[str]
    anchors: list[str]


@lru_cache(maxsize=4)
def _sought(needles: tuple[str, ...]) -> _Sought:
    ids = frozenset(needle for needle in needles if _ID.fullmatch(needle))
    texts = [needle for needle in needles if needle not in ids]
    return _Sought(ids, texts, sorted({_anchor(text) for text in texts if text.isascii()}))


def _anchor(text: str) -> str:
    return max(text.split(" "), key=len).strip(NAMED + JOINED)


def _contain(texts: pl.Series, sought: _Sought) -> pl.Series:
    if not sought.ids and not sought.texts:
        return _none(texts)
    rows = texts.fill_null("").alias("text").to_frame().with_row_index()
    possible = rows.filter(_may_contain(rows["text"], sought))
    if possible.is_empty():
        return _none(texts)
    compared = readings(possible, sought)
    found = compared["index"].filter(
        _holds_id(compared["text"], sought.ids) | _holds_text(_whole_words(compared["text"]), sought.texts)
    )
    return rows.select(found=pl.col("index").is_in(found.implode()))["found"]


def readings(rows: pl.DataFrame, sought: _Sought | None = None) -> pl.DataFrame:
    """Every reading of strings, in comparable form: the columns ``index`` and ``text``, as given, with more rows.

    One more reading of each shows which words are written as names are; of those in which something may be found, if
    it is known what is sought.
    """
    escaped = rows.filter(pl.col("text").str.contains("\\", literal=True))
    wrapped = rows.filter(_is_wrapped(pl.col("text")))
    inner = [(index, text) for index, outer in wrapped.iter_rows() for text in unwrapped(outer)]
    every = pl.concat(
        [
            rows,
            escaped.with_columns(text=unescaped(escaped["text"])),
            pl.DataFrame(inner, schema=rows.schema, orient="row"),
        ]
    )
    visible = _visible(pl.col("text"))
    cased = every if sought is None else every.filter(~_is_ascii(pl.col("text")) | _holds_anchor(every["text"], sought))
    every = every.with_columns(folded(pl.col("text")))
    is_name = sought is None or any(NAMED in text for text in sought.texts)
    for apart in (False, True) if is_name and cased.height else ():
        every = pl.concat([every, cased.with_columns(marked(visible, BETWEEN, apart=apart))])
        cased = cased.filter(visible.str.contains(HUMP))
    wide = every.filter(~_is_ascii(pl.col("text")))
    return pl.concat([every, *(wide.with_columns(spelt) for spelt in spellings(pl.col("text")))])


def _may_contain(texts: pl.Series, sought: _Sought) -> pl.Series:
    """A fast test that excludes most texts: plain ASCII without an id, and without the longest word of any text."""
    plain = texts.to_frame("text").select(_is_ascii(pl.col("text")) & ~_is_wrapped(pl.col("text")))["text"]
    return ~plain | _holds_id(texts, sought.ids) | _holds_anchor(texts, sought)


def _is_ascii(text: pl.Expr) -> pl.Expr:
    return text.str.len_bytes() == text.str.len_chars()


def _is_wrapped(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(DIGESTS, "").str.contains(WRAPPED)


def _holds_id(texts: pl.Series, ids: frozenset[str]) -> pl.Series:
    """Whether each text holds one of these record_ids, alone or within a longer run of hexadecimal digits."""
    if not ids:
        return _none(texts)
    runs = texts.str.extract_all(_DIGITS).to_list()
    return pl.Series([any(_names_one(run.lower(), ids) for run in some) for some in runs], dtype=pl.Boolean)


def _names_one(run: str, ids: frozenset[str]) -> bool:
    return any(run[start : start + _ID_LENGTH] in ids for start in range(len(run) - _ID_LENGTH + 1))


def _holds_text(texts: pl.Series, needles: list[str]) -> pl.Series:
    return texts.str.contains_any(needles) if needles else _none(texts)


def _holds_anchor(texts: pl.Series, sought: _Sought) -> pl.Series:
    if not sought.anchors:
        return _none(texts)
    return texts.str.contains_any(sought.anchors, ascii_case_insensitive=True)


def _whole_words(texts: pl.Series) -> pl.Series:
    """Texts in comparable form with a space on both sides of each word."""
    return " " + texts.str.replace_all(BETWEEN, f" {BETWEEN} ", literal=True) + " "


def _none(texts: pl.Series) -> pl.Series:
    return pl.repeat(False, len(texts), dtype=pl.Boolean, eager=True)


def unescaped(text: pl.Series) -> pl.Series:
    r"""Strings with JSON's escapes resolved: ``\t`` becomes a space, ``\u00e9`` its letter."""
    wide = text.str.contains(r"\u", literal=True)
    if wide.any():
        decoded = [_CODE_UNITS.sub(_decoded, each) if each and "\\u" in each else each for each in text]
        text = pl.Series(text.name, decoded, dtype=pl.String)
    return text.str.replace_many(list(_ESCAPES), list(_ESCAPES.values()), leftmost=True)


def blanked(value: Any, needles: Sequence[str]) -> Any:
    """A JSON value in which no string contains a needle. Lines that contain one go; a string without lines is replaced.

    Of a table that Dagster shows, the rows that contain one go, with all of their cells.
    The values of ``IDENTIFIERS`` stay, since Dagster could not read the value without them.
    """
    return _blanked(value, _sought(tuple(needles)))


def _blanked(value: Any, sought: _Sought) -> Any:
    if isinstance(value, dict):
        return {name: each if name in IDENTIFIERS else _blanked(each, sought) for name, each in value.items()}
    if isinstance(value, list):
        return [_blanked(each, sought) for each in value if not _is_row_with(each, sought)]
    if not isinstance(value, str) or not _contain(pl.Series([value]), sought).any():
        return value
    lines = pl.Series(value.splitlines())
    rest = "\n".join(lines.filter(~_contain(lines, sought)))
    return rest if rest and not _contain(pl.Series([rest]), sought).any() else BLANK


def _is_row_with(value: Any, sought: _Sought) -> bool:
    """Whether a JSON value is a row of a table in Dagster's history that contains a needle."""
    if not isinstance(value, dict) or value.get("__class__") != "TableRecord":
        return False
    cells = [each for each in value["data"].values() if isinstance(each, str)]
    return bool(_contain(pl.Series(cells, dtype=pl.String), sought).any())


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
