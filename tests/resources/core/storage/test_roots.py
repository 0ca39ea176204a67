"""The contract of a storage root, which every implementation keeps."""

import os
import queue
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
from support.memory_root import MemoryRoot

from fineline.resources.core.storage.disk import DiskRoot
from fineline.resources.core.storage.holders import working_on
from fineline.resources.core.storage.root import Conflict


@pytest.fixture(params=["disk", "memory"])
def root(request, tmp_path):
    return DiskRoot(tmp_path / "root") if request.param == "disk" else MemoryRoot(tmp_path)


def put_table(root, key, rows):
    with root.workspace("made") as folder:
        pl.DataFrame(rows).write_parquet(folder / "table")
        root.take({key: folder / "table"})


def at_once(work, times):
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(work, range(times)))


def test_what_is_put_is_read_with_its_version(root):
    assert root.get("a/b") is None
    root.put("a/b", b"one")
    first = root.get("a/b")
    assert first.content == b"one"
    assert root.get("a/b") == first
    root.put("a/b", b"two")
    assert root.get("a/b").content == b"two"
    assert root.get("a/b").version != first.version


def test_a_swap_needs_the_version_that_was_read(root):
    root.swap("a/b", b"one", None)
    first = root.get("a/b").version
    with pytest.raises(Conflict):
        root.swap("a/b", b"two", None)
    root.swap("a/b", b"two", first)
    second = root.get("a/b").version
    with pytest.raises(Conflict):
        root.swap("a/b", b"three", first)
    with pytest.raises(Conflict):
        root.swap("a/c", b"three", second)
    assert root.get("a/b").content == b"two"
    assert not root.exists("a/c")


def test_of_several_that_create_a_key_at_once_one_wins(root):
    def create(number):
        try:
            root.swap("a/b", str(number).encode(), None)
        except Conflict:
            return None
        return str(number).encode()

    winners = [each for each in at_once(create, 8) if each is not None]
    assert winners == [root.get("a/b").content]


def test_of_increments_at_once_none_is_lost(root):
    root.put("count", b"0")

    def count(_):
        for _ in range(5):
            while True:
                before = root.get("count")
                try:
                    root.swap("count", str(int(before.content) + 1).encode(), before.version)
                except Conflict:
                    continue
                break

    at_once(count, 6)
    assert root.get("count").content == b"30"


def test_a_reader_finds_old_bytes_or_new_ones_and_never_half(root):
    contents = {bytes([letter]) * 100_000 for letter in b"abc"}
    done = threading.Event()

    def keep_putting():
        while not done.is_set():
            for content in contents:
                root.put("a", content)

    root.put("a", b"a" * 100_000)
    writer = threading.Thread(target=keep_putting)
    writer.start()
    seen = {root.get("a").content for _ in range(200)}
    done.set()
    writer.join()
    assert seen <= contents


def test_a_file_or_a_folder_is_deleted_with_all_below_it(root):
    for key in ("a/b", "a/c/d", "ab"):
        root.put(key, b"")
    root.delete("a/b")
    root.delete("nothing")
    assert [entry.key for entry in root.list()] == ["a/c/d", "ab"]
    root.delete("a")
    assert [entry.key for entry in root.list()] == ["ab"]
    assert not root.exists("a")


def test_a_version_that_no_longer_stands_is_not_deleted(root):
    root.put("a", b"one")
    version = root.get("a").version
    root.put("a", b"two")
    with pytest.raises(Conflict):
        root.delete("a", version)
    root.delete("a", root.get("a").version)
    assert not root.exists("a")


def test_folders_are_listed_by_name_and_files_with_size_and_time(root):
    before = time.time() - 5
    root.put("a/c/d", b"1234")
    root.put("a/b", b"12")
    assert root.names("a") == ["b", "c"]
    assert root.names("") == ["a"]
    assert root.names("nothing") == []
    assert [(entry.key, entry.size) for entry in root.list("a")] == [("a/b", 2), ("a/c/d", 4)]
    assert [entry.key for entry in root.list("a/b")] == ["a/b"]
    assert list(root.list("nothing")) == []
    assert all(before < entry.modified.timestamp() < time.time() + 5 for entry in root.list())
    assert root.exists("a/c")


def test_a_file_is_read_at_any_position(root):
    root.put("a", b"0123456789")
    with root.open("a") as file:
        file.seek(4)
        assert file.read(2) == b"45"
    with pytest.raises(FileNotFoundError):
        root.open("b")


def test_a_digest_follows_the_bytes_and_in_a_folder_the_names(root):
    root.put("a/b", b"one")
    before = root.digest("a/b"), root.digest("a")
    root.put("a/b", b"two")
    assert root.digest("a/b") != before[0]
    assert root.digest("a") != before[1]
    root.put("a/b", b"one")
    assert (root.digest("a/b"), root.digest("a")) == before
    root.delete("a/b")
    root.put("a/c", b"one")
    assert root.digest("a") != before[1]
    with pytest.raises(FileNotFoundError):
        root.digest("nothing")


def test_the_digest_of_a_folder_is_the_same_wherever_it_is(tmp_path):
    roots = DiskRoot(tmp_path), MemoryRoot(tmp_path)
    for root in roots:
        for name in ("a-b", "a/b", "a.c"):
            root.put(f"folder/{name}", name.encode())
    assert len({root.digest("folder") for root in roots}) == 1


def test_tables_are_scanned_one_after_the_other_with_their_keys(root):
    put_table(root, "t/one", {"x": [1, 2]})
    put_table(root, "t/two", {"x": [3]})
    assert root.scan(["t/two", "t/one"]).collect()["x"].to_list() == [3, 1, 2]
    rows = root.scan(["t/one", "t/two"], keys_as="key").filter(pl.col("x") > 1).collect()
    assert rows.rows() == [(2, "t/one"), (3, "t/two")]


def test_of_uneven_tables_the_columns_of_the_first_are_read(root):
    put_table(root, "t/one", {"x": [1], "y": ["a"]})
    put_table(root, "t/two", {"z": [0], "x": [2]})
    rows = root.scan(["t/one", "t/two"], uneven=True).collect()
    assert rows.select("x", "y").rows() == [(1, "a"), (2, None)]
    with pytest.raises(pl.exceptions.PolarsError):
        root.scan(["t/one", "t/two"]).collect()


def test_a_file_or_folder_has_a_path_on_this_machine(root):
    root.put("a/b", b"one")
    root.put("a/c/d", b"two")
    assert root.local("a/b").read_bytes() == b"one"
    assert (root.local("a") / "c" / "d").read_bytes() == b"two"
    with pytest.raises(FileNotFoundError):
        root.local("nothing")


def test_what_is_made_in_a_workspace_is_there_once_it_is_taken_and_the_rest_is_gone(root):
    with root.workspace("assets/a") as folder:
        (folder / "model").mkdir()
        (folder / "model" / "weights").write_bytes(b"1")
        (folder / "rows").write_bytes(b"2")
        (folder / "notes").write_bytes(b"3")
        root.take({"assets/a/model-1": folder / "model", "assets/a/rows-1": folder / "rows"})
    assert root.names("assets/a") == ["model-1", "rows-1"]
    assert root.get("assets/a/model-1/weights").content == b"1"
    assert not folder.exists()


def test_a_folder_takes_the_place_of_another(root):
    root.put("a/model/old", b"1")
    with root.workspace("a") as folder:
        (folder / "model").mkdir()
        (folder / "model" / "new").write_bytes(b"2")
        root.take({"a/model": folder / "model"})
    assert root.names("a/model") == ["new"]


def test_a_workspace_is_gone_where_the_work_in_it_fails(root):
    folders = []

    def fail():
        with root.workspace("a") as folder:
            folders.append(folder)
            (folder / "half").write_bytes(b"")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not folders[0].exists()
    assert root.names("a") == []


def test_a_lock_excludes(root):
    inside, most = [], []

    def work(_):
        with root.lock("a") as held:
            assert held
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    at_once(work, 6)
    assert max(most) == 1
    with root.lock("a"), root.lock("a", wait=False) as second, root.lock("b", wait=False) as other:
        assert (second, other) == (False, True)
    with root.lock("a", wait=False) as free:
        assert free


def test_a_lock_is_free_after_the_work_under_it_failed(root):
    with pytest.raises(BlockingIOError), root.lock("a"):
        raise BlockingIOError
    with root.lock("a", wait=False) as held:
        assert held


def test_a_shared_lock_is_held_by_many_and_keeps_out_one_that_would_hold_it_alone(root):
    with root.lock("a", shared=True), root.lock("a", shared=True, wait=False) as second:
        assert second
        with root.lock("a", wait=False) as alone, root.lock("b", wait=False) as other:
            assert (alone, other) == (False, True)
    with root.lock("a", wait=False) as alone, root.lock("a", shared=True, wait=False) as shared:
        assert (alone, shared) == (True, False)


def test_one_that_would_share_a_lock_waits_for_one_that_holds_it_alone(root):
    began = threading.Event()

    def read():
        with root.lock("a", shared=True):
            began.set()

    with root.lock("a"):
        reader = threading.Thread(target=read)
        reader.start()
        assert not began.wait(0.05)
    assert began.wait(5)
    reader.join()


def test_one_that_waits_tells_for_whom_and_since_when_and_is_listed_while_it_waits(root, monkeypatch):
    monkeypatch.setattr("fineline.resources.core.storage.holders.FIRST_TOLD", 0.02)
    told = queue.Queue()

    def wait():
        with working_on("fineline run", told.put), root.lock("a"):
            told.put("held")

    with working_on("run 01234567, splits", told.put), root.lock("a"):
        waiter = threading.Thread(target=wait)
        waiter.start()
        first, second = told.get(timeout=5), told.get(timeout=5)
        (listed,) = root.waits()
    waiter.join()
    me = rf"\(process {os.getpid()} on {socket.gethostname()}\) since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    words = rf"fineline run {me} waits for the lock 'a', which run 01234567, splits {me} holds"
    assert all(re.fullmatch(words, each) for each in (first, second, str(listed))), (first, second, str(listed))
    assert 0 <= listed.waiting.seconds < 60
    assert [*told.queue][-1] == "held", "no longer told than it waits"
    assert root.waits() == []
    assert root.holder("a") is None


def test_who_shares_a_lock_has_no_name_for_those_who_wait(root):
    with root.lock("a"):
        assert root.holder("a").process == os.getpid()
    with root.lock("a", shared=True):
        assert root.holder("a") is None


def test_private_contents_are_read_again(root):
    root.put("requests/a", b"secret", private=True)
    assert root.get("requests/a", private=True).content == b"secret"
