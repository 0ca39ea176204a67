import threading

from fineline.resources.core.storage import locks
from fineline.resources.core.storage.disk import DiskRoot
from fineline.resources.core.storage.holders import working_on
from fineline.resources.core.storage.layout import LOCKS


def files_of_waiters(root):
    return [name for name in root.names(LOCKS) if name.endswith(locks.WAITS)]


def test_one_that_is_looked_at_before_its_file_is_locked_is_listed_while_it_waits(tmp_path, monkeypatch):
    root, opened, looked, found = DiskRoot(tmp_path), locks.open_lock, [], threading.Event()

    def look_after(path):
        descriptor = opened(path)
        if path.name.endswith(locks.WAITS):
            # The first file is found before it is locked; the second one is left alone.
            looked.append(root.waits()) if not looked else found.set()
        return descriptor

    def wait():
        with working_on("fineline run"), root.lock("a"):
            pass

    monkeypatch.setattr(locks, "open_lock", look_after)
    with root.lock("a"):
        waiter = threading.Thread(target=wait)
        waiter.start()
        assert found.wait(5)
        while not (listed := root.waits()):
            pass
        assert [(each.lock, each.waiting.work) for each in listed] == [("a", "fineline run")]
        assert len(files_of_waiters(root)) == 1
    waiter.join()
    assert looked == [[]]
    assert files_of_waiters(root) == []


def test_the_file_of_one_that_was_killed_while_it_waited_is_removed(tmp_path):
    root = DiskRoot(tmp_path)
    root.put(f"{LOCKS}/a.0123{locks.WAITS}", b"")
    assert root.waits() == []
    assert files_of_waiters(root) == []
