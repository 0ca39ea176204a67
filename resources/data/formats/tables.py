"""Table files as rows: Parquet, and Arrow's file and stream formats."""

import hashlib
import io
import mmap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fineline.resources.data.formats.compression import BUFFER, allowed_bytes, is_damage, too_many_bytes
from fineline.resources.data.formats.rows import MAXIMUM_RECORD, RawRow, Row, SourceError, without_nulls

BATCH_ROWS = 1_000
ARROW_MARK = b"ARROW1"
# What a batch may take while it is decoded, by the rows before it: a text may be stored once, and stand in all rows.
DECODED_BYTES = 64 * 2**20
FEWEST_ROWS = 8
# Of an object in Python, beside its content: a null is no byte in a table.
BYTES_A_ROW, BYTES_A_VALUE = 64, 8
NOT_HELD = (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, OverflowError)


def parquet_rows(file: BinaryIO, key: str) -> Iterator[Row | RawRow]:
    """One row for each row of a Parquet file.

    Raises:
        SourceError: it is damaged, its footer is wrong, it unpacks to too much, or a column is of a type that polars
            does not have.
    """
    read = 0
    with _damage_named(key, "Parquet"):
        table = pq.ParquetFile(file, buffer_size=BUFFER)
        claimed = table.metadata
        groups = range(claimed.num_row_groups)
        allowed = allowed_bytes(_size_of(file))
        as_stored = sum(claimed.row_group(number).total_byte_size for number in groups)
        if max(as_stored, claimed.num_rows * (BYTES_A_ROW + BYTES_A_VALUE * claimed.num_columns)) > allowed:
            raise too_many_bytes(key)
        batches = (batch for number in groups for batch in _group_batches(table, number))
        for row in table_rows(batches, key, allowed):
            read += 1
            yield row
    if read != claimed.num_rows:
        raise SourceError(f"{key} holds {read:,} rows, its footer says {claimed.num_rows:,}; copy or write it again.")


def arrow_rows(file: BinaryIO, key: str) -> Iterator[Row | RawRow]:
    """One row for each row of an Arrow IPC file or stream. Raises SourceError as ``parquet_rows`` does."""
    with _damage_named(key, "Arrow"):
        mark = file.read(len(ARROW_MARK))
        file.seek(0)
        source = _in_place(file)
        if mark == ARROW_MARK:
            reader = pa.ipc.open_file(source)
            batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
        else:
            batches = iter(pa.ipc.open_stream(source))
        yield from table_rows(batches, key, allowed_bytes(_size_of(file)))


def table_rows(batches: Iterable[pa.RecordBatch], key: str, allowed: float) -> Iterator[Row | RawRow]:
    """The rows of batches of at most ``allowed`` bytes in all, numbered from 1 on.

    A row of more than 16 MiB, or with a value that Python does not have, is kept as a hash, with the reason.

    Raises:
        SourceError: there are more bytes, or a column is of a type that polars does not have.
        pa.ArrowException: the content of a batch does not fit its type.
    """
    first = 1
    for batch in batches:
        # What comes from outside may point anywhere in memory.
        batch.validate(full=True)
        allowed -= _decoded_size(batch)
        if allowed < 0:
            raise too_many_bytes(key)
        for piece in _pieces(batch):
            yield from _piece_rows(piece, first, key)
            first += piece.num_rows


def frame_rows(frames: Iterable[pl.DataFrame], first: int = 1) -> Iterator[Row]:
    """The rows of frames, numbered from ``first`` on, each a dictionary of its columns.

    Nulls inside nested values are left out: a table has them for every field that only other rows have.
    """
    for frame in frames:
        nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
        size = int(frame.estimated_size()) // max(frame.height, 1)
        for number, values in enumerate(frame.iter_rows(named=True), start=first):
            for name in nested:
                values[name] = without_nulls(values[name])
            yield Row(f"row {number}", values, size)
        first += frame.height


TABLE_READERS: Mapping[str, Callable[[BinaryIO, str], Iterator[Row | RawRow]]] = {
    ".parquet": parquet_rows,
    ".arrow": arrow_rows,
    ".feather": arrow_rows,
}


def _size_of(file: BinaryIO) -> int:
    place = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(place)
    return size


def _in_place(file: BinaryIO) -> Any:
    """The bytes of a file of this machine as they lie on the disk, so that a large batch is not copied; else the file.

    What is mapped to be read alone does not count as memory of the process.
    """
    if isinstance(file, io.FileIO) and _size_of(file):
        return pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    return file


def _group_batches(table: pq.ParquetFile, number: int) -> Iterator[pa.RecordBatch]:
    """The batches of a row group: a few rows first; the size of each batch shows how many rows the next may have.

    It has at most twice as many, and no more than the average row of the group allows.
    """
    group = table.metadata.row_group(number)
    at_most = min(BATCH_ROWS, DECODED_BYTES * group.num_rows // (1 + group.total_byte_size))
    for batch in table.iter_batches(FEWEST_ROWS, row_groups=[number]):
        yield batch
        allowed = DECODED_BYTES * batch.num_rows // (1 + _decoded_size(batch))
        # Arrow asks for it before each batch.
        table.reader.set_batch_size(max(min(2 * batch.num_rows, allowed, at_most), FEWEST_ROWS))


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in pieces of at most 1,000 rows and 16 MiB, or of one row that is larger."""
    if batch.num_rows <= BATCH_ROWS and (batch.num_rows <= 1 or _decoded_size(batch) <= MAXIMUM_RECORD):
        yield batch
    else:
        half = batch.num_rows // 2
        yield from _pieces(batch.slice(0, half))
        yield from _pieces(batch.slice(half))


def _decoded_size(batch: pa.RecordBatch) -> int:
    """About how many bytes the values of a batch take as rows, where each stands for itself."""
    return sum((_value_bytes(column) for column in batch.columns), BYTES_A_ROW * int(batch.num_rows))


def _value_bytes(array: Any) -> int:
    if not len(array):
        return 0
    kind = array.type
    pointers = BYTES_A_VALUE * len(array)
    if isinstance(array, pa.ExtensionArray):
        return _value_bytes(array.storage)
    if pa.types.is_dictionary(kind):
        if kind.value_type in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary()):
            lengths = pc.binary_length(array.dictionary).take(array.indices)
            return pointers + int(pc.sum(lengths).as_py() or 0)
        return pointers + len(array) * _value_bytes(array.dictionary)
    if kind in (pa.string_view(), pa.binary_view()):
        # Of the 16 bytes of each view, the first four are the length of its value.
        end = array.offset + len(array)
        lengths = np.frombuffer(array.buffers()[1], dtype=np.int32, count=4 * end)[4 * array.offset :: 4]
        return pointers + int(lengths.clip(min=0).sum(dtype=np.int64))
    if isinstance(array, (pa.ListArray, pa.LargeListArray, pa.FixedSizeListArray)) and not pa.types.is_map(kind):
        return pointers + _value_bytes(array.flatten())
    if pa.types.is_struct(kind):
        return pointers + sum(_value_bytes(field) for field in array.flatten())
    return max(pointers, int(array.nbytes))


def _piece_rows(piece: pa.RecordBatch, first: int, key: str) -> Iterable[Row | RawRow]:
    if piece.num_rows == 1 and _decoded_size(piece) > MAXIMUM_RECORD:
        return [_raw_row(piece, first, f"is longer than {MAXIMUM_RECORD >> 20} MiB")]
    table = pa.Table.from_batches([piece])
    try:
        frame = pl.DataFrame(table)
    except NOT_HELD:
        raise SourceError(
            f"{key}: {_not_held(table)} cannot be read. Write the columns as texts, numbers, lists or objects, each "
            "under its own name."
        ) from None
    try:
        return list(frame_rows([frame], first))
    except NOT_HELD:
        if piece.num_rows == 1:
            return [_raw_row(piece, first, "holds a value that cannot be read, such as a date after the year 9999")]
    half = piece.num_rows // 2
    rest = _piece_rows(piece.slice(half), first + half, key)
    return [*_piece_rows(piece.slice(0, half), first, key), *rest]


def _raw_row(row: pa.RecordBatch, number: int, reason: str) -> RawRow:
    digest = hashlib.sha256(row.serialize()).hexdigest()
    return RawRow(f"row {number}", digest.encode(), reason)


def _not_held(table: pa.Table) -> str:
    """The first column that polars does not hold, for a message."""
    for number in range(table.num_columns):
        try:
            pl.DataFrame(table.select([number]))
        except NOT_HELD:
            return f"column {number + 1}, of a type that polars does not have,"
    return "two columns of one name"


@contextmanager
def _damage_named(key: str, form: str) -> Iterator[None]:
    """What a reader of tables raises as a SourceError without content; errors of a disk or a store pass."""
    try:
        yield
    except MemoryError:
        raise SourceError(
            f"{key}: a part of it takes too much memory to read; write smaller row groups or record batches, of at "
            "most 100 MB."
        ) from None
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and not is_damage(error):
            raise
        raise SourceError(
            f"{key} is not a readable {form} file ({type(error).__name__}); copy or write it again."
        ) from None
