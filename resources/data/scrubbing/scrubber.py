"""Replacing personal data in records by placeholders or pseudonyms, counted by source and entity type."""

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import polars as pl

from fineline.data_contracts.messages import MESSAGE_COLUMNS
from fineline.data_contracts.records import ScrubbedRecord
from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.pii.detector import Detector
from fineline.resources.data.pii.spans import Span
from fineline.resources.data.scrubbing.documents import (
    JSON_COLUMNS,
    NAME_COLUMNS,
    Fragment,
    fragments,
    identifiers,
    rewrite,
)
from fineline.resources.data.scrubbing.replacement import Cleaned, Replacer

# Text that becomes Python objects at once; the rest of a frame stays in Arrow's memory.
_SLICE_BYTES = 32_000_000
_TEXT_COLUMNS = [*MESSAGE_COLUMNS, *JSON_COLUMNS, *NAME_COLUMNS]
_ENTITIES = pl.Schema({"source": pl.String, "entity": pl.String, "spans": pl.UInt32, "records": pl.UInt32})


@dataclass(frozen=True)
class Scrubbed:
    """Scrubbed records with their number of ``replacements``, in the given order, and the counts of what was replaced.

    ``entities`` has the columns source, entity, spans (replaced) and records (with at least one), sorted by
    source and entity.
    """

    records: pl.DataFrame
    entities: pl.DataFrame


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
        self._section = section
        self._key = key or PseudonymKey.random()
        self._detector = Detector(section, cache)
        self._uncached = False
        self._replacer = Replacer(section, self._key)

    def scrub(self, records: pl.DataFrame) -> Scrubbed:
        """Scrub a frame with Record's columns.

        Raises:
            ScrubError: the section names an unknown entity type or a model that is not installed.
        """
        parts = [self._scrub(part) for part in slices(records, _SLICE_BYTES)]
        counts = pl.concat(part.entities for part in parts)
        return Scrubbed(
            pl.concat(part.records for part in parts),
            counts.group_by("source", "entity").agg(pl.col("spans", "records").sum()).sort("source", "entity"),
        )

    def _scrub(self, records: pl.DataFrame) -> Scrubbed:
        rows = records.select("source", *_TEXT_COLUMNS).to_dicts()
        in_rows = dict.fromkeys(fragment for row in rows for fragment in fragments(row))
        found, found_identifiers = self._detector.detect(
            (fragment.context + fragment.text for fragment in in_rows),
            (identifier for row in rows for identifier in identifiers(row)),
            uncached=self._uncached,
        )
        cleaned = {fragment: self._clean(fragment, found[fragment.context + fragment.text]) for fragment in in_rows}
        names = {name: self._replacer.clean(name, spans) for name, spans in found_identifiers.items()}
        new_rows: list[dict[str, Any]] = []
        replacements: list[int] = []
        spans: Counter[tuple[str, str]] = Counter()
        with_spans: Counter[tuple[str, str]] = Counter()
        for row in rows:
            new_row, replaced = rewrite(row, cleaned, names, self._replacer.hashed)
            new_rows.append(new_row)
            replacements.append(len(replaced))
            spans.update((row["source"], entity) for entity in replaced)
            with_spans.update((row["source"], entity) for entity in set(replaced))
        schema = ScrubbedRecord.create_empty().schema
        columns = pl.DataFrame(new_rows, schema={column: schema[column] for column in _TEXT_COLUMNS})
        return Scrubbed(
            records.with_columns(columns)
            .with_columns(pl.Series("replacements", replacements, dtype=schema["replacements"]))
            .select(schema.names()),
            pl.DataFrame(
                [(*key, spans[key], with_spans[key]) for key in sorted(spans)], schema=_ENTITIES, orient="row"
            ),
        )

    def _clean(self, fragment: Fragment, spans: Sequence[Span]) -> Cleaned:
        """Replace what was found in a fragment, but not what was found in its context."""
        before = len(fragment.context)
        within = [
            span._replace(start=max(0, span.start - before), end=span.end - before)
            for span in spans
            if span.end > before
        ]
        return self._replacer.clean(fragment.text, within)

    def with_placeholders(self) -> Self:
        """A scrubber on the same models that writes ``<TYPE>`` for every type, and leaves the cache alone.

        A measurement must be of the models, not of the cache.
        """
        other = copy.copy(self)
        other._uncached = True
        other._replacer = Replacer(self._section.model_copy(update={"replacement": {}}), self._key)
        return other

    def close(self) -> None:
        """Close the cache."""
        self._detector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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
