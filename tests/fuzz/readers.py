"""Files of every format, whole and damaged: each is read, or refused in words that show nothing of it."""

import csv
import gzip
import io
import json
import tempfile
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from fuzz.throwing import LEAVES, SECRET, TEXT, VALUES, Case, Target, damaged, shows_nothing
from hypothesis import strategies as st
from support.reading import read_only_batch

from fineline.resources.core.recipe.sources import Files
from fineline.resources.data.formats.rows import SourceError
from fineline.resources.data.shapes.content import RECORD_SCHEMA

COLUMNS = st.sampled_from(["question", "answer", "text", "messages", "prompt", "completion", "label", "group", "id"])
ROWS = st.dictionaries(COLUMNS, VALUES, max_size=4)
TALK = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "tool"]), "content": LEAVES}), max_size=4
)
LINES = ROWS | st.fixed_dictionaries({"question": TEXT, "answer": TEXT}) | st.fixed_dictionaries({"messages": TALK})


def dumped(value):
    return json.dumps(value).encode()


def as_csv(rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(errors="surrogateescape" if text.getvalue().isascii() else "replace")


FIELDS = st.lists(TEXT, min_size=1, max_size=4)
CONTENTS = {
    ".jsonl": st.lists(LINES.map(dumped) | st.binary(max_size=20), max_size=6).map(b"\n".join),
    ".json": (st.lists(LINES, max_size=4) | VALUES).map(dumped),
    ".csv": st.lists(FIELDS | st.just(["question", "answer"]), max_size=6).map(as_csv),
    ".txt": st.binary(max_size=200) | TEXT.map(lambda text: text.encode(errors="replace")),
    ".md": st.lists(TEXT, max_size=4).map(lambda parts: "\n# ".join(parts).encode(errors="replace")),
}


@st.composite
def text_files(draw):
    ending = draw(st.sampled_from([*CONTENTS]))
    packed, pack = draw(st.sampled_from([("", bytes), ("", bytes), (".gz", gzip.compress), (".zst", zstd)]))
    return Case(f"a{ending}{packed}", draw(damaged(damaged(CONTENTS[ending]).map(pack))))


def zstd(content):
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(content)
    return out.getvalue().to_pybytes()


CELLS = [
    (pa.string(), [SECRET, "", "é", None]),
    (pa.large_string(), ["a", None]),
    (pa.string_view(), ["a", None]),
    (pa.int64(), [1, -1, None]),
    (pa.uint64(), [2**64 - 1, 0]),
    (pa.float16(), [1.5, None]),
    (pa.float64(), [float("nan"), float("inf"), None]),
    (pa.bool_(), [True, None]),
    (pa.binary(), [b"\xff\x00", None]),
    (pa.null(), [None]),
    (pa.date32(), [date(1, 1, 1), date(9999, 12, 31), None]),
    (pa.timestamp("us", "UTC"), [datetime(2026, 1, 1, tzinfo=UTC), None]),
    (pa.timestamp("ns"), [datetime(2026, 1, 1), None]),
    (pa.time64("us"), [time(1, 2), None]),
    (pa.duration("us"), [timedelta(days=-1), None]),
    (pa.decimal128(20, 3), [Decimal("1.5"), None]),
    (pa.dictionary(pa.int8(), pa.string()), ["a", "b", None]),
    (pa.list_(pa.string()), [["a", None], [], None]),
    (
        pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
        [[{"role": "user", "content": "a"}], None],
    ),
    (pa.struct([("a", pa.int8())]), [{"a": 1}, {"a": None}, None]),
    (pa.map_(pa.string(), pa.int8()), [[("a", 1)], [], None]),
]


@st.composite
def table_files(draw):
    height = draw(st.integers(0, 4))
    arrays = {}
    for name in draw(st.lists(COLUMNS, max_size=4, unique=True)):
        kind, cells = draw(st.sampled_from(CELLS))
        arrays[name] = pa.array(draw(st.lists(st.sampled_from(cells), min_size=height, max_size=height)), kind)
    table = pa.table(arrays)
    out = pa.BufferOutputStream()
    ending = draw(st.sampled_from([".parquet", ".arrow", ".feather"]))
    if ending == ".parquet" and not any(pa.types.is_float16(each.type) for each in arrays.values()):
        pq.write_table(table, out)
        return Case("a.parquet", out.getvalue().to_pybytes())
    with (pa.ipc.new_stream if ending == ".arrow" else pa.ipc.new_file)(out, table.schema) as stream:
        stream.write_table(table)
    return Case("a.arrow", out.getvalue().to_pybytes())


def check(case):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / case.name
        path.write_bytes(case.content)
        try:
            rows = read_only_batch(Files(name="corpus", kind="files", licence="MIT", path=path))
        except SourceError as error:
            # The names of columns are shown.
            if not path.name.startswith("a.csv"):
                shows_nothing(error)
            return
    assert rows.records.schema == RECORD_SCHEMA
    assert rows.records.height + rows.unreadable.height > 0
    assert not any(SECRET in reason for reason in rows.unreadable["reason"])
    # Whatever was read can be stored.
    rows.records.write_parquet(io.BytesIO())
    rows.unreadable.write_parquet(io.BytesIO())


TEXTS = Target(text_files(), check, 150)
TABLES = Target(table_files(), check, 60)
