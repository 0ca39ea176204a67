"""Scrubbing records: personal data in, placeholders or pseudonyms out, counted by source and entity type."""

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
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
    IDENTIFIERS,
    JSON,
    Fragment,
    fragments,
    identifiers,
    rewrite,
)
from fineline.resources.data.scrubbing.replacement import Cleaned, Replacer

SCRUBBER_VERSION = "2"

# Text that is taken into Python objects at once; the rest of a frame stays in Arrow's memory.
_SLICE_BYTES = 32_000_000
_TEXT_COLUMNS = [*MESSAGE_COLUMNS, *JSON, *IDENTIFIERS]
_ENTITIES = pl.Schema({"source": pl.String, "entity": pl.String, "spans": pl.UInt32, "records": pl.UInt32})


@dataclass(frozen=True)
class Scrubbed:
    """Records with ``replacements``, in the order in which they came, and what was replaced.

    ``entities`` has the columns source, entity, spans (replaced) and records (with at least one), sorted by
    source and entity.
    """

    records: pl.DataFrame
    entities: pl.DataFrame


class Scrubber:
    """Replaces personal data and secrets in records by placeholders such as ``<PERSON>``, or by pseudonyms.

    All text is scrubbed: the contents of prompt, completion and rejected messages, and the string values in
    the JSON of tools and metadata; so are the values of JSON in messages (a whole message, a tool call, a fenced
    block), and it stays valid. A label, a group or a JSON key that holds personal data (of the types that are
    recognised by pattern, such as an e-mail address) becomes ``group-`` or ``key-`` and 16 hex digits of its
    keyed hash, so that groups stay together. Roles, source, batch, licence and record_id stay.

    ``key`` decides on pseudonyms and hashes; without one they differ from one scrubber to the next.

    Making one is cheap; the engine is built on first use (seconds). Close it, or use it as a context manager,
    to end its processes. What is found in records is remembered in ``memory``, a folder, if one is given: an
    unchanged text is not analysed again, by this scrubber or a later one with the same settings.
    """

    def __init__(self, section: Scrub, *, key: PseudonymKey | None = None, memory: Path | None = None) -> None:
        self._section = section
        self._key = key or PseudonymKey.random()
        self._detector = Detector(section, memory)
        self._anew = False
        self._replacer = Replacer(section, self._key)

    def scrub(self, records: pl.DataFrame, progress: Callable[[int, int], None] | None = None) -> Scrubbed:
        """Scrub a frame with Record's columns.

        ``progress`` is called every few seconds with the number of records done (estimated from the text done)
        and in all. Raises ScrubError where the section names an unknown entity type or a model that is not
        installed.
        """
        parts: list[Scrubbed] = []
        done = 0
        for part in slices(records, _SLICE_BYTES):
            parts.append(self._scrub(part, _shifted(progress, done, part.height, records.height)))
            done += part.height
        counts = pl.concat(part.entities for part in parts)
        return Scrubbed(
            pl.concat(part.records for part in parts),
            counts.group_by("source", "entity").agg(pl.col("spans", "records").sum()).sort("source", "entity"),
        )

    def _scrub(self, records: pl.DataFrame, progress: Callable[[int, int], None] | None) -> Scrubbed:
        rows = records.select("source", *_TEXT_COLUMNS).to_dicts()
        in_rows = dict.fromkeys(fragment for row in rows for fragment in fragments(row))
        found, found_identifiers = self._detector.detect(
            (fragment.context + fragment.text for fragment in in_rows),
            (identifier for row in rows for identifier in identifiers(row)),
            progress,
            anew=self._anew,
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
        """Replace what was found in a fragment; of what was found in its context, nothing."""
        before = len(fragment.context)
        within = [
            span._replace(start=max(0, span.start - before), end=span.end - before)
            for span in spans
            if span.end > before
        ]
        return self._replacer.clean(fragment.text, within)

    def clean(self, texts: Sequence[str]) -> list[str]:
        """Single texts, scrubbed as the texts of records are, but always analysed anew: canaries measure that."""
        found, _ = self._detector.detect(texts, anew=True)
        return [self._replacer.clean(text, found[text]).text for text in texts]

    def with_placeholders(self) -> Self:
        """The same scrubber, on the same engine, with ``<TYPE>`` for every type: shows what it finds now.

        It recalls and remembers nothing: a measurement must be of the finder, not of the memory.
        """
        other = copy.copy(self)
        other._anew = True
        other._replacer = Replacer(self._section.model_copy(update={"replacement": {}}), self._key)
        return other

    def close(self) -> None:
        """End the processes, if any were started."""
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
    sizes = records.select(pl.sum_horizontal(*messages, pl.col(*JSON).str.len_bytes())).to_series()
    start = size = 0
    for row, more in enumerate(sizes):
        if size and size + more > limit:
            yield records[start:row]
            start, size = row, 0
        size += more
    yield records[start:]


def _shifted(
    progress: Callable[[int, int], None] | None, before: int, height: int, total: int
) -> Callable[[int, int], None] | None:
    """Progress within a slice as progress within the frame, in records."""
    if progress is None:
        return None
    return lambda done, pieces: progress(before + height * done // max(pieces, 1), total)
