"""Taking table files apart into rows: Parquet, and Arrow's file and stream formats."""

from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from fineline.resources.data.formats.rows import Row, SourceError, without_nulls

BATCH_ROWS = 1_000
ARROW_MARK = b"ARROW1"


def parquet_rows(file: BinaryIO, key: str) -> Iterator[Row]:
    """One row for each row of a Parquet file. Raises SourceError where it is damaged, or its footer is wrong."""
    try:
        table = pq.ParquetFile(file)
        claimed = table.metadata.num_rows
        yield from _rows(table.iter_batches(batch_size=BATCH_ROWS), key, claimed)
    except (pa.ArrowException, OSError, MemoryError) as error:
        raise _damaged(key, "Parquet", error) from None


def arrow_rows(file: BinaryIO, key: str) -> Iterator[Row]:
    """One row for each row of an Arrow IPC file or stream. Raises SourceError where it is damaged."""
    try:
        mark = file.read(len(ARROW_MARK))
        file.seek(0)
        if mark == ARROW_MARK:
            reader = pa.ipc.open_file(file)
            batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
        else:
            batches = iter(pa.ipc.open_stream(file))
        yield from _rows(batches, key, None)
    except (pa.ArrowException, OSError, MemoryError) as error:
        raise _damaged(key, "Arrow", error) from None


def frame_rows(frame: pl.DataFrame, first: int = 1) -> Iterator[Row]:
    """The rows of a frame, each a dictionary of its columns.

    Nulls inside nested values are left out: a table has them for every field that only other rows have.
    """
    nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
    size = int(frame.estimated_size()) // max(frame.height, 1)
    for number, values in enumerate(frame.iter_rows(named=True), start=first):
        for name in nested:
            values[name] = without_nulls(values[name])
        yield Row(f"row {number}", values, size)


TABLE_READERS: Mapping[str, Callable[[BinaryIO, str], Iterator[Row]]] = {
    ".parquet": parquet_rows,
    ".arrow": arrow_rows,
    ".feather": arrow_rows,
}


def _rows(batches: Iterator[pa.RecordBatch], key: str, claimed: int | None) -> Iterator[Row]:
    read = 0
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            frame = pl.DataFrame(pa.Table.from_batches([batch.slice(start, BATCH_ROWS)]))
            yield from frame_rows(frame, read + 1)
            read += frame.height
    if claimed is not None and read != claimed:
        raise SourceError(f"{key} holds {read:,} rows, its footer says {claimed:,}; copy or write it again.")


def _damaged(key: str, form: str, error: BaseException) -> SourceError:
    return SourceError(f"{key} is not a readable {form} file ({type(error).__name__}); copy or write it again.")
