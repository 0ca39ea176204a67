import os
import stat

import pytest

from fineline.resources.core.storage.disk import RELEASE_MODE, DiskRoot
from fineline.resources.core.storage.files import StorageError


@pytest.fixture(autouse=True, params=[0, 0o077])
def mask(request):
    before = os.umask(request.param)
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


@pytest.fixture
def old(tmp_path):
    """A root as an older Fineline left it: open to all."""
    root = DiskRoot(tmp_path / "recipe")
    for key in ("raw_corpus/batch=inbox/data", "splits/data", "release/release-1/weights"):
        root.put(f"assets/{key}", b"1")
    root.put("requests/a.json", b"1")
    root.put("registry.json", b"1")
    (tmp_path / "elsewhere").mkdir()
    (root.folder / "linked").symlink_to(tmp_path / "elsewhere")
    for path in (root.folder, tmp_path / "elsewhere", *root.folder.rglob("*")):
        path.chmod(0o2755 if path.is_dir() else 0o644)
    return root


@pytest.mark.parametrize(("mode", "passing"), [("0600", "2700"), ("0640", "2710"), ("0644", "2711")])
def test_of_a_root_that_was_open_others_enter_the_release_alone(old, monkeypatch, mode, passing):
    monkeypatch.setenv(RELEASE_MODE, mode)
    old.make_private()
    found = modes(old.folder)
    assert found["."] == found["assets"] == found["assets/release"] == passing
    assert found["assets/raw_corpus"] == found["assets/splits"] == found["requests"] == "2700"
    assert found["registry.json"] == "600"
    assert found["linked"] == found["assets/release/release-1"] == "2755"


def test_the_root_of_another_user_is_left_as_it_is(old, monkeypatch):
    before = modes(old.folder)
    monkeypatch.setattr(os, "geteuid", lambda: -1)
    old.make_private()
    old.put("requests/b.json", b"2", private=True)
    monkeypatch.setenv(RELEASE_MODE, "0644")
    stored(old, "assets/release/release-2")
    after = modes(old.folder)
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize(("mode", "folder"), [(None, "2770"), ("0640", "2770"), ("0644", "2771")])
def test_a_release_takes_no_rights_from_the_folders_that_it_is_in(tmp_path, monkeypatch, mode, folder):
    root = DiskRoot(tmp_path / "recipe")
    root.put("assets/release/release-1/weights", b"1")
    folders = (root.folder, root.path("assets"), root.path("assets/release"))
    for each in folders:
        each.chmod(0o2770)
    if mode:
        monkeypatch.setenv(RELEASE_MODE, mode)
    stored(root, "assets/release/release-2")
    assert {f"{each.stat().st_mode & 0o7777:o}" for each in folders} == {folder}
