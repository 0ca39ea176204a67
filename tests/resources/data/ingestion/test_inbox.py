import os
import time

import pytest
from support.mailbox import Inbox, row

from fineline.resources.core.recipe.sources import Files
from fineline.resources.data.formats.rows import PassingError
from fineline.resources.data.ingestion import inbox
from fineline.resources.data.ingestion.registry import KEY
from fineline.resources.data.ingestion.scan import require_batches, scan_sources


@pytest.fixture
def mail(tmp_path):
    return Inbox(tmp_path)


def test_each_complete_file_is_a_batch_and_a_second_look_finds_nothing_new(mail):
    mail.drop("a.jsonl")
    mail.drop("b.jsonl", "So.")
    first = mail.scan_sources()
    assert set(first.versions) == {mail.key("a.jsonl"), mail.key("b.jsonl")}
    stored = (mail.storage.local.folder / "arrivals" / "registry.json").read_bytes()
    assert mail.scan_sources().versions == first.versions
    assert (mail.storage.local.folder / "arrivals" / "registry.json").read_bytes() == stored


@pytest.mark.parametrize("name", ["a.jsonl.part", "a.jsonl.tmp", "a.jsonl.CRDOWNLOAD", "a.jsonl.filepart", "~a.jsonl"])
def test_a_file_of_a_temporary_name_waits_until_it_is_renamed(mail, name):
    mail.drop(name)
    found = mail.scan_sources()
    assert (found.versions, found.waiting) == ({}, {mail.key(name): "until it is renamed"})
    (mail.folder / name).rename(mail.folder / "a.jsonl")
    assert list(mail.scan_sources().versions) == [mail.key("a.jsonl")]


def test_hidden_files_and_folders_are_left_out_and_what_cannot_be_read_is_named(mail):
    mail.drop(".a.jsonl")
    mail.drop("a.docx")
    mail.drop("b.jsonl")
    (mail.folder / "sub").mkdir()
    (mail.folder / "sub.jsonl").mkdir()
    found = mail.scan_sources()
    assert list(found.versions) == [mail.key("b.jsonl")]
    assert set(map(found.shown, found.lines[:2])) == {
        "waiting: mail/a.docx (its format is none that is known)",
        "waiting: mail/sub.jsonl (it is a folder, and sub-folders are not read; put its files beside the others)",
    }


def test_of_very_many_files_that_are_not_taken_the_first_200_are_named_and_the_rest_are_counted(mail):
    mail.drop("a.jsonl")
    for number in range(300):
        (mail.folder / f"{number}.docx").write_text("A report.")
    found = mail.scan_sources()
    assert (len(found.lines), found.lines[200]) == (202, "100 more files are not taken")
    assert not found.reads_on


def test_a_folder_of_other_formats_alone_is_an_obstacle_also_while_files_of_other_sources_wait(mail, tmp_path):
    mail.drop("a.jsonl.part")
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "report.docx").write_text("A report.")
    other = Files(name="other", kind="files", licence="MIT", path=tmp_path / "papers")
    found = scan_sources(mail.storage, [mail.source, other], now=mail.now)
    assert "holds no file of a known format" in found.obstacles["other"]


def test_a_file_that_was_just_written_waits_until_it_rests(mail):
    mail.drop("a.jsonl")
    mail.now = (mail.folder / "a.jsonl").stat().st_mtime
    assert mail.scan_sources(later=1.0).waiting == {mail.key("a.jsonl"): "until nobody writes to it"}
    with (mail.folder / "a.jsonl").open("a") as file:
        file.write(row("More."))
    os.utime(mail.folder / "a.jsonl", (mail.now + 1, mail.now + 1))
    assert mail.scan_sources(later=1.5).versions == {}, "it has changed since the last look"
    assert list(mail.scan_sources(later=1.6).versions) == [mail.key("a.jsonl")]


def test_a_file_from_the_future_waits_for_two_equal_looks_and_not_for_ever(mail):
    mail.drop("a.jsonl")
    os.utime(mail.folder / "a.jsonl", (mail.now + 10**6, mail.now + 10**6))
    assert mail.scan_sources().versions == {}
    assert mail.scan_sources(later=0.1).versions == {}, "two looks at one moment say nothing"
    assert list(mail.scan_sources(later=3).versions) == [mail.key("a.jsonl")]


def test_a_clock_that_is_set_back_makes_no_file_wait_for_ever(mail):
    mail.drop("a.jsonl")
    os.utime(mail.folder / "a.jsonl", (mail.now + 100, mail.now + 100))
    assert mail.scan_sources(later=0).versions == {}
    assert list(mail.scan_sources(later=-5000).versions) == [mail.key("a.jsonl")]


def test_a_renamed_file_stays_its_batch_and_is_read_at_its_new_place(mail):
    mail.drop("a.jsonl")
    before = mail.scan_sources().versions
    (mail.folder / "a.jsonl").rename(mail.folder / "z.jsonl")
    assert mail.scan_sources().versions == before
    assert mail.batch(mail.key("a.jsonl")).name == "z.jsonl"
    assert mail.read(mail.key("a.jsonl")) == ["Because."]


def test_a_renamed_file_that_was_looked_at_is_not_read_again(mail, monkeypatch):
    mail.drop("a.jsonl")
    mail.scan_sources()
    (mail.folder / "a.jsonl").rename(mail.folder / "z.jsonl")
    assert list(mail.scan_sources().versions) == [mail.key("a.jsonl")]
    monkeypatch.setattr(inbox, "_read_on", lambda *_: pytest.fail("was read"))
    assert list(mail.scan_sources().versions) == [mail.key("a.jsonl")]


@pytest.mark.parametrize("name", ["a.jsonl", "b.jsonl"])
def test_a_file_of_the_inode_size_and_time_of_a_removed_one_is_read(mail, name):
    mail.drop("a.jsonl", "Old.")
    old = mail.folder / "a.jsonl"
    os.utime(old, (0, 0))
    [before] = mail.scan_sources().versions.values()
    # Written over and renamed, it has the inode again that a file system would give to another file by chance.
    time.sleep(0.02)
    mail.drop("a.jsonl", "New.")
    os.utime(old, (0, 0))
    old.rename(mail.folder / name)
    found = mail.scan_sources()
    [key] = found.versions.keys() - found.gone
    assert (key, mail.read(key)) == (mail.key(name), ["New."])
    assert found.versions[key] != before


def test_a_registry_that_was_written_with_other_marks_loads_and_costs_one_read_of_each_file(mail, monkeypatch):
    mail.drop("a.jsonl")
    before = mail.scan_sources().versions
    registry = mail.storage.local.folder / "arrivals" / "registry.json"
    stat = (mail.folder / "a.jsonl").stat()
    mark = mail.batch(mail.key("a.jsonl")).place.mark
    registry.write_text(registry.read_text().replace(mark, f"{stat.st_ino}-{stat.st_mtime_ns}"))
    assert mail.scan_sources().versions == before
    assert (mail.batch(mail.key("a.jsonl")).versions, mail.read(mail.key("a.jsonl"))) == (1, ["Because."])
    monkeypatch.setattr(inbox, "_read_on", lambda *_: pytest.fail("was read"))
    assert mail.scan_sources().versions == before


def test_a_file_of_another_format_under_the_same_content_is_another_version(mail):
    mail.drop("a.jsonl")
    before = mail.scan_sources().versions
    (mail.folder / "a.jsonl").rename(mail.folder / "a.txt")
    now = mail.scan_sources().versions
    assert list(now) == list(before)
    assert now != before


def test_a_file_that_is_sent_again_under_another_name_is_a_repeat_and_takes_over_when_the_first_goes(mail):
    mail.drop("a.jsonl")
    before = mail.scan_sources().versions
    mail.drop("again.jsonl")
    found = mail.scan_sources()
    assert (found.versions, found.repeats) == (before, {mail.key("again.jsonl"): mail.key("a.jsonl")})
    (mail.folder / "a.jsonl").unlink()
    found = mail.scan_sources()
    assert (found.versions, found.repeats, found.gone) == (before, {}, [])
    assert mail.batch(mail.key("a.jsonl")).name == "again.jsonl"


def test_a_changed_file_is_a_new_version_of_its_batch_alone(mail):
    mail.drop("a.jsonl")
    mail.drop("b.jsonl", "So.")
    before = mail.scan_sources().versions
    mail.drop("a.jsonl", "Because it is.")
    now = mail.scan_sources().versions
    assert [key for key in before if before[key] != now[key]] == [mail.key("a.jsonl")]
    assert mail.batch(mail.key("a.jsonl")).versions == 2
    assert mail.read(mail.key("a.jsonl")) == ["Because it is."]


def test_touching_a_file_changes_nothing(mail):
    mail.drop("a.jsonl")
    before = mail.scan_sources().versions
    os.utime(mail.folder / "a.jsonl")
    assert mail.scan_sources().versions == before
    assert mail.batch(mail.key("a.jsonl")).versions == 1
    assert mail.read(mail.key("a.jsonl")) == ["Because."]


def test_a_batch_whose_file_vanished_stays_and_says_what_to_do_when_it_must_be_read(mail):
    mail.drop("a.jsonl")
    before = mail.scan_sources().versions
    (mail.folder / "a.jsonl").unlink()
    found = mail.scan_sources()
    assert (found.versions, found.gone) == (before, [mail.key("a.jsonl")])
    with pytest.raises(PassingError, match=f"its file is gone.*fineline forget --batch {mail.key('a.jsonl')}"):
        mail.read(mail.key("a.jsonl"))
    mail.drop("back.jsonl")
    assert (mail.scan_sources().versions, mail.batch(mail.key("a.jsonl")).state) == (before, "there")


def test_a_file_that_vanished_before_anything_was_made_of_it_is_no_batch(mail):
    mail.stores = False
    mail.drop("a.jsonl")
    mail.scan_sources()
    (mail.folder / "a.jsonl").unlink()
    assert mail.scan_sources().versions == {}


def test_a_folder_that_is_not_mounted_loses_nothing(mail):
    mail.drop("a.jsonl")
    before = mail.scan_sources().versions
    mail.folder.rename(mail.folder.with_name("elsewhere"))
    found = mail.scan_sources()
    assert (found.versions, found.gone) == (before, [mail.key("a.jsonl")])
    assert "there is nothing at" in found.obstacles["mail"]
    require_batches(found)
    mail.folder.with_name("elsewhere").rename(mail.folder)
    found = mail.scan_sources()
    assert (found.versions, found.gone, found.obstacles) == (before, [], {})


def test_a_new_file_under_the_name_of_a_renamed_one_gets_a_key_of_its_own(mail):
    mail.drop("a.jsonl")
    mail.scan_sources()
    (mail.folder / "a.jsonl").rename(mail.folder / "z.jsonl")
    mail.scan_sources()
    mail.drop("a.jsonl", "So.")
    [new] = set(mail.scan_sources().versions) - {mail.key("a.jsonl")}
    assert KEY.fullmatch(new)
    assert (mail.read(new), mail.read(mail.key("a.jsonl"))) == (["So."], ["Because."])


def test_no_new_batch_takes_the_key_of_another_however_often_names_are_used_again(mail):
    for n in range(4):
        mail.drop("a.jsonl")
        mail.scan_sources()
        (mail.folder / "a.jsonl").rename(mail.folder / f"{n}.jsonl")
        mail.scan_sources()
        mail.drop(f"{n}.jsonl", f"Changed {n}.")
        found = mail.scan_sources()
    assert len(found.versions) == 4
    assert {mail.read(key)[0] for key in found.versions} == {f"Changed {n}." for n in range(4)}
