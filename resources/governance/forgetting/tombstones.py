"""Tombstones: keyed hashes by which forgotten records, texts and sources are recognised when they are read again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO

import polars as pl

from fineline.data_contracts.forgetting import Tombstone
from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.storage import layout
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.forgetting.request import ForgettingError
from fineline.resources.governance.forgetting.texts import BETWEEN, readings, strings

_SCHEMA = Tombstone.create_empty().schema


def of_records(key: PseudonymKey, request_id: str, record_ids: Iterable[str]) -> pl.DataFrame:
    """Tombstones of records."""
    return _rows(key, request_id, "record", tombstone=[key.tombstone(record_id) for record_id in record_ids])


def of_source(key: PseudonymKey, request_id: str, source: str) -> pl.DataFrame:
    """The tombstone of a source."""
    return _rows(key, request_id, "source", tombstone=[_source_hash(key, source)])


def of_texts(key: PseudonymKey, request_id: str, needles: Iterable[str]) -> pl.DataFrame:
    """Tombstones of texts in comparable form."""
    phrases = [needle.split() for needle in needles]
    anchors = [max(words, key=len) for words in phrases]
    return _rows(
        key,
        request_id,
        "phrase",
        tombstone=[_phrase_hash(key, words) for words in phrases],
        anchor=[_anchor(key, word) for word in anchors],
        words=[len(words) for words in phrases],
        position=[words.index(word) for words, word in zip(phrases, anchors, strict=True)],
    )


def add(storage: Storage, rows: pl.DataFrame) -> None:
    """Store tombstones for ever; those already stored stay as they are."""
    with storage.root.lock(layout.TOMBSTONES_LOCK):
        before = read(storage)
        table = pl.concat([before, rows]).unique(["request_id", "tombstone"], keep="first")
        table = table.sort("request_id", "kind", "tombstone")
        if not table.equals(before):
            content = BytesIO()
            Tombstone.validate(table).write_parquet(content)
            storage.root.put(layout.TOMBSTONES, content.getvalue())


def read(storage: Storage) -> pl.DataFrame:
    """All tombstones."""
    stored = storage.root.get(layout.TOMBSTONES)
    return pl.read_parquet(stored.content) if stored else pl.DataFrame(schema=_SCHEMA)


class Tombstones:
    """Recognises forgotten records, texts and sources.

    Raises:
        ForgettingError: the tombstones were made under another key.
    """

    def __init__(self, table: pl.DataFrame, key: PseudonymKey) -> None:
        if (table["key"] != key.fingerprint).any():
            raise ForgettingError(
                "records were forgotten under another pseudonym key and cannot be recognised with this one; "
                "bring back the key of that time (pseudonym.key, or FINELINE_PSEUDONYM_KEY)"
            )
        self._key = key
        self._records = set(table.filter(pl.col("kind") == "record")["tombstone"])
        self._sources = set(table.filter(pl.col("kind") == "source")["tombstone"])
        phrases = table.filter(pl.col("kind") == "phrase")
        self._phrases = set(phrases["tombstone"])
        self._places: dict[int, set[tuple[int, int]]] = {}
        for anchor, words, position in phrases.select("anchor", "words", "position").iter_rows():
            self._places.setdefault(anchor, set()).add((words, position))

    @classmethod
    def load(cls, storage: Storage, key: PseudonymKey) -> Tombstones | None:
        """The tombstones of a storage root, or None if it has none. Raises ForgettingError for another key."""
        table = read(storage)
        return cls(table, key) if table.height else None

    def instead(self, rows: pl.DataFrame, source: str) -> pl.Series:
        """The tombstone that replaces each row's record_id, or null for a row that may stay.

        A row is recognised by its record_id, by its source, or by a text in any of its strings.
        """
        hashes = pl.Series([self._key.tombstone(each) for each in rows["record_id"]], dtype=pl.String)
        if _source_hash(self._key, source) in self._sources:
            return hashes
        known = hashes.is_in(self._records) | self.recognise(strings(rows.drop("record_id")))
        return hashes.to_frame("hash").select(pl.when(known).then("hash"))["hash"]

    def recognise(self, texts: pl.Series) -> pl.Series:
        """Whether each text contains a forgotten one."""
        texts = texts.alias("text")
        found = pl.repeat(False, len(texts), dtype=pl.Boolean, eager=True)
        if not self._places or texts.is_empty():
            return found
        rows = readings(texts.fill_null("").to_frame().with_row_index())
        rows = rows.with_columns(
            words=pl.col("text").str.replace_all(BETWEEN, f" {BETWEEN} ", literal=True).str.split(" ")
        )
        hot = self._hot(rows["words"].explode().unique().drop_nulls())
        if not hot:
            return found
        candidates = rows.filter(pl.col("words").list.eval(pl.element().is_in(list(hot))).list.any())
        confirmed = {
            index for index, words in candidates.select("index", "words").iter_rows() if self._confirm(words, hot)
        }
        return pl.Series([index in confirmed for index in range(len(texts))], dtype=pl.Boolean)

    def _hot(self, words: pl.Series) -> dict[str, set[tuple[int, int]]]:
        """The words whose keyed hash is an anchor, with the length of its phrases and the word's position in them."""
        places = ((word, self._places.get(_anchor(self._key, word))) for word in words)
        return {word: place for word, place in places if place is not None}

    def _confirm(self, words: list[str], hot: dict[str, set[tuple[int, int]]]) -> bool:
        return any(
            index >= position and _phrase_hash(self._key, words[index - position :][:length]) in self._phrases
            for index, word in enumerate(words)
            for length, position in hot.get(word, ())
        )


def _rows(key: PseudonymKey, request_id: str, kind: str, **columns: Sequence[object]) -> pl.DataFrame:
    """``Tombstone`` rows with these columns; those that a kind has not are null."""
    same = {"request_id": request_id, "kind": kind, "key": key.fingerprint}
    rows = [same | dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return pl.DataFrame(rows, schema=_SCHEMA)


def _source_hash(key: PseudonymKey, source: str) -> str:
    return key.digest("forgotten source", source).hex()[:32]


def _phrase_hash(key: PseudonymKey, words: list[str]) -> str:
    return key.digest("forgotten words", *words).hex()[:32]


def _anchor(key: PseudonymKey, word: str) -> int:
    return int.from_bytes(key.digest("forgotten word", word)[:2], "big")
