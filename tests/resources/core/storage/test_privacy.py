import os
import stat

import pytest

from fineline.resources.core.storage.disk import RELEASE_MODE, DiskRoot
from fineline.resources.core.storage.files import StorageError


@pytest.fixture(autouse=True)
def open_mask():
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder):
    paths = (folder, *folder.rglob("*"))
    return {path.relative_to(folder).as_posix(): f"{stat.S_IMODE(path.stat().st_mode):o}" for path in paths}


def stored(root, key):
    with root.workspace(key.rpartition("/")[0]) as made:
        (made / "model" / "inner").mkdir(parents=True)
        (made / "model" / "inner" / "weights").write_bytes(b"1")
        root.take({key: made / "model"})


@pytest.mark.outcome(
    "leaks", "another user of the machine reads the storage root", "every folder is 0700, every file 0600"
)
def test_all_that_is_stored_is_its_owners_alone(tmp_path):
    root = DiskRoot(tmp_path / "home" / "recipe")
    root.put("assets/splits/manifest.json", b"1")
    root.swap("pseudonym.key", b"2", None, private=True)
    stored(root, "assets/sft_model/model-1")
    stored(root, "assets/release/release-1")
    with root.lock("runner"):
        pass
    found = modes(tmp_path / "home")
    assert len(found) == 17
    for path, mode in found.items():
        assert mode == ("700" if (tmp_path / "home" / path).is_dir() else "600"), path


@pytest.mark.outcome(
    "leaks", "a release for others", "readable by them where `FINELINE_RELEASE_MODE` says so, and nothing else"
)
@pytest.mark.parametrize(("mode", "folder", "passing"), [("0644", "755", "711"), ("640", "750", "710")])
def test_a_release_is_given_away_where_the_environment_says_so(tmp_path, monkeypatch, mode, folder, passing):
    monkeypatch.setenv(RELEASE_MODE, mode)
    root = DiskRoot(tmp_path / "recipe")
    stored(root, "assets/sft_model/model-1")
    stored(root, "assets/release/release-1")
    found = modes(root.folder)
    assert found["assets/release/release-1/inner/weights"] == mode[-3:]
    assert found["assets/release/release-1"] == found["assets/release/release-1/inner"] == folder
    assert found["assets/release"] == found["assets"] == found["."] == passing
    assert found["assets/sft_model"] == found["assets/sft_model/model-1"] == "700"


@pytest.mark.parametrize("mode", ["", "0444", "0o644", "rw", "1777"])
def test_a_mode_that_is_none_is_refused(tmp_path, monkeypatch, mode):
    monkeypatch.setenv(RELEASE_MODE, mode)
    with pytest.raises(StorageError, match="such as 0600, 0640 or 0644"):
        stored(DiskRoot(tmp_path), "assets/release/release-1")


def test_a_root_that_was_open_is_closed(tmp_path, monkeypatch):
    folder = tmp_path / "recipe"
    folder.mkdir(0o755)
    DiskRoot(folder).make_private()
    assert modes(folder) == {".": "700"}
    monkeypatch.setenv(RELEASE_MODE, "0644")
    DiskRoot(folder).make_private()
    assert modes(folder) == {".": "711"}
