"""Fitting the rows of a batch to records: what fits becomes a record, the rest is kept with the reason."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from fineline.resources.recipe_data import Columns
from fineline.resources.sources.batches import BatchBuilder, BatchRows, RawRow, Row, UnfitRowError
from fineline.resources.sources.detection import find_shape
from fineline.resources.sources.shapes import Shape


def fit_rows(
    key: str,
    rows: Iterable[Row | RawRow],
    licence: str,
    limit: int | None,
    columns: Columns,
    strip_end: Sequence[str] = (),
    group: str | None = None,
) -> BatchRows:
    """The first ``limit`` rows of the batch ``key`` as records, read by the shape of their columns.

    ``group`` is given to records whose columns name none.

    Raises:
        SourceError: there are no rows, or no shape fits the columns.
    """
    builder = BatchBuilder(key.partition("/")[0], key)
    taken = list(itertools.islice(rows, limit))
    whole = [row for row in taken if isinstance(row, Row)]
    shape = find_shape(key, whole, columns, strip_end) if whole else None
    for row in taken:
        if isinstance(row, RawRow):
            builder.add_raw(row)
        elif shape is not None:
            _add(builder, row, shape, licence, group)
    return builder.build()


def _add(builder: BatchBuilder, row: Row, shape: Shape, licence: str, group: str | None) -> None:
    try:
        content = shape.read(row.values)
        content = replace(content, group=content.group or group)
        builder.add(row, content, licence, {"location": row.location})
    except UnfitRowError as error:
        builder.add_unfit(row, str(error))
