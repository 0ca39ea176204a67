"""One file, source, store or address that is bad stops none of the others."""

import os

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from support.mailbox import Inbox, key_for, row

from fineline.resources.core.recipe.sources import Files, Sql
from fineline.resources.core.storage.files import StorageError
from fineline.resources.data.ingestion import inbox
from fineline.resources.data.ingestion.inbox import Budget
from fineline.resources.data.ingestion.registry import registry_of
from fineline.resources.data.ingestion.scan import scan_sources, scan_until_settled
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
