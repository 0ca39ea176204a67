"""Tables from outside: damaged, too large, or of types that polars does not have."""

import gzip
import io
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fineline.resources.data.formats import tables
from fineline.resources.data.formats.compression import open_text
from fineline.resources.data.formats.rows import RawRow, SourceError
from fineline.resources.data.formats.tables import arrow_rows, parquet_rows

MIB = 2**20
# 1,000 texts of 1 MiB, of which one is stored.
REPEATED = pa.DictionaryArray.from_arrays(pa.array([0] * 1000), pa.array(["x" * MIB]))


def arrow_file(table, **options):
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return io.BytesIO(out.getvalue())


def parquet_file(table, **options):
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return io.BytesIO(out.getvalue())


def read(file, reader=arrow_rows):
    return [row if isinstance(row, RawRow) else row.values for row in reader(file, "mail/0123")]


@pytest.mark.outcome(
    "reading",
    "an Arrow file of 546 bytes with wrong offsets, which ended the run by SIGSEGV (`segfault.arrow`)",
    "refused by its name: tables are validated in full before use",
)
@pytest.mark.real_data
def test_an_arrow_file_with_wrong_offsets_is_refused(shared_data):
    file = io.BytesIO((shared_data / "hostile/segfault.arrow").read_bytes())
    with pytest.raises(SourceError, match="not a readable Arrow file"):
        read(file)


@pytest.mark.outcome(
    "reading",
    "a Parquet file of 812 bytes that stands for 10 GB (`bomb-812-bytes.parquet`)",
    "refused by its name before it is in memory: 100 times the size of the file, or 64 MiB, at most",
)
@pytest.mark.outcome(
    "reading",
    "a Parquet file of 812 bytes that stands for 10 GB (`bomb-812-bytes.parquet`)",
    "refused by its name before it is in memory: 200 times the size of the file, or 64 MiB, at most",
)
@pytest.mark.real_data
def test_a_parquet_file_of_812_bytes_that_claims_10_gb_is_refused_before_they_are_in_memory(shared_data):
    file = io.BytesIO((shared_data / "hostile/bomb-812-bytes.parquet").read_bytes())
    before = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)
    pa.set_memory_pool(pool)
    with pytest.raises(SourceError, match="unpacks to more than 100 times its size"):
        read(file, parquet_rows)
    pa.set_memory_pool(before)
    assert pool.max_memory() < 300 * MIB


def test_offsets_that_point_outside_are_refused_in_nested_columns_too():
    good = pa.table({"a": pa.array([[{"b": "text " * 9}]] * 5)})
    content = bytearray(arrow_file(good).getvalue())
    # The offsets of the innermost texts: 0, 45, 90 and so on.
    offsets = b"".join((45 * n).to_bytes(4, "little") for n in range(6))
    place = content.index(offsets)
    content[place + 16 : place + 20] = (2**31 - 1).to_bytes(4, "little")
    with pytest.raises(SourceError, match="not a readable Arrow file"):
        read(io.BytesIO(bytes(content)))


@pytest.mark.parametrize("form", ["parquet", "arrow", "stored once"])
def test_a_row_of_more_than_16_mib_is_set_apart_and_its_neighbours_are_read(form, monkeypatch):
    monkeypatch.setattr(tables, "MAXIMUM_RECORD", MIB)
    texts = pa.array(["fine", "x" * (MIB + 1), "fine too"])
    if form == "stored once":
        texts = texts.dictionary_encode()
    table = pa.table({"text": texts})
    rows = read(parquet_file(table), parquet_rows) if form == "parquet" else read(arrow_file(table))
    assert [rows[0], rows[2]] == [{"text": "fine"}, {"text": "fine too"}]
    assert (rows[1].location, rows[1].reason) == ("row 2", "is longer than 1 MiB")


@pytest.mark.parametrize(
    "column",
    [
        REPEATED,
        pa.ListArray.from_arrays(pa.array(range(1001)).cast(pa.int32()), REPEATED),
        pa.nulls(10**9),
        pa.FixedSizeListArray.from_arrays(pa.nulls(10**9), 10**6),
    ],
    ids=["dictionary", "nested dictionary", "nulls", "nested nulls"],
)
def test_a_small_file_that_stands_for_very_much_is_refused(column):
    file = arrow_file(pa.table({"a": column}), compression="zstd")
    assert len(file.getvalue()) < 2 * MIB
    with pytest.raises(SourceError, match="unpacks to more than 100 times its size"):
        read(file)


def test_views_of_a_text_that_is_stored_once_are_counted_each():
    text = b"x" * MIB
    view = MIB.to_bytes(4, "little") + text[:4] + bytes(8)
    array = pa.Array.from_buffers(pa.string_view(), 1000, [None, pa.py_buffer(view * 1000), pa.py_buffer(text)])
    with pytest.raises(SourceError, match="unpacks to more than 100 times its size"):
        read(arrow_file(pa.table({"a": array})))


def test_a_file_of_polars_with_views_is_read_in_large_pieces(monkeypatch):
    frame = pl.DataFrame({"a": [[{"text": f"{n} " + "x" * 1000}] for n in range(3000)]})
    out = io.BytesIO()
    frame.write_ipc(out)
    sizes, convert = [], tables.pl.DataFrame
    monkeypatch.setattr(tables.pl, "DataFrame", lambda table: sizes.append(table.num_rows) or convert(table))
    assert read(io.BytesIO(out.getvalue())) == frame.to_dicts()
    assert max(sizes) > 500


@pytest.mark.parametrize(
    "column",
    [
        pa.array([Decimal(1)], pa.decimal256(50, 2)),
        pa.array([[{"x": Decimal(1)}]], pa.list_(pa.struct([("x", pa.decimal256(50, 2))]))),
        pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
        pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]),
        pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array(["a"])),
        pa.array([[1]], pa.list_view(pa.int64())),
        pa.array([[]], pa.list_(pa.int64(), 0)),
        pa.array([1], pa.timestamp("ms", tz="+05:30")),
    ],
    ids=lambda column: str(column.type),
)
@pytest.mark.outcome(
    "reading", "a table with a type that polars does not have", "refused, with the number of the column"
)
def test_a_type_that_polars_does_not_have_is_refused_with_its_column(column):
    with pytest.raises(SourceError, match="column 2, of a type that polars does not have"):
        read(arrow_file(pa.table({"text": ["Hello."], "odd": column})))


def test_columns_of_one_name_are_refused():
    with pytest.raises(SourceError, match="two columns of one name"):
        read(arrow_file(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])))


@pytest.mark.parametrize(("kind", "bad"), [(pa.date32(), 4_000_000), (pa.timestamp("ms"), 2**60)], ids=["date", "time"])
def test_a_value_that_python_does_not_have_sets_its_row_alone_apart(kind, bad):
    rows = read(arrow_file(pa.table({"when": pa.array([0, bad, 0, bad], kind)})))
    assert [isinstance(row, RawRow) for row in rows] == [False, True, False, True]
    assert rows[1].location == "row 2"
    assert "a date after the year 9999" in rows[1].reason


@pytest.mark.parametrize("short", [8, 300])
def test_rows_that_grow_within_a_row_group_are_decoded_few_at_a_time(short, monkeypatch):
    monkeypatch.setattr(tables, "DECODED_BYTES", MIB)
    texts = ["short"] * short + [f"{n:06}" * 20_000 for n in range(100)]
    file = pq.ParquetFile(parquet_file(pa.table({"text": texts}), row_group_size=len(texts)))
    batches = list(tables._group_batches(file, 0))
    assert [text for batch in batches for text in batch["text"].to_pylist()] == texts
    assert max(map(tables._decoded_size, batches)) < 5 * MIB


def test_a_large_batch_of_an_arrow_file_of_this_machine_is_not_copied_into_memory(tmp_path):
    table = pa.table({"text": ["x" * 1000] * 64_000})
    (tmp_path / "large.arrow").write_bytes(arrow_file(table).getvalue())
    before = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)
    pa.set_memory_pool(pool)
    with (tmp_path / "large.arrow").open("rb", buffering=0) as file:
        assert sum(1 for _ in arrow_rows(file, "mail/0123")) == 64_000
    pa.set_memory_pool(before)
    assert pool.max_memory() < 8 * MIB


class Failing(io.BytesIO):
    """A file whose disk or store fails after its first bytes."""

    def __init__(self, content, error):
        super().__init__(content)
        self.error = error

    def read(self, size=-1):
        if self.tell() > 4:
            raise self.error
        return super().read(size)


READING = {
    "parquet": parquet_rows,
    "arrow": arrow_rows,
    ".gz": lambda file, key: open_text(file, ".gz", MIB, key),
    ".zst": lambda file, key: open_text(file, ".zst", MIB, key),
}


@pytest.mark.parametrize(
    "error", [OSError(5, "Input/output error"), ConnectionResetError(104, "reset"), TimeoutError("no answer")]
)
@pytest.mark.parametrize("form", ["parquet", "arrow", ".gz", ".zst"])
def test_a_disk_or_a_store_that_fails_is_no_damage_of_the_file(form, error, monkeypatch):
    monkeypatch.setattr("fineline.resources.data.formats.compression.TRIED_BEFORE", 0)
    table = pa.table({"text": [str(n) * 9 for n in range(9999)]})
    content = {
        "parquet": parquet_file(table).getvalue(),
        "arrow": arrow_file(table).getvalue(),
        ".gz": gzip.compress(b"x" * 9),
        ".zst": pa.compress(b"x" * 9, "zstd", asbytes=True),
    }[form]
    with pytest.raises(OSError, match=r".*") as raised:
        read(Failing(content, error), READING[form])
    assert raised.value.args == error.args


@pytest.mark.parametrize("error", [MemoryError(), pa.ArrowMemoryError("malloc of size 2147483648 failed")])
def test_a_part_that_memory_does_not_hold_is_named_with_what_to_do(error):
    with pytest.raises(SourceError, match="takes too much memory to read; write smaller row groups"):
        read(Failing(b"ARROW1" * 9, error))
