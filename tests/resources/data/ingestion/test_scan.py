import os
import threading
import time

import fsspec
import pytest
from support.mailbox import Inbox, key_for, row
from support.reading import read_parts

from fineline.resources.core.recipe.sources import Files
from fineline.resources.core.storage.files import StorageError
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.formats.rows import SourceError
from fineline.resources.data.ingestion import inbox
from fineline.resources.data.ingestion.batches import arrived, known_arrivals, versions_of, withdraw
from fineline.resources.data.ingestion.inbox import Budget
from fineline.resources.data.ingestion.registry import registry_of
from fineline.resources.data.ingestion.scan import require_batches, scan_sources, scan_until_settled


@pytest.fixture
def mail(tmp_path):
    return Inbox(tmp_path)


def test_an_empty_inbox_is_no_obstacle_and_a_run_says_what_to_do(mail):
    found = mail.scan_sources()
    assert (found.versions, found.obstacles, found.empty) == ({}, {}, ["mail"])
    with pytest.raises(SourceError, match="nothing has arrived yet: put files into the folders"):
        require_batches(found)


def test_a_source_that_never_was_there_stops_a_run(mail):
    mail.folder.rmdir()
    with pytest.raises(SourceError, match=r"mail: there is nothing at .* Correct the path"):
        require_batches(mail.scan_sources())


def test_a_source_that_the_recipe_does_not_name_any_more_offers_nothing_and_comes_back_as_it_was(mail):
    mail.drop("a.jsonl")
    before = mail.scan_sources().versions
    other = Files(name="other", kind="files", licence="MIT", path=mail.folder)
    assert list(scan_sources(mail.storage, [other], now=mail.now).versions) == [
        key_for(mail.storage, "other", "a.jsonl")
    ]
    assert mail.scan_sources().versions == before


def test_a_folder_that_moved_keeps_its_versions_and_another_one_brings_its_own_batches(mail):
    mail.drop("a.jsonl")
    mail.drop("b.jsonl", "So.")
    before = mail.scan_sources().versions
    new = mail.folder.with_name("new")
    mail.folder.rename(new)
    (new / "b.jsonl").unlink()
    mail.source = mail.source.model_copy(update={"path": new})
    assert mail.scan_sources().versions == {mail.key("a.jsonl"): before[mail.key("a.jsonl")]}


def test_an_option_of_the_source_is_another_version_of_its_batches(mail):
    mail.drop("a.jsonl")
    before = mail.scan_sources().versions
    mail.source = mail.source.model_copy(update={"limit": 1})
    assert mail.scan_sources().versions != before


def test_a_file_that_all_are_read_with_is_part_of_each_version_once_it_is_complete(mail, tmp_path):
    mail.drop("a.jsonl")
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"id": 1, "answer": "So."}\n')
    mail.source = Files.model_validate(
        {**mail.source.model_dump(), "join": {"path": answers, "key": "id"}},
    )
    before = mail.scan_sources().versions
    answers.write_text('{"id": 1, "answer": "Thus."}\n')
    os.utime(answers, (mail.now, mail.now))
    assert mail.scan_sources(later=1).versions == before
    assert mail.scan_sources().versions != before


def test_a_withdrawn_batch_does_not_come_back_by_its_content_but_by_other_content(mail):
    mail.drop("a.jsonl")
    mail.scan_sources()
    assert withdraw(mail.storage, [mail.key("a.jsonl"), mail.key("nothing")]) == [mail.key("a.jsonl")]
    mail.drop("again.jsonl")
    assert mail.scan_sources().versions == {}
    (mail.folder / "a.jsonl").unlink()
    mail.scan_sources()
    mail.source = mail.source.model_copy(update={"path": mail.folder.rename(mail.folder.with_name("new"))})
    assert mail.scan_sources().versions == {}, "also not from another folder"
    with pytest.raises(SourceError, match="is no batch"):
        mail.read(mail.key("a.jsonl"))
    (mail.source.path / "again.jsonl").write_text(row("Mended."))
    assert list(mail.scan_sources().versions) == [mail.key("a.jsonl")]


def test_large_files_are_read_in_pieces_that_the_registry_remembers(mail, monkeypatch):
    monkeypatch.setattr(inbox, "PIECE", 10)
    monkeypatch.setattr("fineline.resources.data.ingestion.scan.Budget", lambda: Budget(bytes_left=25))
    mail.drop("a.jsonl", "x" * 50)
    size = (mail.folder / "a.jsonl").stat().st_size
    found = [mail.scan_sources() for _ in range(-(-size // 30))]
    assert [scan_sources.reads_on for scan_sources in found] == [True] * (len(found) - 1) + [False]
    assert [len(scan_sources.versions) for scan_sources in found] == [0] * (len(found) - 1) + [1]
    whole = mail.batch(mail.key("a.jsonl")).content
    mail.drop("b.jsonl", "x" * 49 + "y")
    contents = [mail.scan_sources() for _ in found] and {b.content for b in known_arrivals(mail.storage).values()}
    assert len(contents) == 2
    assert whole in contents


def test_a_file_that_is_written_to_while_it_is_read_waits(mail, monkeypatch):
    mail.drop("a.jsonl")
    read = inbox.hashlib.sha256

    def write_meanwhile(*given):
        if not given:
            with (mail.folder / "a.jsonl").open("a") as file:
                file.write(row("More."))
        return read(*given)

    with monkeypatch.context() as patch:
        patch.setattr("fineline.resources.data.ingestion.inbox.hashlib.sha256", write_meanwhile)
        assert mail.scan_sources().waiting == {mail.key("a.jsonl"): "it was written to while it was read"}
    assert list(mail.scan_sources().versions) == [mail.key("a.jsonl")]


def test_nothing_is_read_again_that_has_not_changed_also_after_a_restart(mail, monkeypatch):
    mail.drop("a.jsonl")
    before = mail.scan_sources().versions
    monkeypatch.setattr(inbox, "_read_on", lambda *_: pytest.fail("was read"))
    assert scan_sources(Storage(mail.storage.local.folder), [mail.source], now=mail.now + 10**6).versions == before


def test_files_of_a_store_are_taken_after_two_equal_looks_and_known_by_their_content(mail):
    store = fsspec.filesystem("memory")
    mail.source = mail.source.model_copy(update={"path": "memory://arrivals/in"})
    store.pipe("/arrivals/in/a.jsonl", row("Because.").encode())
    try:
        assert mail.scan_sources().versions == {}
        assert list(mail.scan_sources().versions) == [mail.key("a.jsonl")]
        assert mail.read(mail.key("a.jsonl")) == ["Because."]
        store.mv("/arrivals/in/a.jsonl", "/arrivals/in/z.jsonl")
        mail.scan_sources()
        assert list(mail.scan_sources().versions) == [mail.key("a.jsonl")]
        assert mail.batch(mail.key("a.jsonl")).name == "z.jsonl"
        store.pipe("/arrivals/in/z.jsonl", row("So.").encode())
        mail.scan_sources()
        mail.scan_sources()
        assert mail.batch(mail.key("a.jsonl")).versions == 2
        assert mail.read(mail.key("a.jsonl")) == ["So."]
    finally:
        store.rm("/arrivals", recursive=True)


def test_two_that_look_at_the_same_time_write_one_truth(mail):
    for n in range(20):
        mail.drop(f"{n}.jsonl", f"Because {n}.")
    looks = []
    threads = [
        threading.Thread(target=lambda: looks.append(scan_sources(mail.storage, [mail.source], now=mail.now)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(looks) == 4
    assert all(found.versions == looks[0].versions for found in looks)
    assert versions_of(registry_of(mail.storage), [mail.source]) == looks[0].versions


def test_a_damaged_registry_is_told_with_what_to_do(mail):
    mail.scan_sources()
    (mail.storage.local.folder / "arrivals" / "registry.json").write_text('{"sources": ')
    with pytest.raises(StorageError, match=r"registry\.json is damaged\. Bring it back from a backup, or remove it"):
        mail.scan_sources()


def test_a_run_waits_for_a_file_that_was_just_written_and_for_all_to_be_read(mail, monkeypatch):
    monkeypatch.setattr(inbox, "SETTLED_SECONDS", 0.2)
    monkeypatch.setattr("fineline.resources.data.ingestion.scan.SETTLED_SECONDS", 0.2)
    mail.drop("a.jsonl")
    mail.drop("b.jsonl.part")
    started = time.monotonic()
    found = scan_until_settled(mail.storage, [mail.source], pytest.fail)
    assert list(found.versions) == [mail.key("a.jsonl")]
    assert time.monotonic() - started < 5, "it does not wait for what somebody has to rename"


# A file that vanishes or changes while its rows are read.


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "its file is no longer at .* What was stored of it stays"),
        (lambda path: path.write_text(row("Short.")), "its file has changed since it arrived"),
        (lambda path: os.truncate(path, 700_000), "its file has changed since it arrived"),
    ],
)
@pytest.mark.parametrize("rows_before", [0, 1])
def test_a_file_that_vanishes_or_changes_while_it_is_read_gives_an_error(mail, spoil, message, rows_before):
    (mail.folder / "a.jsonl").write_text("".join(row(f"{n} {'x' * 1000}") for n in range(12_000)))
    mail.scan_sources()
    key = mail.key("a.jsonl")
    parts = read_parts(mail.source, key, arrived(mail.storage, mail.source, key))
    for _ in range(rows_before):
        next(parts)
    spoil(mail.folder / "a.jsonl")
    with pytest.raises(SourceError, match=message):
        list(parts)
