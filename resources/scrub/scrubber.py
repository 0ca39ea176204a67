"""Scrubbing records: personal data in, typed placeholders out, counted by source and entity type."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import polars as pl

from fineline.data_contracts.records import ScrubbedRecord
from fineline.resources.recipe_data import Scrub
from fineline.resources.scrub.detector import Detector
from fineline.resources.scrub.documents import IDENTIFIERS, JSON, MESSAGES, identifiers, rewrite, texts
from fineline.resources.scrub.replacement import Replacer

SCRUBBER_VERSION = "2"

_TEXT_COLUMNS = [*MESSAGES, *JSON, *IDENTIFIERS]
# Rows are held as Python objects for so much of a frame at a time.
_SLICE_BYTES = 64_000_000
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
    """Replaces personal data in records by placeholders such as ``<PERSON>``.

    All text is scrubbed: the contents of prompt, completion and rejected messages, and the string values in
    the JSON of tools and metadata. A label or group that holds personal data (of the types that are
    recognised by pattern, such as an e-mail address) becomes ``group-`` and 16 hex digits of its hash, so that
    groups stay together. Keys, roles, source, batch, licence and record_id stay.

    Making one is cheap; the engine is built on first use (seconds). Close it, or use it as a context manager,
    to end its processes. What is found in records is remembered in ``memory``, a folder, if one is given: an
    unchanged text is not analysed again, by this scrubber or a later one with the same settings.
    """

    def __init__(self, section: Scrub, memory: Path | None = None) -> None:
        self._detector = Detector(section, memory)
        self._replacer = Replacer(section)

    def scrub(self, records: pl.DataFrame, progress: Callable[[int, int], None] | None = None) -> Scrubbed:
        """Scrub a frame with Record's columns.

        ``progress`` is called with the number of records done and in all, after each batch of texts. Raises
        ScrubError where the section names an unknown entity type or a model that is not installed.
        """
        rows = max(1, int(_SLICE_BYTES / max(records.estimated_size() / max(records.height, 1), 1)))
        parts: list[Scrubbed] = []
        for start in range(0, max(records.height, 1), rows):
            part = records.slice(start, rows)
            parts.append(self._scrub(part, _within(progress, start, part.height, records.height)))
        entities = pl.concat(part.entities for part in parts)
        return Scrubbed(
            pl.concat(part.records for part in parts),
            entities.group_by("source", "entity").agg(pl.col("spans", "records").sum()).sort("source", "entity"),
        )

    def _scrub(self, records: pl.DataFrame, progress: Callable[[int, int], None] | None) -> Scrubbed:
        rows = records.select("source", *_TEXT_COLUMNS).to_dicts()
        found = self._detector.detect(
            (text for row in rows for text in texts(row)),
            (identifier for row in rows for identifier in identifiers(row)),
            progress,
        )
        cleaned, cleaned_identifiers = (
            {text: self._replacer.clean(text, spans) for text, spans in each.items()} for each in found
        )
        new_rows: list[dict[str, Any]] = []
        replacements: list[int] = []
        spans: Counter[tuple[str, str]] = Counter()
        with_spans: Counter[tuple[str, str]] = Counter()
        for row in rows:
            new_row, replaced = rewrite(row, cleaned, cleaned_identifiers)
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

    def clean(self, texts: Sequence[str]) -> list[str]:
        """Single texts, scrubbed as the texts of records are, but always analysed anew: canaries measure that."""
        found = self._detector.analyse(texts)
        return [self._replacer.clean(text, found[text]).text for text in texts]

    def close(self) -> None:
        """End the processes, if any were started."""
        self._detector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _within(
    progress: Callable[[int, int], None] | None, start: int, height: int, total: int
) -> Callable[[int, int], None] | None:
    """Progress of a part of ``height`` records from ``start`` on, as progress of all of them."""
    if progress is None:
        return None
    return lambda done, of: progress(start + height * done // of, total)
