"""Replacing personal data in records by placeholders or pseudonyms, counted by source and entity type."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import polars as pl

from fineline.data_contracts.messages import MESSAGE_COLUMNS
from fineline.data_contracts.records import ScrubbedRecord
from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.core.redaction import FinelineError
from fineline.resources.data.pii.detector import Detector
from fineline.resources.data.pii.spans import Span
from fineline.resources.data.scrubbing.documents import JSON_COLUMNS, NAME_COLUMNS, Fragment, read, rewrite
from fineline.resources.data.scrubbing.replacement import Cleaned, Replacer

# Text that becomes Python objects at once; the rest of a frame stays in Arrow's memory.
_SLICE_BYTES = 32_000_000
_SCHEMA = ScrubbedRecord.create_empty().schema
_TEXTS = {name: _SCHEMA[name] for name in (*MESSAGE_COLUMNS, *JSON_COLUMNS, *NAME_COLUMNS)}


@dataclass(frozen=True)
class Scrubbed:
    """Scrubbed records with their number of ``replacements``, in the given order, and the counts of what was replaced.

    ``entities`` has the columns source, entity, spans (replaced) and records (with at least one), sorted by
    source and entity. ``timed_out`` are the given records, unchanged, of which a text took too long to analyse.
    """

    records: pl.DataFrame
    entities: pl.DataFrame
    timed_out: pl.DataFrame


class _NotAnalysed(FinelineError):
    """A text took too long to analyse."""


class Scrubber:
    """Replaces personal data and secrets in records by placeholders such as ``<PERSON>``, or by pseudonyms.

    All text is scrubbed: the contents of prompt, completion and rejected messages, and the string values in
    the JSON of tools and metadata. JSON in messages (a whole message, a tool call, a fenced block) is scrubbed by its
    values and stays valid. A label, a group or a JSON key that holds personal data (of the types that are
    recognised by pattern, such as an e-mail address) becomes ``group-`` or ``key-`` and 16 hex digits of its
    keyed hash, so that groups stay together. Roles, source, batch, licence and record_id stay.

    ``key`` decides on pseudonyms and hashes; without one they differ from one scrubber to the next. With ``cache``, a
    folder, a text that was analysed with the same settings is not analysed again, see FindingsCache.

    Building one is cheap: the models are loaded with the first text, which takes seconds.
    """

    def __init__(self, section: Scrub, *, key: PseudonymKey | None = None, cache: Path | None = None) -> None:
        key = key or PseudonymKey.random()
        self._detector = Detector(section, cache)
        self._replacer = Replacer(section, key)
        self._placeholders = Replacer(section.model_copy(update={"replacement": {}}), key)

    def scrub(self, records: pl.DataFrame, *, measuring: bool = False) -> Scrubbed:
        """Scrub a frame with Record's columns.

        A measurement is of the models: with ``measuring`` the cache is left alone, and every type becomes its
        placeholder, since an invented value might be taken for one that was left.

        Raises:
            ScrubError: the section names an unknown entity type or a model that is not installed.
        """
        scrubbed = pl.concat(self._scrub(part, measuring) for part in slices(records, _SLICE_BYTES))
        timed_out = scrubbed["replaced"].is_null()
        scrubbed = scrubbed.filter(~timed_out)
        spans = scrubbed.with_row_index("record").select("record", "source", entity="replaced")
        counts = spans.explode("entity").drop_nulls("entity").group_by("source", "entity")
        return Scrubbed(
            scrubbed.with_columns(replacements=pl.col("replaced").list.len()).select(_SCHEMA.names()),
            counts.agg(spans=pl.len(), records=pl.col("record").n_unique()).sort("source", "entity"),
            records.filter(timed_out),
        )

    def _scrub(self, records: pl.DataFrame, measuring: bool) -> pl.DataFrame:
        """The scrubbed records, with a list of the entity types of their spans in the column ``replaced``.

        It is null where a text took too long to analyse; the texts of such a record are empty.
        """
        rows = records.select(_TEXTS.keys()).to_dicts()
        fragments, identifiers = read(rows)
        found, found_identifiers = self._detector.detect(
            (fragment.context + fragment.text for fragment in fragments), identifiers, uncached=measuring
        )
        replacer = self._placeholders if measuring else self._replacer
        cleaned = {
            each: _clean(replacer, each, spans)
            for each in fragments
            if (spans := found.get(each.context + each.text)) is not None
        }
        in_identifiers = {name: [span.entity for span in spans] for name, spans in found_identifiers.items()}
        entities: list[str] = []

        def clean(fragment: Fragment) -> str:
            if fragment not in cleaned:
                raise _NotAnalysed
            entities.extend(cleaned[fragment].entities)
            return cleaned[fragment].text

        def rename(kind: str, name: str) -> str:
            if name not in in_identifiers:
                raise _NotAnalysed
            entities.extend(in_identifiers[name])
            return replacer.hashed(kind, name) if in_identifiers[name] else name

        new_rows: list[dict[str, Any]] = []
        replaced: list[list[str] | None] = []
        for row in rows:
            entities.clear()
            try:
                new_rows.append(rewrite(row, clean, rename))
                replaced.append(entities.copy())
            except _NotAnalysed:
                new_rows.append(dict.fromkeys(_TEXTS))
                replaced.append(None)
        texts = pl.DataFrame(new_rows, schema=_TEXTS)
        return records.with_columns(texts).with_columns(pl.Series("replaced", replaced, dtype=pl.List(pl.String)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the cache."""
        self._detector.close()


def _clean(replacer: Replacer, fragment: Fragment, spans: Sequence[Span]) -> Cleaned:
    """Replace what was found in a fragment, but not what was found in its context."""
    before = len(fragment.context)
    within = [
        span._replace(start=max(0, span.start - before), end=span.end - before) for span in spans if span.end > before
    ]
    return replacer.clean(fragment.text, within)


def slices(records: pl.DataFrame, limit: int) -> Iterator[pl.DataFrame]:
    """A frame in parts of at most ``limit`` bytes of text, or of one record; an empty one as it is."""
    if records.is_empty():
        yield records
        return
    content = pl.element().struct.field("content").str.len_bytes()
    messages = [pl.col(column).list.eval(content).list.sum() for column in MESSAGE_COLUMNS]
    sizes = records.select(pl.sum_horizontal(*messages, pl.col(*JSON_COLUMNS).str.len_bytes())).to_series()
    start = size = 0
    for row, more in enumerate(sizes):
        if size and size + more > limit:
            yield records[start:row]
            start, size = row, 0
        size += more
    yield records[start:]
