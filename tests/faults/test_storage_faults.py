"""Faults of the disk under real writers and readers, each in processes of their own."""

import multiprocessing
import os
import subprocess
import time
from contextlib import contextmanager

import psutil
import pytest
from faults.writers import ROWS, hold_until_killed, keep_writing, write, write_until_killed, write_with_a_limit
from sqlalchemy.exc import OperationalError
from support.places import asset_folder

from fineline.resources.core.orchestrator.databases import prepare_databases
from fineline.resources.core.storage.disk import DiskRoot
from fineline.resources.core.storage.faults import is_no_room
from fineline.resources.core.storage.files import NoRoom, make_writable, write_atomically
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import scan_table

SPAWN = multiprocessing.get_context("spawn")


@contextmanager
def mounted(folder, size):
    """A file system in memory, of a size."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk; the limit on file sizes is tested in its place")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path):
    with mounted(tmp_path / "small", "1m"):
        yield tmp_path / "small"


def fill(disk, leave):
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "filling").write_bytes(b"0" * max(free - leave, 0))


@pytest.mark.outcome("killed", "a full disk while a table is written", "the old table, and an error with what to do")
@pytest.mark.parametrize("leave", [0, 4096, 100_000])
def test_a_full_disk_leaves_the_old_table_nothing_half_written_and_says_what_to_do(small_disk, leave):
    storage = Storage(small_disk / "root")
    write(storage, 1)
    before = sorted(small_disk.rglob("root/**/*"))
    fill(small_disk, leave)
    with pytest.raises(NoRoom, match=r"the disk is full: writing to .*splits failed \(0 MiB are free\)"):
        write(storage, 2)
    assert sorted(small_disk.rglob("root/**/*")) == before
    assert scan_table(storage, "splits", verified=True).collect()["rule"].unique().to_list() == ["version 1"]
    (small_disk / "filling").unlink()
    write(storage, 2)
    assert scan_table(storage, "splits", verified=True).collect()["rule"].unique().to_list() == ["version 2"]


@pytest.mark.outcome(
    "killed", "a full disk while Dagster's databases are created", "nothing of them is left; the next run makes them"
)
def test_a_full_disk_while_dagster_creates_its_databases_leaves_nothing_of_them(small_disk):
    root = DiskRoot(small_disk / "root")
    make_writable(root.path("dagster"))
    fill(small_disk, 150_000)
    with pytest.raises((OperationalError, NoRoom)) as error:
        prepare_databases(root)
    assert is_no_room(error.value)
    assert root.names("dagster") == []
    (small_disk / "filling").unlink()
    prepare_databases(root)
    assert root.names("dagster") == ["history", "schedules"]


def test_a_limit_on_file_sizes_is_told_as_such(tmp_path):
    said = SPAWN.Queue()
    process = SPAWN.Process(target=write_with_a_limit, args=(tmp_path, said))
    process.start()
    message = said.get(timeout=60)
    process.join()
    assert "ulimit -f" in message
    storage = Storage(tmp_path)
    assert scan_table(storage, "splits", verified=True).collect()["rule"].unique().to_list() == ["version 1"]
    assert len(list(asset_folder(storage, "splits").iterdir())) == 4


def test_who_reads_while_others_commit_sees_whole_tables_only(tmp_path):
    storage = Storage(tmp_path)
    write(storage, 0)
    begun = SPAWN.Event()
    writers = [SPAWN.Process(target=keep_writing, args=(tmp_path, begun, 6)) for _ in range(2)]
    for writer in writers:
        writer.start()
    assert begun.wait(60)
    seen = set()
    while any(writer.is_alive() for writer in writers):
        with storage.reading(["splits"]):
            lazy, drops = scan_table(storage, "splits"), scan_table(storage, "splits", role="drops")
            time.sleep(0.01)
            frame = lazy.collect()
            assert drops.collect().height == 0
        assert frame.height == ROWS
        (version,) = frame["rule"].unique().to_list()
        seen.add(version)
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert len(seen) > 3, "several versions came while they were read"
    storage.remove_old("splits")
    assert len(list(asset_folder(storage, "splits").iterdir())) == 4, "old versions do not pile up"


@pytest.mark.outcome("killed", "kill -9 of a writer at any moment", "a whole table: the old one or the new one")
def test_whatever_moment_a_writer_is_killed_at_a_whole_table_is_left(tmp_path):
    storage = Storage(tmp_path)
    for delay in (0.0, 0.011, 0.023, 0.037, 0.05):
        begun = SPAWN.Event()
        writer = SPAWN.Process(target=write_until_killed, args=(tmp_path, begun))
        writer.start()
        assert begun.wait(60)
        time.sleep(delay)
        writer.kill()
        writer.join()
        frame = scan_table(storage, "splits", verified=True).collect()
        assert frame.height == ROWS
        assert frame["rule"].n_unique() == 1
    write(storage, "last")
    assert len(list(asset_folder(storage, "splits").iterdir())) == 4, "what the killed left behind is gone"


def test_the_lock_of_a_killed_holder_is_free_at_once_though_a_program_that_it_started_lives(tmp_path):
    root, held = Storage(tmp_path).root, SPAWN.Queue()
    holder = SPAWN.Process(target=hold_until_killed, args=(tmp_path, held))
    holder.start()
    program = psutil.Process(held.get(timeout=60))
    with root.lock("splits", wait=False) as free:
        assert not free
    assert root.holder("splits").process == holder.pid
    holder.kill()
    holder.join()
    with root.lock("splits", wait=False) as free:
        assert free
        assert root.holder("splits").process == os.getpid()
    assert program.is_running()
    program.kill()


def test_times_of_files_in_the_future_change_nothing(tmp_path):
    storage = Storage(tmp_path)
    write(storage, 1)
    for path in asset_folder(storage, "splits").iterdir():
        os.utime(path, (time.time() + 10**8, time.time() + 10**8))
    before = storage.require("splits")
    assert scan_table(storage, "splits", verified=True).collect().height == ROWS
    write_atomically(asset_folder(storage, "splits") / ".data.half", b"")
    write(storage, 2)
    assert storage.require("splits").data_version != before.data_version
    assert len(list(asset_folder(storage, "splits").iterdir())) == 4
