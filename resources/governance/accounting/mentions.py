"""Search for a text in the raw corpus, ignoring case, punctuation, markup and line ends."""

from __future__ import annotations

import unicodedata

import polars as pl

from fineline.resources.core.storage.files import StorageError
from fineline.resources.core.storage.root import Root

_SCHEMA = pl.Schema({"record_id": pl.String(), "batch": pl.String()})
_MESSAGES = ("prompt", "completion", "rejected")
_STRINGS = ("tools", "label", "group", "metadata")
# What separates two words: any characters except letters and digits, or in JSON an escaped line end or tab.
_BETWEEN = r"(?:\\[nrtbf]|[^\p{L}\p{M}\p{N}])+"
# A pattern of hundreds of words is too large to compile. Its beginning already excludes nearly all records.
_WORDS_OF_PATTERN = 40
_LETTERS_OF_PATTERN = 1_000


def mentions(root: Root, raw: list[str], quarantine: list[str], text: str) -> pl.DataFrame:
    """The record_id and batch of each record that mentions a text, in the order of batches and rows.

    ``raw`` are the keys of the tables of the batches, ``quarantine`` those of the tables of rows that broke a contract.
    The search covers all strings of a record: messages, tools, label, group and metadata. The words of the text must
    follow one another; the first and the last may be part of a longer word.

    Raises:
        StorageError: the text has neither letters nor digits, or a table cannot be read.
    """
    forms = dict.fromkeys(" ".join(_words(unicodedata.normalize(form, text))) for form in ("NFC", "NFKC"))
    if "" in forms:
        raise StorageError("a text to look for needs letters or digits")
    beginnings = dict.fromkeys(map(_beginning, forms))
    pattern = f"(?i){'|'.join(beginning.replace(' ', _BETWEEN) for beginning in beginnings)}"
    tables = [
        (raw, _in_record(pattern), [*_MESSAGES, *_STRINGS]),
        (quarantine, pl.col("record").str.contains(pattern), ["record"]),
    ]
    try:
        if beginnings == forms:
            return pl.concat(pl.collect_all(_found(root, keys, matches) for keys, matches, _ in tables))
        return pl.concat(_confirmed(root, *table, text) for table in tables)
    except pl.exceptions.PolarsError as error:
        # The message of polars may contain the pattern, and so the text.
        raise StorageError(
            f"a table of the raw corpus cannot be read ({type(error).__name__}); the job audit names the damaged one"
        ) from None


def _in_record(pattern: str) -> pl.Expr:
    content = pl.element().struct.field("content").str.contains(pattern)
    messages = [pl.col(name).list.eval(content).list.any() for name in _MESSAGES]
    return pl.any_horizontal(*messages, *(pl.col(name).str.contains(pattern) for name in _STRINGS))


def _found(root: Root, keys: list[str], matches: pl.Expr) -> pl.LazyFrame:
    if not keys:
        return pl.LazyFrame(schema=_SCHEMA)
    return root.scan(keys).filter(matches).select(_SCHEMA.names())


def _confirmed(root: Root, keys: list[str], begins: pl.Expr, columns: list[str], text: str) -> pl.DataFrame:
    """The rows that mention the whole text, among those that mention its beginning."""
    # Imported here: it loads the contracts, which takes as long as searching a million records.
    from fineline.resources.core.storage.parquet import row_groups
    from fineline.resources.governance.forgetting.texts import contains_any, fold, strings

    rows = [pl.DataFrame(schema=_SCHEMA)]
    for part in (part for key in keys for part in row_groups(root, key)):
        candidates = part.filter(begins)
        whole = contains_any(strings(candidates.select(columns)), fold([text]))
        rows.append(candidates.filter(whole).select(_SCHEMA.names()))
    return pl.concat(rows)


def _beginning(words: str) -> str:
    """As many of the words as fit into a pattern; the last may be cut."""
    return " ".join(words[:_LETTERS_OF_PATTERN].split(" ")[:_WORDS_OF_PATTERN]).strip()


def _words(text: str) -> list[str]:
    letters = (char if unicodedata.category(char)[0] in "LMN" else " " for char in text)
    return "".join(letters).split()
