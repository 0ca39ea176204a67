"""Fitting the rows of a batch to records: what fits becomes a record, the rest is kept with the reason."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from fineline.resources.core.recipe.sources import TableSource
from fineline.resources.data.formats.rows import RawRow, Row
from fineline.resources.data.shapes.content import BatchBuilder, BatchRows, UnfitRowError
from fineline.resources.data.shapes.detection import find_shape
from fineline.resources.data.shapes.shapes import Shape
from fineline.resources.data.shapes.tool_calls import Services

PART_ROWS = 20_000
PART_BYTES = 32 * 2**20


def fit_rows(
    key: str,
    rows: Iterable[Row | RawRow],
    source: TableSource,
    *,
    group: str | None = None,
    services: Services | None = None,
) -> Iterator[BatchRows]:
    """The first ``limit`` rows of the batch ``key`` as records, read by the shape of their columns.

    They come in parts of at most 20,000 rows or 32 MiB (or one row that is larger), so that memory is bounded
    whatever the batch. The shape is found by the columns of the first part. ``group`` is given to records whose
    columns name none.

    Raises:
        SourceError: there are no rows, or no shape fits the columns.
    """
    shape: Shape | None = None
    for part in _parts(itertools.islice(rows, source.limit)):
        builder = BatchBuilder(source.name, key, strip_html=source.strip_html)
        whole = [row for row in part if isinstance(row, Row)]
        if shape is None and whole:
            shape = find_shape(key, whole, source, services)
        for row in part:
            if isinstance(row, RawRow):
                builder.add_raw(row)
            elif shape is not None:
                _add(builder, row, shape, source.licence, group)
        built = builder.build()
        # Not kept while the next part is read.
        del builder, part, whole
        yield built
        del built


def _parts(rows: Iterable[Row | RawRow]) -> Iterator[list[Row | RawRow]]:
    """The rows in parts, at least one."""
    part: list[Row | RawRow] = []
    size = parts = 0
    for row in rows:
        part.append(row)
        size += row.size if isinstance(row, Row) else len(row.raw)
        if len(part) == PART_ROWS or size >= PART_BYTES:
            yield part
            part, size, parts = [], 0, parts + 1
    if part or not parts:
        yield part


def _add(builder: BatchBuilder, row: Row, shape: Shape, licence: str, group: str | None) -> None:
    try:
        content = shape.read(row.values)
        if group is not None and content.group is None:
            content = replace(content, group=group)
        builder.add(row, content, licence, {"location": row.location})
    except UnfitRowError as error:
        builder.add_unfit(row, str(error))
