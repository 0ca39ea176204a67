import importlib.metadata
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from support.records import record, records

from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.pii import cache, detector
from fineline.resources.data.pii.cache import FILE, FindingsCache
from fineline.resources.data.pii.detector import Detector
from fineline.resources.data.pii.errors import ScrubError
from fineline.resources.data.pii.spans import Span
from fineline.resources.data.scrubbing.scrubber import Scrubber

SECTION = Scrub(workers=1, entities=["EMAIL_ADDRESS"])
TEXT = "Write to greta.holm@example.org."
FOUND = [Span(9, 31, "EMAIL_ADDRESS", 1.0)]


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(section: Scrub) -> None:
        raise AssertionError("a text was analysed again")

    monkeypatch.setattr(detector, "build_finder", refuse)


def cached(folder: Path, section: Scrub = SECTION, text: str = TEXT) -> list[Span] | None:
    with closing(FindingsCache(section, folder)) as opened:
        return opened.get([text], "text").get(text)


def store(folder: Path, *texts: str) -> None:
    with closing(FindingsCache(SECTION, folder)) as opened:
        opened.put(dict.fromkeys(texts or (TEXT,), FOUND), "text")


def test_findings_are_known_to_a_later_run(tmp_path: Path) -> None:
    assert cached(tmp_path) is None
    store(tmp_path)
    assert cached(tmp_path) == FOUND


def test_a_second_scrub_of_the_same_records_analyses_nothing(tmp_path: Path, monkeypatch) -> None:
    frame = records(*(record(f"{TEXT} Number {number}. {'More of the same. ' * 20}") for number in range(4)))
    with Scrubber(SECTION, cache=tmp_path) as first:
        once = first.scrub(frame)
    monkeypatch.setattr(detector, "build_finder", None)
    with Scrubber(SECTION, cache=tmp_path) as second:
        again = second.scrub(frame)
    assert again.records.equals(once.records)
    assert again.entities.equals(once.entities)
    assert "example.org" not in str(again.records.rows())


def test_canaries_are_analysed_also_where_they_are_cached(tmp_path: Path, no_engine: None) -> None:
    store(tmp_path)
    with Scrubber(SECTION, cache=tmp_path) as scrubber, pytest.raises(AssertionError, match="analysed again"):
        scrubber.scrub(records(record(TEXT)), measuring=True)


@pytest.mark.parametrize(
    "other",
    [
        {"entities": ["EMAIL_ADDRESS", "IBAN_CODE"]},
        {"score_threshold": 0.5},
        {"ner": "spacy"},
        {"spacy_model": "another"},
    ],
)
def test_another_setting_sees_none_of_the_finds(tmp_path: Path, other: dict[str, object]) -> None:
    store(tmp_path)
    assert cached(tmp_path, SECTION.model_copy(update=other)) is None


def test_settings_that_decide_nothing_see_the_finds(tmp_path: Path) -> None:
    store(tmp_path)
    assert cached(tmp_path, SECTION.model_copy(update={"workers": 8, "minimum_recall": 0.1})) == FOUND


def test_another_version_of_the_finder_sees_none_of_the_finds(tmp_path: Path, monkeypatch) -> None:
    store(tmp_path)
    monkeypatch.setattr(cache, "VERSION", "another")
    assert cached(tmp_path) is None


@pytest.mark.parametrize("package", ["spacy", "faker", "tokenizers"])
def test_another_version_of_a_package_sees_none_of_the_finds(tmp_path: Path, monkeypatch, package: str) -> None:
    store(tmp_path)
    version = importlib.metadata.version
    monkeypatch.setattr(
        cache.importlib.metadata, "version", lambda name: "another" if name == package else version(name)
    )
    assert cached(tmp_path) is None


def test_a_text_a_segment_and_an_identifier_are_told_apart() -> None:
    with closing(FindingsCache(SECTION)) as opened:
        for kind in ("text", "segment", "identifier"):
            assert opened.get([TEXT], kind) == {}
            opened.put({TEXT: FOUND}, kind)


def test_nothing_readable_is_stored(tmp_path: Path) -> None:
    with closing(Detector(SECTION, tmp_path)) as detector:
        detector.detect([TEXT], ["greta.holm@example.org"])
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"EMAIL_ADDRESS" in stored
    assert not [word for word in (b"greta", b"holm", b"example", b"Write") if word in stored]


def test_what_was_not_used_for_longest_is_deleted_first(tmp_path: Path, monkeypatch) -> None:
    store(tmp_path, "one", "two")
    later = time.time() + 3 * 86_400
    monkeypatch.setattr(cache.time, "time", lambda: later)
    assert cached(tmp_path, text="two") == FOUND
    monkeypatch.setattr(cache, "MAXIMUM_ROWS", 2)
    store(tmp_path, "three")
    assert [cached(tmp_path, text=text) is None for text in ("one", "two", "three")] == [True, False, False]


def test_two_processes_may_use_one_cache(tmp_path: Path) -> None:
    first, second = FindingsCache(SECTION, tmp_path), FindingsCache(SECTION, tmp_path)
    first.put({"one": FOUND}, "text")
    second.put({"two": FOUND, "one": FOUND}, "text")
    assert first.get(["one", "two"], "text") == {"one": FOUND, "two": FOUND}
    first.close()
    second.close()


def test_finds_of_a_batch_that_was_not_finished_are_not_there(tmp_path: Path) -> None:
    store(tmp_path)
    broken = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    broken.execute("BEGIN IMMEDIATE")
    broken.execute("DELETE FROM found")
    broken.close()
    assert cached(tmp_path) == FOUND


def test_a_file_that_is_no_cache_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not a database " * 100)
    with pytest.raises(ScrubError, match=f"{FILE} cannot be read.*Delete it"):
        FindingsCache(SECTION, tmp_path)
