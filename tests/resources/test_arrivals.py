import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fsspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from fineline.resources import inbox
from fineline.resources.arrival_registry import SeenFile, registry_of
from fineline.resources.arrivals import (
    arrival,
    known_arrivals,
    look,
    look_patiently,
    require_batches,
    versions_of,
    withdraw,
)
from fineline.resources.disk import StorageError, write_atomically
from fineline.resources.inbox import Budget, assign
from fineline.resources.recipe_data import Files, HuggingFace, Sql
from fineline.resources.sources.batches import Bound, SourceError
from fineline.resources.sources.reader import read_parts
from fineline.resources.storage import Manifest, Storage


def row(answer):
    return json.dumps({"question": "Why?", "answer": answer}) + "\n"


class Inbox:
    """A folder that is looked at as time goes on; each batch has a stored table as soon as it was seen."""

    def __init__(self, folder):
        self.folder, self.storage, self.now = folder / "in", Storage(folder / "root"), time.time() + 60
        self.folder.mkdir()
        self.source = Files(name="mail", kind="files", licence="MIT", path=self.folder)
        self.stores = True

    def drop(self, name, answer="Because."):
        (self.folder / name).write_text(row(answer))

    def look(self, *, later=10.0, ask=True):
        self.now += later
        found = look(self.storage, [self.source], now=self.now, ask=ask)
        for key in found.versions if self.stores else ():
            if self.storage.manifest("raw_corpus", key) is None:
                stored = {"asset": "raw_corpus", "batch": key, "data_version": "1", "code_version": "1"}
                self.storage.commit(written(self.storage, Manifest(**stored, inputs={}, files={}, run_id="r")))
        return found

    def read(self, key):
        parts = read_parts(self.source, key, arrival(registry_of(self.storage), key).place)
        return [message["content"] for part in parts for [message] in part.records["completion"]]

    def batch(self, key):
        return known_arrivals(self.storage)[key]


def written(storage, manifest):
    write_atomically(storage.folder(manifest.asset, manifest.batch) / "data", b"")
    return manifest


@pytest.fixture
def mail(tmp_path):
    return Inbox(tmp_path)


def test_each_complete_file_is_a_batch_and_a_second_look_finds_nothing_new(mail):
    mail.drop("a.jsonl")
    mail.drop("b.jsonl", "So.")
    first = mail.look()
    assert sorted(first.versions) == ["mail/a.jsonl", "mail/b.jsonl"]
    stored = (mail.storage.root / "arrivals" / "registry.json").read_bytes()
    assert mail.look().versions == first.versions
    assert (mail.storage.root / "arrivals" / "registry.json").read_bytes() == stored


@pytest.mark.parametrize("name", ["a.jsonl.part", "a.jsonl.tmp", "a.jsonl.CRDOWNLOAD", "a.jsonl.filepart", "~a.jsonl"])
def test_a_file_of_a_temporary_name_waits_until_it_is_renamed(mail, name):
    mail.drop(name)
    found = mail.look()
    assert (found.versions, found.waiting) == ({}, {f"mail/{name}": "until it is renamed"})
    (mail.folder / name).rename(mail.folder / "a.jsonl")
    assert list(mail.look().versions) == ["mail/a.jsonl"]


def test_hidden_files_folders_and_other_formats_are_left_out(mail):
    mail.drop(".a.jsonl")
    mail.drop("a.docx")
    mail.drop("b.jsonl")
    (mail.folder / "sub").mkdir()
    found = mail.look()
    assert (list(found.versions), found.waiting) == (["mail/b.jsonl"], {})


def test_a_file_that_was_just_written_waits_until_it_rests(mail):
    mail.drop("a.jsonl")
    mail.now = (mail.folder / "a.jsonl").stat().st_mtime
    assert mail.look(later=1.0).waiting == {"mail/a.jsonl": "until nobody writes to it"}
    with (mail.folder / "a.jsonl").open("a") as file:
        file.write(row("More."))
    os.utime(mail.folder / "a.jsonl", (mail.now + 1, mail.now + 1))
    assert mail.look(later=1.5).versions == {}, "it has changed since the last look"
    assert list(mail.look(later=1.6).versions) == ["mail/a.jsonl"]


def test_a_file_from_the_future_waits_for_two_equal_looks_and_not_for_ever(mail):
    mail.drop("a.jsonl")
    os.utime(mail.folder / "a.jsonl", (mail.now + 10**6, mail.now + 10**6))
    assert mail.look().versions == {}
    assert mail.look(later=0.1).versions == {}, "two looks at one moment say nothing"
    assert list(mail.look(later=3).versions) == ["mail/a.jsonl"]


def test_a_clock_that_is_set_back_makes_no_file_wait_for_ever(mail):
    mail.drop("a.jsonl")
    os.utime(mail.folder / "a.jsonl", (mail.now + 100, mail.now + 100))
    assert mail.look(later=0).versions == {}
    assert list(mail.look(later=-5000).versions) == ["mail/a.jsonl"]


def test_a_renamed_file_stays_its_batch_and_is_read_at_its_new_place(mail):
    mail.drop("a.jsonl")
    before = mail.look().versions
    (mail.folder / "a.jsonl").rename(mail.folder / "z.jsonl")
    assert mail.look().versions == before
    assert mail.batch("mail/a.jsonl").place.name == "z.jsonl"
    assert mail.read("mail/a.jsonl") == ["Because."]


def test_a_renamed_file_is_not_read_again_to_know_it(mail, monkeypatch):
    mail.drop("a.jsonl")
    mail.look()
    (mail.folder / "a.jsonl").rename(mail.folder / "z.jsonl")
    monkeypatch.setattr(inbox, "_read_on", lambda *_: pytest.fail("was read"))
    assert list(mail.look().versions) == ["mail/a.jsonl"]


def test_a_file_of_another_format_under_the_same_content_is_another_version(mail):
    mail.drop("a.jsonl")
    before = mail.look().versions
    (mail.folder / "a.jsonl").rename(mail.folder / "a.txt")
    now = mail.look().versions
    assert list(now) == list(before)
    assert now != before


def test_a_file_that_is_sent_again_under_another_name_is_a_repeat_and_takes_over_when_the_first_goes(mail):
    mail.drop("a.jsonl")
    before = mail.look().versions
    mail.drop("again.jsonl")
    found = mail.look()
    assert (found.versions, found.repeats) == (before, {"mail/again.jsonl": "mail/a.jsonl"})
    (mail.folder / "a.jsonl").unlink()
    found = mail.look()
    assert (found.versions, found.repeats, found.gone) == (before, {}, [])
    assert mail.batch("mail/a.jsonl").place.name == "again.jsonl"


def test_a_changed_file_is_a_new_version_of_its_batch_alone(mail):
    mail.drop("a.jsonl")
    mail.drop("b.jsonl", "So.")
    before = mail.look().versions
    mail.drop("a.jsonl", "Because it is.")
    now = mail.look().versions
    assert [key for key in before if before[key] != now[key]] == ["mail/a.jsonl"]
    assert mail.batch("mail/a.jsonl").versions == 2
    assert mail.read("mail/a.jsonl") == ["Because it is."]


def test_touching_a_file_changes_nothing(mail):
    mail.drop("a.jsonl")
    before = mail.look().versions
    os.utime(mail.folder / "a.jsonl")
    assert mail.look().versions == before
    assert mail.batch("mail/a.jsonl").versions == 1
    assert mail.read("mail/a.jsonl") == ["Because."]


def test_a_batch_whose_file_vanished_stays_and_says_what_to_do_when_it_must_be_read(mail):
    mail.drop("a.jsonl")
    before = mail.look().versions
    (mail.folder / "a.jsonl").unlink()
    found = mail.look()
    assert (found.versions, found.gone) == (before, ["mail/a.jsonl"])
    with pytest.raises(SourceError, match=r"its file a\.jsonl is gone.*fineline forget --batch mail/a\.jsonl"):
        mail.read("mail/a.jsonl")
    mail.drop("back.jsonl")
    assert (mail.look().versions, mail.batch("mail/a.jsonl").state) == (before, "there")


def test_a_file_that_vanished_before_anything_was_made_of_it_is_no_batch(mail):
    mail.stores = False
    mail.drop("a.jsonl")
    mail.look()
    (mail.folder / "a.jsonl").unlink()
    assert mail.look().versions == {}


def test_a_folder_that_is_not_mounted_loses_nothing(mail):
    mail.drop("a.jsonl")
    before = mail.look().versions
    mail.folder.rename(mail.folder.with_name("elsewhere"))
    found = mail.look()
    assert (found.versions, found.gone) == (before, ["mail/a.jsonl"])
    assert "there is nothing at" in found.obstacles["mail"]
    require_batches(found)
    mail.folder.with_name("elsewhere").rename(mail.folder)
    found = mail.look()
    assert (found.versions, found.gone, found.obstacles) == (before, [], {})


def test_a_new_file_under_the_name_of_a_renamed_one_gets_a_key_of_its_own(mail):
    mail.drop("a.jsonl")
    mail.look()
    (mail.folder / "a.jsonl").rename(mail.folder / "z.jsonl")
    mail.look()
    mail.drop("a.jsonl", "So.")
    [new] = set(mail.look().versions) - {"mail/a.jsonl"}
    assert new.startswith("mail/a.jsonl-")
    assert (mail.read(new), mail.read("mail/a.jsonl")) == (["So."], ["Because."])


def test_no_new_batch_takes_the_key_of_another_however_often_names_are_used_again(mail):
    for n in range(4):
        mail.drop("a.jsonl")
        mail.look()
        (mail.folder / "a.jsonl").rename(mail.folder / f"{n}.jsonl")
        mail.look()
        mail.drop(f"{n}.jsonl", f"Changed {n}.")
        found = mail.look()
    assert len(found.versions) == 4
    assert all(key.startswith("mail/a.jsonl") for key in found.versions), "each keeps the key that it came with"
    assert {mail.read(key)[0] for key in found.versions} == {f"Changed {n}." for n in range(4)}


def test_an_empty_inbox_is_no_obstacle_and_a_run_says_what_to_do(mail):
    found = mail.look()
    assert (found.versions, found.obstacles, found.empty) == ({}, {}, ["mail"])
    with pytest.raises(SourceError, match="nothing has arrived yet: put files into the folders"):
        require_batches(found)


def test_a_source_that_never_was_there_stops_a_run(mail):
    mail.folder.rmdir()
    with pytest.raises(SourceError, match=r"mail: there is nothing at .* Correct the path"):
        require_batches(mail.look())


def test_a_source_that_the_recipe_does_not_name_any_more_offers_nothing_and_comes_back_as_it_was(mail):
    mail.drop("a.jsonl")
    before = mail.look().versions
    other = Files(name="other", kind="files", licence="MIT", path=mail.folder)
    assert list(look(mail.storage, [other], now=mail.now).versions) == ["other/a.jsonl"]
    assert mail.look().versions == before


def test_a_folder_that_moved_keeps_its_versions_and_another_one_brings_its_own_batches(mail):
    mail.drop("a.jsonl")
    mail.drop("b.jsonl", "So.")
    before = mail.look().versions
    new = mail.folder.with_name("new")
    mail.folder.rename(new)
    (new / "b.jsonl").unlink()
    mail.source = mail.source.model_copy(update={"path": new})
    assert mail.look().versions == {"mail/a.jsonl": before["mail/a.jsonl"]}


def test_an_option_of_the_source_is_another_version_of_its_batches(mail):
    mail.drop("a.jsonl")
    before = mail.look().versions
    mail.source = mail.source.model_copy(update={"limit": 1})
    assert mail.look().versions != before


def test_a_file_that_all_are_read_with_is_part_of_each_version_once_it_is_complete(mail, tmp_path):
    mail.drop("a.jsonl")
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"id": 1, "answer": "So."}\n')
    mail.source = Files.model_validate(
        {**mail.source.model_dump(), "join": {"path": answers, "key": "id"}},
    )
    before = mail.look().versions
    answers.write_text('{"id": 1, "answer": "Thus."}\n')
    os.utime(answers, (mail.now, mail.now))
    assert mail.look(later=1).versions == before
    assert mail.look().versions != before


def test_a_withdrawn_batch_does_not_come_back_by_its_content_but_by_other_content(mail):
    mail.drop("a.jsonl")
    mail.look()
    assert withdraw(mail.storage, ["mail/a.jsonl", "mail/nothing"]) == ["mail/a.jsonl"]
    mail.drop("again.jsonl")
    assert mail.look().versions == {}
    (mail.folder / "a.jsonl").unlink()
    mail.look()
    mail.source = mail.source.model_copy(update={"path": mail.folder.rename(mail.folder.with_name("new"))})
    assert mail.look().versions == {}, "also not from another folder"
    with pytest.raises(SourceError, match="is no batch"):
        mail.read("mail/a.jsonl")
    (mail.source.path / "again.jsonl").write_text(row("Mended."))
    assert list(mail.look().versions) == ["mail/a.jsonl"]


def test_large_files_are_read_in_pieces_that_the_registry_remembers(mail, monkeypatch):
    monkeypatch.setattr(inbox, "PIECE", 10)
    monkeypatch.setattr("fineline.resources.arrivals.Budget", lambda: Budget(bytes_left=25))
    mail.drop("a.jsonl", "x" * 50)
    size = (mail.folder / "a.jsonl").stat().st_size
    found = [mail.look() for _ in range(-(-size // 30))]
    assert [look.reads_on for look in found] == [True] * (len(found) - 1) + [False]
    assert [len(look.versions) for look in found] == [0] * (len(found) - 1) + [1]
    whole = mail.batch("mail/a.jsonl").content
    mail.drop("b.jsonl", "x" * 49 + "y")
    contents = [mail.look() for _ in found] and {b.content for b in known_arrivals(mail.storage).values()}
    assert len(contents) == 2
    assert whole in contents


def test_a_file_that_is_written_to_while_it_is_read_waits(mail, monkeypatch):
    mail.drop("a.jsonl")
    read = inbox.hashlib.sha256

    def write_meanwhile():
        with (mail.folder / "a.jsonl").open("a") as file:
            file.write(row("More."))
        return read()

    with monkeypatch.context() as patch:
        patch.setattr("fineline.resources.inbox.hashlib.sha256", write_meanwhile)
        assert mail.look().waiting == {"mail/a.jsonl": "it was written to while it was read"}
    assert list(mail.look().versions) == ["mail/a.jsonl"]


def test_nothing_is_read_again_that_has_not_changed_also_after_a_restart(mail, monkeypatch):
    mail.drop("a.jsonl")
    before = mail.look().versions
    monkeypatch.setattr(inbox, "_read_on", lambda *_: pytest.fail("was read"))
    assert look(Storage(mail.storage.root), [mail.source], now=mail.now + 10**6).versions == before


def test_files_of_a_store_are_taken_after_two_equal_looks_and_known_by_their_content(mail):
    store = fsspec.filesystem("memory")
    mail.source = mail.source.model_copy(update={"path": "memory://arrivals/in"})
    store.pipe("/arrivals/in/a.jsonl", row("Because.").encode())
    try:
        assert mail.look().versions == {}
        assert list(mail.look().versions) == ["mail/a.jsonl"]
        assert mail.read("mail/a.jsonl") == ["Because."]
        store.mv("/arrivals/in/a.jsonl", "/arrivals/in/z.jsonl")
        mail.look()
        assert list(mail.look().versions) == ["mail/a.jsonl"]
        assert mail.batch("mail/a.jsonl").place.name == "z.jsonl"
        store.pipe("/arrivals/in/z.jsonl", row("So.").encode())
        mail.look()
        mail.look()
        assert mail.batch("mail/a.jsonl").versions == 2
        assert mail.read("mail/a.jsonl") == ["So."]
    finally:
        store.rm("/arrivals", recursive=True)


def test_two_that_look_at_the_same_time_write_one_truth(mail):
    for n in range(20):
        mail.drop(f"{n}.jsonl", f"Because {n}.")
    looks = []
    threads = [
        threading.Thread(target=lambda: looks.append(look(mail.storage, [mail.source], now=mail.now))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(looks) == 4
    assert all(found.versions == looks[0].versions for found in looks)
    assert versions_of(registry_of(mail.storage), [mail.source]) == looks[0].versions


def test_a_damaged_registry_is_told_with_what_to_do(mail):
    mail.look()
    (mail.storage.root / "arrivals" / "registry.json").write_text('{"sources": ')
    with pytest.raises(StorageError, match=r"registry\.json is damaged\. Bring it back from a backup, or remove it"):
        mail.look()


def test_a_run_waits_for_a_file_that_was_just_written_and_for_all_to_be_read(mail, monkeypatch):
    monkeypatch.setattr(inbox, "SETTLED_SECONDS", 0.2)
    monkeypatch.setattr("fineline.resources.arrivals.SETTLED_SECONDS", 0.2)
    mail.drop("a.jsonl")
    mail.drop("b.jsonl.part")
    started = time.monotonic()
    found = look_patiently(mail.storage, [mail.source], pytest.fail)
    assert list(found.versions) == ["mail/a.jsonl"]
    assert time.monotonic() - started < 5, "it does not wait for what somebody has to rename"


# A file that vanishes or changes while its rows are read.


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), r"the file a\.jsonl is no longer at .* What was stored of it stays"),
        (lambda path: path.write_text(row("Short.")), r"the file a\.jsonl has changed since it arrived"),
        (lambda path: os.truncate(path, 700_000), r"the file a\.jsonl has changed since it arrived"),
    ],
)
@pytest.mark.parametrize("rows_before", [0, 1])
def test_a_file_that_vanishes_or_changes_while_it_is_read_gives_an_error(mail, spoil, message, rows_before):
    (mail.folder / "a.jsonl").write_text("".join(row(f"{n} {'x' * 1000}") for n in range(12_000)))
    mail.look()
    parts = read_parts(mail.source, "mail/a.jsonl", arrival(registry_of(mail.storage), "mail/a.jsonl").place)
    for _ in range(rows_before):
        next(parts)
    spoil(mail.folder / "a.jsonl")
    with pytest.raises(SourceError, match=message):
        list(parts)


# Any sequence of events.

NAMES = st.sampled_from(["a", "b", "c", "d"])
CONTENTS = st.sampled_from(["1", "2", "3", "4", "5"])
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), NAMES, CONTENTS),
        st.tuples(st.just("move"), NAMES, NAMES),
        st.tuples(st.just("copy"), NAMES, NAMES),
        st.tuples(st.just("remove"), NAMES, NAMES),
    ),
    max_size=12,
)


def happen(files, event):
    """The folder after an event; files map names to contents."""
    kind, name, other = event
    after = dict(files)
    if kind == "write":
        after[name] = other
    elif kind == "remove":
        after.pop(name, None)
    elif name in files and other != name:
        after[other] = files[name]
        if kind == "move":
            del after[name]
    return after


def seen(files):
    return {name: SeenFile(size=1, mark=name, since=0.0, content=content) for name, content in files.items()}


def taken(batches, files, unfinished=frozenset()):
    complete = {name: content for name, content in files.items() if name not in unfinished}
    return assign("s", batches, seen(complete), unfinished & files.keys(), 0.0, lambda _: True)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EVENTS, max_size=8))
def test_whatever_happens_every_content_that_is_there_is_a_batch_and_none_is_lost(rounds):
    files, batches = {}, {}
    for events in rounds:
        for event in events:
            files = happen(files, event)
        before, (batches, repeats) = batches, taken(batches, files)
        there = {key: batch for key, batch in batches.items() if batch.state == "there"}
        assert {batch.content for batch in there.values()} == set(files.values())
        assert {batch.place.name: batch.content for batch in there.values()}.items() <= files.items()
        assert len({batch.place.name for batch in there.values()}) == len(there), "no two batches are one file"
        assert repeats.keys() | {batch.place.name for batch in there.values()} == files.keys()
        assert all(there[key].content == files[name] for name, key in repeats.items())
        assert before.keys() <= batches.keys(), "what has arrived stays"
        assert taken(batches, files) == (batches, repeats), "a second look changes nothing"


@given(EVENTS)
def test_looked_at_after_each_event_there_are_as_many_batches_as_lineages_of_content(events):
    files, batches, lineages = {}, {}, Lineages()
    for event in events:
        files = happen(files, event)
        batches, repeats = taken(batches, files)
        lineages.look(files)
        assert sorted((b.place.name, b.content, b.state == "there") for b in batches.values()) == sorted(
            map(tuple, lineages.all)
        )
        assert sorted(repeats) == sorted(lineages.repeats)


class Lineages:
    """The rules once more, in another way: a lineage is [name, content, there]; one event between two looks."""

    def __init__(self):
        self.all, self.repeats = [], []

    def look(self, files):
        for each in self.all:
            if each[2] and each[0] in files:
                each[1] = files[each[0]]
        homeless = [each for each in self.all if not (each[2] and each[0] in files)]
        free = sorted(files.keys() - {each[0] for each in self.all if each not in homeless})
        for each in homeless:
            same = [name for name in free if files[name] == each[1]]
            each[2] = bool(same)
            if same:
                each[0] = same[0]
                free.remove(same[0])
        self.repeats = []
        for name in free:
            owner = [each for each in self.all if not each[2] and each[0] == name]
            if files[name] in [each[1] for each in self.all if each[2]]:
                self.repeats.append(name)
            elif owner:
                owner[0][1:] = [files[name], True]
            else:
                self.all.append([name, files[name], True])
        self.all.sort(key=str)


@given(EVENTS, st.sets(NAMES))
def test_files_that_are_being_written_lose_no_batch_and_bring_none(events, unfinished):
    files = {}
    for event in events[: len(events) // 2]:
        files = happen(files, event)
    batches, _ = taken({}, files)
    for event in events[len(events) // 2 :]:
        files = happen(files, event)
    during, _ = taken(batches, files, frozenset(unfinished))
    assert batches.keys() <= during.keys()
    assert not {b.place.name for k, b in during.items() if k not in batches} & unfinished
    for key, batch in batches.items():
        if batch.place.name in unfinished & files.keys():
            assert during[key] == batch


# Sources that are asked: databases and the hub.


@pytest.fixture
def answers(tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path}/answers.db"
    monkeypatch.setenv("ANSWERS", uri)

    def change(statement):
        engine = create_engine(uri)
        with engine.begin() as connection:
            connection.execute(text(statement))
        engine.dispose()

    return change


def table(**options):
    query = "SELECT id, question, answer FROM answers;"
    given = {"uri_variable": "ANSWERS", "query": query, "increment": "id"} | options
    return Sql(name="table", kind="sql", licence="MIT", **given)


def rows_of(storage, source, key):
    place = arrival(registry_of(storage), key).place
    return [m["content"] for part in read_parts(source, key, place) for [m] in part.records["completion"]]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("INTEGER", ["-3", "9", "10", "11"]),
        ("REAL", ["-0.5", "1.25", "2.5", "1e10"]),
        (
            "TEXT",
            ["'2026-01-01 10:00:00'", "'2026-01-01 10:00:01.5'", "'2026-02-01 00:00:00'", "'2027-01-01 00:00:00'"],
        ),
        ("TEXT", ["'a/b'", "'a_b'", "'b''); DROP TABLE answers; --'", "'c...d'"]),
    ],
)
def test_rows_above_the_highest_value_so_far_are_a_batch_that_can_be_read_again(tmp_path, answers, kind, values):
    answers(f"CREATE TABLE answers (id {kind}, question TEXT, answer TEXT)")
    storage, source = Storage(tmp_path / "root"), table()
    assert look(storage, [source]).empty == ["table"]
    keys = []
    for n, value in enumerate(values):
        answers(f"INSERT INTO answers VALUES ({value}, 'Why?', 'Because {n}.')")
        found = look(storage, [source])
        assert look(storage, [source]).versions == found.versions
        [key] = set(found.versions) - set(keys)
        keys.append(key)
    assert len(keys) == len(set(keys)) == 4
    assert all("..." not in key and "/" not in key.removeprefix("table/") for key in keys)
    assert [rows_of(storage, source, key) for key in keys] == [[f"Because {n}."] for n in range(4)]


def test_increments_are_named_by_their_bounds_and_come_in_order(tmp_path, answers):
    answers("CREATE TABLE answers (id INTEGER, question TEXT, answer TEXT)")
    storage, source = Storage(tmp_path / "root"), table()
    for ids in ([3, 1, 2], [7, 5]):
        for n in ids:
            answers(f"INSERT INTO answers VALUES ({n}, 'Why?', 'Because {n}.')")
        found = look(storage, [source])
    assert list(found.versions) == ["table/3..7", "table/start..3"]
    assert rows_of(storage, source, "table/3..7") == ["Because 5.", "Because 7."]
    answers("INSERT INTO answers VALUES (4, 'Why?', 'Too late.'), (NULL, 'Why?', 'Never.')")
    assert look(storage, [source]).versions == found.versions, "rows below the mark are not seen"


def test_a_database_is_asked_once_a_minute_and_keeps_its_batches_when_it_cannot_be(tmp_path, answers, monkeypatch):
    answers("CREATE TABLE answers (id INTEGER, question TEXT, answer TEXT)")
    answers("INSERT INTO answers VALUES (1, 'Why?', 'Because.')")
    storage, source = Storage(tmp_path / "root"), table()
    before = look(storage, [source], now=1000.0).versions
    answers("INSERT INTO answers VALUES (2, 'Why?', 'So.')")
    assert look(storage, [source], now=1030.0, ask=False).versions == before
    answers("ALTER TABLE answers RENAME TO other")
    found = look(storage, [source], now=1070.0, ask=False)
    assert found.versions == before
    assert "no such table" in found.obstacles["table"]
    assert look(storage, [source], now=1080.0, ask=False).obstacles == found.obstacles
    answers("ALTER TABLE other RENAME TO answers")
    assert len(look(storage, [source], now=1140.0, ask=False).versions) == 2


def test_a_column_that_holds_nothing_that_rises_is_told(tmp_path, answers):
    answers("CREATE TABLE answers (id BLOB, question TEXT, answer TEXT)")
    answers("INSERT INTO answers VALUES (x'00', 'Why?', 'Because.')")
    found = look(Storage(tmp_path / "root"), [table()])
    assert "the column id, its increment, is of type bytes" in found.obstacles["table"]
    assert "no such column" in look(Storage(tmp_path / "root"), [table(increment="nope")]).obstacles["table"]


@pytest.mark.parametrize("value", [3, -1.5, "text", "2026-01-01"])
def test_bounds_keep_their_type(value):
    assert Bound.model_validate_json(Bound.of(value).model_dump_json()).value == value


def test_bounds_of_times_keep_their_type_and_zone():
    from datetime import UTC, date, datetime
    from decimal import Decimal

    for value in (
        datetime(2026, 1, 2, 3, 4, 5, 6),
        datetime(2026, 1, 2, tzinfo=UTC),
        date(2026, 1, 2),
        Decimal("1.50"),
    ):
        again = Bound.model_validate_json(Bound.of(value).model_dump_json()).value
        assert (type(again), again) == (type(value), value)


class Hub:
    """A server that knows the commits of one branch, as the hub does."""

    def __init__(self):
        hub = self
        self.commit, self.status, self.asked = "a" * 40, 200, []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                hub.asked.append(self.path)
                body = json.dumps({"id": "me/data", "sha": hub.commit, "siblings": []}).encode()
                self.send_response(hub.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def hub(monkeypatch):
    hub = Hub()
    monkeypatch.setattr("huggingface_hub.hf_api.ENDPOINT", hub.url, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    hub.thread.start()
    yield hub
    hub.server.shutdown()
    hub.thread.join()
    hub.server.server_close()


def followed(**options):
    given = {"id": "me/data", "follow": "main"} | options
    return HuggingFace(name="web", kind="huggingface", licence="MIT", **given)


def test_each_commit_of_a_followed_branch_is_a_batch_that_is_read_at_that_commit(tmp_path, hub, monkeypatch):
    storage = Storage(tmp_path)
    look(storage, [followed()])
    hub.commit = "b" * 40
    versions = look(storage, [followed()]).versions
    assert list(versions) == ["web/train@aaaaaaaaaaaa", "web/train@bbbbbbbbbbbb"]
    assert look(storage, [followed()]).versions == versions
    assert "/api/datasets/me/data/revision/main" in hub.asked
    asked = []
    monkeypatch.setattr("datasets.load_dataset", lambda _, **given: asked.append(given["revision"]) or loaded())
    assert len(rows_of(storage, followed(), "web/train@aaaaaaaaaaaa")) == 1
    assert asked == ["a" * 40]


def loaded():
    from datasets import Dataset

    return Dataset.from_list([{"question": "Why?", "answer": "Because."}])


def test_a_hub_that_cannot_be_reached_keeps_its_batches_and_stops_only_a_run_without_any(tmp_path, hub):
    storage = Storage(tmp_path)
    hub.status = 404
    found = look(storage, [followed()])
    with pytest.raises(SourceError, match="web: the hub does not give the branch main of me/data"):
        require_batches(found)
    hub.status = 200
    before = look(storage, [followed()]).versions
    hub.status = 500
    found = look(storage, [followed()])
    assert found.versions == before
    assert "web" in found.obstacles
    require_batches(found)


def test_a_hub_that_is_not_there_is_told(tmp_path, hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    assert "the hub cannot be reached" in look(Storage(tmp_path), [followed()]).obstacles["web"]


def test_a_hub_that_must_not_be_asked_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in look(Storage(tmp_path), [followed()]).obstacles["web"]


def test_a_folder_has_no_branch_to_follow(tmp_path):
    assert "remove follow" in look(Storage(tmp_path / "root"), [followed(id=str(tmp_path))]).obstacles["web"]


def test_a_source_is_pinned_or_followed_and_read_whole_or_in_increments():
    with pytest.raises(ValueError, match="not both"):
        followed(revision="v1")
    with pytest.raises(ValueError, match="not both"):
        table(version="SELECT count(*) FROM answers")
