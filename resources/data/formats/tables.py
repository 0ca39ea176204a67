"""Table files as rows: Parquet, and Arrow's file and stream formats."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from fineline.resources.data.formats.rows import Row, SourceError, without_nulls

BATCH_ROWS = 1_000
ARROW_MARK = b"ARROW1"


def parquet_rows(file: BinaryIO, key: str) -> Iterator[Row]:
    """One row for each row of a Parquet file. Raises SourceError where it is damaged, or its footer is wrong."""
    read = 0
    with _damage_named(key, "Parquet"):
        table = pq.ParquetFile(file)
        for row in frame_rows(_frames(table.iter_batches(batch_size=BATCH_ROWS))):
            read += 1
            yield row
    claimed = table.metadata.num_rows
    if read != claimed:
        raise SourceError(f"{key} holds {read:,} rows, its footer says {claimed:,}; copy or write it again.")


def arrow_rows(file: BinaryIO, key: str) -> Iterator[Row]:
    """One row for each row of an Arrow IPC file or stream. Raises SourceError where it is damaged."""
    with _damage_named(key, "Arrow"):
        mark = file.read(len(ARROW_MARK))
        file.seek(0)
        if mark == ARROW_MARK:
            reader = pa.ipc.open_file(file)
            batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
        else:
            batches = iter(pa.ipc.open_stream(file))
        yield from frame_rows(_frames(batches))


def frame_rows(frames: Iterable[pl.DataFrame]) -> Iterator[Row]:
    """The rows of frames, numbered from 1 on, each a dictionary of its columns.

    Nulls inside nested values are left out: a table has them for every field that only other rows have.
    """
    read = 0
    for frame in frames:
        nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
        size = int(frame.estimated_size()) // max(frame.height, 1)
        for number, values in enumerate(frame.iter_rows(named=True), start=read + 1):
            for name in nested:
                values[name] = without_nulls(values[name])
            yield Row(f"row {number}", values, size)
        read += frame.height


TABLE_READERS: Mapping[str, Callable[[BinaryIO, str], Iterator[Row]]] = {
    ".parquet": parquet_rows,
    ".arrow": arrow_rows,
    ".feather": arrow_rows,
}


def _frames(batches: Iterable[pa.RecordBatch]) -> Iterator[pl.DataFrame]:
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            yield pl.DataFrame(pa.Table.from_batches([batch.slice(start, BATCH_ROWS)]))


@contextmanager
def _damage_named(key: str, form: str) -> Iterator[None]:
    """What a reader of tables raises as a SourceError without content."""
    try:
        yield
    except (pa.ArrowException, OSError, MemoryError) as error:
        raise SourceError(
            f"{key} is not a readable {form} file ({type(error).__name__}); copy or write it again."
        ) from None
