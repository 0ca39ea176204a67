import os

import pytest

from fineline.resources.core.storage.files import (
    StorageError,
    make_writable,
    remove,
    write_atomically,
)


def test_a_file_in_place_of_the_folder_is_named_with_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="FINELINE_HOME="):
        make_writable(tmp_path / "file" / "inside")


@pytest.fixture
def as_nobody():
    """Root may write anywhere; the tests of permissions run as another user."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_a_folder_without_write_permission_is_named_with_what_to_do(tmp_path, as_nobody):
    if os.geteuid() != 65534:
        tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="FINELINE_HOME="):
        make_writable(tmp_path / "new")


def test_a_file_is_written_whole_with_its_permissions_and_leaves_nothing_beside_it(tmp_path):
    write_atomically(tmp_path / "a" / "b", b"one")
    write_atomically(tmp_path / "a" / "b", b"two")
    assert (tmp_path / "a" / "b").read_bytes() == b"two"
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path / "a") == ["b"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    write_atomically(tmp_path / "b", b"one")

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "b", b"two")
    assert (tmp_path / "b").read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["b"]


def test_what_is_gone_already_may_be_removed(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for _ in range(2):
        remove(tmp_path / "a")
    assert not (tmp_path / "a").exists()
