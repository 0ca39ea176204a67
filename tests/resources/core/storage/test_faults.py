import errno
import http.client
import importlib.util
import json
import sqlite3
import urllib.error

import polars as pl
import pyarrow.parquet as pq
import pytest
import requests
import sqlalchemy
from huggingface_hub.errors import OfflineModeIsEnabled
from hypothesis import given
from hypothesis import strategies as st
from support.reading import list_batches, read_parts

from fineline.data_contracts.accounting import Drop
from fineline.resources.core.recipe.sources import Sql
from fineline.resources.core.storage import faults
from fineline.resources.core.storage.faults import MAXIMUM_RETRIES, explain, is_no_room, is_transient, seconds_to_wait
from fineline.resources.core.storage.files import NoRoom
from fineline.resources.core.storage.store import Blocked, Damaged, Storage
from fineline.resources.core.storage.tables import Origin, TableOutput, write_table
from fineline.resources.data.formats.rows import SourceError
from fineline.resources.data.sources.locations import as_source_error


def answered(status):
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(response=response)


def database(state):
    error = type("OperationalError", (Exception,), {"sqlstate": state, "__module__": "psycopg"})("no words")
    return sqlalchemy.exc.OperationalError("SELECT 1", {}, error)


def caused_by(error, by):
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(),
        TimeoutError(),
        OSError(errno.EIO, "Input/output error"),
        BlockingIOError(errno.EAGAIN, "again"),
        OSError(errno.EHOSTUNREACH, "No route to host"),
        requests.ConnectionError(),
        requests.ReadTimeout(),
        http.client.IncompleteRead(b""),
        answered(503),
        answered(429),
        database(None).orig,
        caused_by(Exception(), database("40001").orig),
        caused_by(SourceError("docs: the database refused"), caused_by(Exception(), ConnectionRefusedError())),
        urllib.error.URLError(ConnectionRefusedError()).reason,
    ],
)
def test_what_passes_is_transient(error):
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("wrong"),
        SourceError("docs: there is no column text"),
        FileNotFoundError(errno.ENOENT, "gone"),
        PermissionError(errno.EACCES, "not yours"),
        OSError(errno.ENOSPC, "No space left on device"),
        Blocked("splits failed its check nothing_leaks"),
        answered(404),
        answered(401),
        caused_by(Exception(), database("42P01").orig),
        caused_by(SourceError("docs: no network"), OfflineModeIsEnabled()),
        pl.exceptions.ComputeError("wrong"),
    ],
)
def test_what_stays_wrong_is_not_tried_again(error):
    assert not is_transient(error)


def test_a_reader_tells_of_a_lost_connection_in_words_and_it_is_still_transient():
    with pytest.raises(SourceError, match="cannot read s3://docs") as lost, as_source_error("s3://docs"):
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
    assert is_transient(lost.value)
    with pytest.raises(SourceError) as gone, as_source_error("docs"):
        raise FileNotFoundError(errno.ENOENT, "No such file")
    assert not is_transient(gone.value)


@pytest.mark.parametrize(("query", "passes"), [("SELECT a AS text FROM t", True), ("SELECT text FROM nowhere", False)])
def test_a_busy_database_is_transient_and_a_wrong_query_is_not(tmp_path, monkeypatch, query, passes):
    path = tmp_path / "rows.sqlite"
    monkeypatch.setenv("ROWS", f"sqlite:///{path}?timeout=0.01")
    with sqlite3.connect(path) as busy:
        busy.execute("CREATE TABLE t (a)")
        busy.commit()
        if passes:
            busy.execute("BEGIN EXCLUSIVE")
        source = Sql(name="docs", kind="sql", licence="MIT", uri_variable="ROWS", query=query)
        with pytest.raises(SourceError) as error:
            list(read_parts(source, "docs/query", *list_batches(source)))
    assert is_transient(error.value) is passes


@given(st.integers(0, MAXIMUM_RETRIES - 1), st.text(max_size=5))
def test_waits_grow_and_differ_by_run_within_bounds(retries, seed):
    wait = seconds_to_wait(TimeoutError(), retries, seed)
    assert wait is not None
    assert 2 * 2**retries <= wait <= 3 * 2**retries


def test_work_is_tried_again_a_bounded_number_of_times_and_only_where_it_helps():
    assert seconds_to_wait(TimeoutError(), MAXIMUM_RETRIES, "run") is None
    assert seconds_to_wait(ValueError(), 0, "run") is None
    waits = {seconds_to_wait(TimeoutError(), 0, f"run {n}") for n in range(20)}
    assert len(waits) > 15


@pytest.fixture
def storage(tmp_path):
    storage = Storage(tmp_path)
    rows = {"record_id": "1", "source": "s", "batch": "s/1", "asset": "x", "fate": "dropped", "rule": "r"}
    frame = pl.DataFrame({**rows, "detail": "d"}).cast(Drop.create_empty().schema)
    for batch in ("s/1", "s/2"):
        write_table(
            storage, "drops", batch, TableOutput(frame, rows_in=1), Drop, Origin("1", {}, "r"), maximum_quarantine=0
        )
    return storage


INPUTS = [("drops", "s/1"), ("drops", "s/2"), ("drops", "never made")]


@pytest.mark.parametrize("read", [pl.read_parquet, pq.read_table])
def test_a_table_that_cannot_be_read_is_told_by_name_and_set_aside(storage, read):
    path = storage.file(storage.require("drops", "s/2"), "data")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises((pl.exceptions.ComputeError, ValueError)) as error:
        read(path)
    explained = explain(error.value, storage, INPUTS)
    assert isinstance(explained, Damaged)
    assert "drops[s/2]" in str(explained)
    assert path.name in str(explained)
    assert storage.manifest("drops", "s/2") is None
    assert storage.manifest("drops", "s/1") is not None


def test_an_error_of_another_kind_is_given_back_as_it_is(storage):
    for error in (ValueError("wrong"), Blocked("blocked"), RuntimeError(), pl.exceptions.ComputeError("wrong")):
        assert explain(error, storage, INPUTS) is error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        pl.exceptions.ComputeError("parquet: underlying IO error: No space left on device (os error 28)"),
        caused_by(RuntimeError("while saving"), OSError(errno.EFBIG, "File too large")),
    ],
)
def test_a_full_disk_is_told_with_its_folder_what_is_free_and_what_to_do(storage, error):
    assert is_no_room(error)
    explained = explain(error, storage, [])
    assert isinstance(explained, NoRoom)
    assert str(storage.local.folder) in str(explained)
    assert "MiB are free" in str(explained)
    assert "FINELINE_HOME=" in str(explained)


def test_a_full_sqlite_database_is_a_full_disk(tmp_path):
    with sqlite3.connect(tmp_path / "full") as full:
        full.execute("PRAGMA max_page_count = 2")
        with pytest.raises(sqlite3.OperationalError) as error:
            full.execute("CREATE TABLE t AS SELECT zeroblob(100000)")
    assert is_no_room(error.value)


def test_a_wrong_row_is_no_fault_of_the_machine(storage):
    with pytest.raises(ValueError, match="Expecting") as error:
        json.loads("{")
    assert not is_no_room(error.value)
    assert not is_transient(error.value)


def test_the_module_loads_where_the_errors_of_linux_alone_are_unknown(monkeypatch):
    for name in ("EREMOTEIO", "ENOMEDIUM", "EBADFD", "ECOMM", "ENONET"):
        monkeypatch.delattr(errno, name, raising=False)
    spec = importlib.util.spec_from_file_location("elsewhere", faults.__file__)
    elsewhere = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(elsewhere)
    assert elsewhere.is_transient(OSError(errno.EIO, "Input/output error"))
