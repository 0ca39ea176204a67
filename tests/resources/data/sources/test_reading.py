"""Batches are read in a process of their own, whose end ends nothing else."""

import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal
from support.harm import Harm
from support.reading import list_batches, read_parts

from fineline.resources.core.recipe.sources import Files, Join
from fineline.resources.data.formats.rows import PassingError, SourceError
from fineline.resources.data.sources import reading
from fineline.resources.data.sources.reading import read_apart

GOOD = '{"question": "Why?", "answer": "A\\u0301\\u00a0reason."}\n{"question": 1}\n{\n'
SUPPORT = str(Path(__file__).parents[3])


@pytest.fixture
def source(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_text(GOOD)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([SUPPORT, os.environ.get("PYTHONPATH", "")]))
    reading.end_idle()
    yield Files(name="mail", kind="files", licence="MIT", path=tmp_path / "in")
    reading.end_idle()


def test_rows_are_those_that_this_process_reads(source):
    [batch] = list_batches(source)
    [there], [here] = (list(read(source, "mail/1", batch)) for read in (read_apart, read_parts))
    assert_frame_equal(there.records, here.records)
    assert_frame_equal(there.unreadable, here.unreadable)
    assert there.normalised == here.normalised


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("crash", "the process that read it was ended by SIGSEGV. The file is damaged, or made to do harm"),
        ("memory", "takes more than 1024 MiB of memory to read"),
        ("time", "the process that read it took more than 120 s of processor time"),
        ("fault", r"cannot be read \(KeyError at harm\.py:\d+\)"),
    ],
)
@pytest.mark.outcome(
    "reading",
    "a file that crashes its reader, takes all memory, or nests without end",
    "it ends the process that reads, not the run; it is named, and the next one is read",
)
def test_a_file_that_does_harm_is_named_and_the_next_one_is_read(source, kind, reason, capfd):
    [batch] = list_batches(source)
    with pytest.raises(SourceError, match=f"mail/bad:? {reason}") as refusal:
        list(read_apart(source, "mail/bad", replace(batch, place=Harm(kind))))
    assert "Secret" not in str(refusal.value)
    assert not isinstance(refusal.value, PassingError)
    assert [part.records.height for part in read_apart(source, "mail/1", batch)] == [1]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("kind", "cause"), [("connection", ConnectionError), ("credentials", type(None))])
def test_a_fault_of_a_store_is_none_of_the_file_and_one_of_the_connection_is_tried_again(source, kind, cause):
    [batch] = list_batches(source)
    with pytest.raises(PassingError, match=r"mail/1 cannot be read .* check the source's address") as refusal:
        list(read_apart(source, "mail/1", replace(batch, place=Harm(kind))))
    assert type(refusal.value.__cause__) is cause


def test_limits_that_the_process_was_given_refuse_no_file(source, monkeypatch):
    def limited():
        resource.setrlimit(resource.RLIMIT_CPU, (90, 90))
        resource.setrlimit(resource.RLIMIT_DATA, (2**30, 2**30))

    monkeypatch.setattr(reading.subprocess, "Popen", partial(subprocess.Popen, preexec_fn=limited))
    [batch] = list_batches(source)
    assert [part.records.height for part in read_apart(source, "mail/1", batch)] == [1]
    with pytest.raises(PassingError, match="of memory to read"):
        list(read_apart(source, "mail/1", replace(batch, place=Harm("memory"))))


def test_files_that_all_batches_are_read_with_add_to_what_reading_may_take(source, tmp_path):
    (tmp_path / "joined.csv").write_text("question,topic\n" + "Why?,reasons\n" * 9)
    joined = source.model_copy(update={"join": Join(path=tmp_path / "joined.csv", key="question")})
    size = (tmp_path / "joined.csv").stat().st_size
    assert [reading._companion_size(each) for each in (source, joined)] == [0, size]


@pytest.mark.outcome("reading", "a file that stalls its reader", "named after the time that a part may take")
def test_a_file_that_stalls_is_named(source, monkeypatch):
    [batch] = list_batches(source)
    monkeypatch.setattr(reading, "SECONDS_TO_WAIT", 2.0)
    with pytest.raises(SourceError, match="mail/bad: nothing of it was read"):
        list(read_apart(source, "mail/bad", replace(batch, place=Harm("stall"))))


def test_one_process_reads_all_batches_and_a_lost_one_is_replaced(source):
    [batch] = list_batches(source)
    list(read_apart(source, "mail/1", batch))
    [first] = reading._idle
    list(read_apart(source, "mail/1", batch))
    assert reading._idle == [first]
    first.end()
    list(read_apart(source, "mail/1", batch))
    assert reading._idle != [first]


def test_rows_that_nobody_takes_end_the_process(source):
    [batch] = list_batches(source)
    rows = read_apart(source, "mail/1", batch)
    next(rows)
    rows.close()
    assert not reading._idle


def test_a_process_of_which_nobody_asks_anything_ends_with_its_parent(source):
    parent = """
import sys
from fineline.resources.core.recipe.sources import Files
from fineline.resources.data.sources import reading
from fineline.resources.data.sources.kinds import connector
source = Files(name="mail", kind="files", licence="MIT", path=sys.argv[1])
[batch] = connector(source).batches(source)
list(reading.read_apart(source, "mail/1", batch))
print(reading._idle[0]._process.pid, flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", parent, str(source.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        reader = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    until = time.monotonic() + 20
    while Path(f"/proc/{reader}").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert not Path(f"/proc/{reader}").exists()
