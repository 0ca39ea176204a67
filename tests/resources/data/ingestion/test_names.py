"""The names of batches stand in the registry alone, and can be blanked there."""

import json

import pytest
from support.mailbox import Inbox
from support.reading import read_parts

from fineline.resources.core.recipe.sources import Files
from fineline.resources.data.formats.rows import PassingError, SourceError
from fineline.resources.data.ingestion import scan
from fineline.resources.data.ingestion.batches import arrived, blank, find_key, versions_of, with_names, withdraw
from fineline.resources.data.ingestion.registry import KEY, name_hash, registry_of

PERSON = "anna-schmidt.jsonl"


@pytest.fixture
def mail(tmp_path):
    mail = Inbox(tmp_path)
    mail.drop(PERSON)
    mail.scan_sources()
    return mail


def registry_text(mail):
    return (mail.storage.local.folder / "arrivals" / "registry.json").read_text()


def test_a_key_is_a_keyed_hash_that_tells_nothing_of_the_name(mail, tmp_path):
    [key] = mail.scan_sources().versions
    assert KEY.fullmatch(key)
    (tmp_path / "other").mkdir()
    other = Inbox(tmp_path / "other")
    other.drop(PERSON)
    assert list(other.scan_sources().versions) != [key], "under another pseudonym key"


def test_people_see_the_name_and_may_give_it(mail):
    key = mail.key(PERSON)
    assert with_names(mail.storage, f"raw_corpus[{key}]: not made yet") == f"raw_corpus[mail/{PERSON}]: not made yet"
    assert find_key(mail.storage, f"mail/{PERSON}") == key == find_key(mail.storage, key)
    assert find_key(mail.storage, "mail/nothing.jsonl") == "mail/nothing.jsonl"
    (mail.folder / PERSON).rename(mail.folder / "a.jsonl")
    mail.scan_sources()
    assert registry_of(mail.storage).name_of(key) == "mail/a.jsonl", "the name that it has now"


def test_a_file_that_waits_or_repeats_is_shown_by_its_name_and_noted_by_its_key(mail):
    mail.drop("again.jsonl")
    mail.drop("new.jsonl.part")
    found = mail.scan_sources()
    assert "jsonl" not in ". ".join(found.notes)
    assert found.shown(". ".join(found.notes)) == (
        f"1 waiting: mail/new.jsonl.part (until it is renamed). 1 repeats: mail/again.jsonl (of mail/{PERSON})"
    )


def test_nothing_that_is_stored_of_a_batch_says_its_name(mail):
    key = mail.key(PERSON)
    mail.drop("note.txt", "A note.")
    mail.scan_sources()
    for name in (PERSON, "note.txt"):
        parts = read_parts(mail.source, mail.key(name), arrived(mail.storage, mail.source, mail.key(name)))
        assert not any("anna" in part.records.write_json() or "note.txt" in part.records.write_json() for part in parts)
    (mail.folder / PERSON).unlink()
    with pytest.raises(SourceError) as gone:
        list(read_parts(mail.source, key, arrived(mail.storage, mail.source, key)))
    assert "anna" not in str(gone.value)
    assert key in str(gone.value)


def test_a_blanked_name_is_nowhere_and_its_batch_is_read_as_before(mail):
    key, before = mail.key(PERSON), mail.scan_sources().versions
    blank(mail.storage, [key])
    assert "anna" not in registry_text(mail)
    found = mail.scan_sources()
    assert found.versions == before
    assert "anna" not in registry_text(mail), "also after its file was seen again"
    assert found.shown(key) == key == with_names(mail.storage, key)
    assert mail.read(key) == ["Because."]
    assert find_key(mail.storage, f"mail/{PERSON}") == key, "for a person who knows the name"
    mail.drop(PERSON, "So.")
    assert mail.scan_sources().versions.keys() == before.keys()
    assert "anna" not in registry_text(mail), "also with other content"
    assert mail.read(key) == ["So."]
    (mail.folder / PERSON).unlink()
    mail.scan_sources()
    with pytest.raises(PassingError, match="its file is gone"):
        mail.read(key)
    mail.drop(PERSON, "So.")
    mail.scan_sources()
    assert "anna" not in registry_text(mail), "also after it was away"
    (mail.folder / PERSON).rename(mail.folder / "letters.jsonl")
    mail.scan_sources()
    assert with_names(mail.storage, key) == "mail/letters.jsonl", "a name that nobody blanked"


def test_a_blanked_batch_that_was_withdrawn_has_a_name_again_when_other_content_comes_in_its_place(mail):
    key = mail.key(PERSON)
    withdraw(mail.storage, [key])
    blank(mail.storage, [key])
    assert mail.scan_sources().versions == {}
    (mail.folder / PERSON).rename(mail.folder / "letters.jsonl")
    assert mail.scan_sources().versions == {}
    assert "letters" not in registry_text(mail)
    mail.drop("letters.jsonl", "Other.")
    assert list(mail.scan_sources().versions) == [key]
    assert with_names(mail.storage, key) == "mail/letters.jsonl"


def test_batches_keep_their_keys_under_another_pseudonym_key(mail, monkeypatch):
    before = mail.scan_sources().versions
    monkeypatch.setenv("FINELINE_PSEUDONYM_KEY", "another" * 8)
    assert mail.scan_sources().versions == before
    assert mail.read(*before) == ["Because."]


def test_two_names_of_one_key_are_two_batches(mail, monkeypatch):
    monkeypatch.setattr(scan, "name_hash", lambda *given: "0" * 12 + name_hash(*given)[12:])
    mail.drop("b.jsonl", "So.")
    source = Files(name="many", kind="files", licence="MIT", path=mail.folder)
    mail.source = source
    mail.scan_sources()
    assert len(versions_of(registry_of(mail.storage), [source])) == 2


def test_a_name_with_quotes_and_line_breaks_is_stored_and_shown(mail):
    mail.drop('a "b"\n.jsonl', "So.")
    found = mail.scan_sources()
    assert 'mail/a "b" .jsonl' in {found.shown(key) for key in found.versions}
    assert json.loads(registry_text(mail))
