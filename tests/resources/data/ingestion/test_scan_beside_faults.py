"""One file, source, store or address that is bad stops none of the others."""

import os
import socket
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from support.mailbox import Inbox, key_for, row

from fineline.resources.core.recipe.sources import Files, Sql
from fineline.resources.core.storage.files import StorageError
from fineline.resources.data.formats.rows import SourceError
from fineline.resources.data.ingestion import inbox
from fineline.resources.data.ingestion.inbox import Budget
from fineline.resources.data.ingestion.registry import registry_of
from fineline.resources.data.ingestion.scan import scan_sources, scan_until_settled
from fineline.resources.data.sources import locations
from fineline.resources.data.sources.locations import LocalFile


@pytest.fixture
def mail(tmp_path):
    return Inbox(tmp_path)


@pytest.fixture
def damaged(monkeypatch):
    """Names of files whose blocks cannot be read, and what happens meanwhile."""
    names, open_file = {}, LocalFile.open

    class Damaged:
        def __init__(self, meanwhile):
            self.meanwhile = meanwhile

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def seek(self, _):
            pass

        def read(self, _):
            self.meanwhile()
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(LocalFile, "open", lambda f: Damaged(names[f.name]) if f.name in names else open_file(f))
    return names


def test_a_file_on_a_damaged_block_waits_and_those_beside_it_are_taken(mail, damaged):
    mail.drop("a.jsonl")
    mail.drop("b.jsonl", "So.")
    damaged["a.jsonl"] = lambda: None
    found = mail.scan_sources()
    assert list(found.versions) == [mail.key("b.jsonl")]
    assert found.waiting == {mail.key("a.jsonl"): f"cannot read {mail.key('a.jsonl')}: Input/output error."}
    damaged.clear()
    assert set(mail.scan_sources().versions) == {mail.key("a.jsonl"), mail.key("b.jsonl")}


def test_damaged_files_that_take_all_the_time_are_tried_last_and_keep_no_run_waiting(mail, damaged, monkeypatch):
    for name in ["a.jsonl", "b.jsonl", "c.jsonl"]:
        mail.drop(name, name)
    budget = Budget()
    monkeypatch.setattr("fineline.resources.data.ingestion.scan.Budget", lambda: budget)

    def all_the_time():
        budget.bytes_left = 0

    monkeypatch.setattr(Budget, "share", lambda whole, _: whole)
    damaged |= {"a.jsonl": all_the_time, "b.jsonl": all_the_time}
    looks = []
    for _ in range(4):
        budget.bytes_left = 2**20
        looks.append(mail.scan_sources())
    assert list(looks[-1].versions) == [mail.key("c.jsonl")]
    assert not looks[-1].reads_on


def test_a_file_whose_name_is_no_utf8_waits_and_those_beside_it_are_taken(mail):
    mail.drop("a.jsonl")
    bad = os.fsencode(mail.folder) + b"/M\xfcller.jsonl"
    with open(bad, "w") as file:
        file.write(row("So."))
    found = mail.scan_sources()
    assert list(found.versions) == [mail.key("a.jsonl")]
    assert found.waiting == {mail.key(r"M\udcfcller.jsonl"): "its name is not UTF-8; rename it"}
    assert "rename it" in ". ".join(found.notes).encode().decode()
    os.rename(bad, mail.folder / "Müller.jsonl")
    assert set(mail.scan_sources().versions) == {mail.key("Müller.jsonl"), mail.key("a.jsonl")}


class NoCredentialsError(Exception):
    pass


class ClosedStore(MemoryFileSystem):
    protocol = "closed"

    def isfile(self, _):
        raise NoCredentialsError("the key is Secret")


@pytest.fixture
def closed():
    fsspec.register_implementation("closed", ClosedStore, clobber=True)
    return Files(name="far", kind="files", licence="MIT", path="closed://bucket/in")


def test_links_and_what_is_no_file_are_refused_by_name_and_those_beside_them_are_taken(mail, tmp_path):
    secret = tmp_path / "pseudonym.key"
    secret.write_text("secret-key-of-the-root")
    mail.drop("good.jsonl")
    links = {
        "key.txt": secret,
        "relative.jsonl": "../pseudonym.key",
        "chain.txt": "key.txt",
        "inside.jsonl": "good.jsonl",
        "broken.txt": "nowhere",
        "loop.txt": "loop.txt",
        "folder.txt": tmp_path,
        "device.txt": "/dev/zero",
    }
    for name, target in links.items():
        (mail.folder / name).symlink_to(target)
    os.mkfifo(mail.folder / "pipe.jsonl")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(mail.folder / "socket.jsonl"))
    (mail.folder / "line\nbreak.jsonl").write_text(row("Fine."))
    found = mail.scan_sources()
    assert set(found.versions) == {mail.key("good.jsonl"), mail.key("line\nbreak.jsonl")}
    assert {found.shown(key) for key in found.waiting} == {
        f"mail/{name}" for name in [*links, "pipe.jsonl", "socket.jsonl"]
    }
    assert all("links are not followed" in found.waiting[mail.key(name)] for name in links)
    assert found.waiting[mail.key("pipe.jsonl")] == "it is no file"


def test_an_entry_that_the_system_does_not_describe_stops_no_other(mail, monkeypatch):
    mail.drop("a.jsonl")
    mail.drop("b.jsonl", "So.")
    describe = Path.lstat

    def fail(path):
        if path.name == "a.jsonl":
            raise OSError(5, "Input/output error")
        return describe(path)

    monkeypatch.setattr(Path, "lstat", fail)
    found = mail.scan_sources()
    assert list(found.versions) == [mail.key("b.jsonl")]
    assert found.waiting == {mail.key("a.jsonl"): "it cannot be read: Input/output error"}


@pytest.mark.parametrize("place", ["link", "pipe"])
def test_what_takes_the_place_of_a_file_that_has_arrived_is_not_read(mail, tmp_path, monkeypatch, place):
    mail.drop("a.jsonl")
    [key] = mail.scan_sources().versions
    secret = tmp_path / "secret.jsonl"
    secret.write_text(row("secret-key-of-the-root"))
    listed = locations._local_file(mail.folder / "a.jsonl")
    (mail.folder / "a.jsonl").unlink()
    os.mkfifo(mail.folder / "a.jsonl") if place == "pipe" else (mail.folder / "a.jsonl").symlink_to(secret)
    with pytest.raises(SourceError, match="cannot read"):
        mail.read(key)
    # Also where it is replaced just before it is opened.
    monkeypatch.setattr(locations, "_local_file", lambda _: listed)
    with pytest.raises(SourceError, match="cannot read"):
        mail.read(key)


def test_a_store_that_raises_what_it_likes_is_told_by_the_name_of_that_and_stops_no_other_source(mail, closed):
    mail.drop("a.jsonl")
    found = scan_sources(mail.storage, [closed, mail.source], now=mail.now)
    assert list(found.versions) == [mail.key("a.jsonl")]
    assert "NoCredentialsError" in found.obstacles["far"]
    assert "Secret" not in str(found)


def test_a_damaged_root_is_no_fault_of_a_source(mail, monkeypatch):
    mail.drop("a.jsonl")
    mail.scan_sources()
    (mail.folder / "a.jsonl").unlink()

    def damaged(*_):
        raise StorageError("the manifest is damaged")

    monkeypatch.setattr(type(mail.storage), "manifest", damaged)
    with pytest.raises(StorageError, match="the manifest is damaged"):
        scan_sources(mail.storage, [mail.source], now=mail.now)


@pytest.mark.parametrize("password", ["p@ss:Secret", "p@ss/Secret", "p@Secret"])
def test_an_address_with_a_password_that_is_not_written_as_it_must_be_stops_no_other_source(
    mail, monkeypatch, password
):
    monkeypatch.setenv("ANSWERS", f"sqlite://me:{password}@host/db")
    table = Sql(name="table", kind="sql", licence="MIT", uri_variable="ANSWERS", query="SELECT 1 AS id", increment="id")
    mail.drop("a.jsonl")
    found = scan_sources(mail.storage, [table, mail.source], now=mail.now)
    assert list(found.versions) == [mail.key("a.jsonl")]
    assert "ANSWERS holds no address that SQLAlchemy understands" in found.obstacles["table"]
    assert "Secret" not in str(found)


def folders_in(mail, *names):
    for name in names:
        (mail.folder / name).mkdir()
    return [Files(name=name, kind="files", licence="MIT", path=mail.folder / name) for name in names]


def test_much_to_read_in_one_source_keeps_no_other_waiting(mail, monkeypatch):
    monkeypatch.setattr(inbox, "PIECE", 1000)
    monkeypatch.setattr("fineline.resources.data.ingestion.scan.Budget", lambda: Budget(bytes_left=1000))
    sources = folders_in(mail, "first", "second", "third")
    for source in sources:
        (source.path / "a.jsonl").write_text(row(source.name * 2000))
    (mail.folder / "third" / "a.jsonl").write_text(row("third"))
    assert list(scan_sources(mail.storage, sources, now=mail.now).versions) == [
        key_for(mail.storage, "third", "a.jsonl")
    ]
    read = {
        name: [file.pieces for file in state.files.values()]
        for name, state in registry_of(mail.storage).sources.items()
    }
    assert [len(pieces) for name in ["first", "second"] for pieces in read[name]] == [1, 1]
    assert len(scan_until_settled(mail.storage, sources, lambda _: None).versions) == 3


def test_what_the_others_do_not_read_is_for_the_source_with_much_to_read(mail, monkeypatch):
    monkeypatch.setattr(inbox, "PIECE", 1000)
    monkeypatch.setattr("fineline.resources.data.ingestion.scan.Budget", lambda: Budget(bytes_left=4000))
    sources = folders_in(mail, "first", "second")
    (mail.folder / "first" / "a.jsonl").write_text(row("x" * 20_000))
    pieces = []
    for _ in range(2):
        scan_sources(mail.storage, sources, now=mail.now)
        [file] = registry_of(mail.storage).sources["first"].files.values()
        pieces.append(len(file.pieces))
    assert pieces == [2, 6], "a half at first, then all"
