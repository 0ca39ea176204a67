import json
import re
import traceback

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.records import record, records
from support.traced_storage import BROKEN, FIRST, KEPT, SECOND, SIMILAR, fill

from fineline.resources.core.storage.disk import DiskRoot
from fineline.resources.core.storage.files import StorageError
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.accounting import mentions as module
from fineline.resources.governance.accounting.mentions import mentions


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    storage = Storage(tmp_path_factory.mktemp("mentions"))
    fill(storage)
    manifests = [storage.require("raw_corpus", batch) for batch in (FIRST, SECOND)]
    return storage.root, *([storage.key(manifest, role) for manifest in manifests] for role in ("data", "quarantine"))


def ids(corpus, text):
    return set(mentions(*corpus, text)["record_id"])


def test_case_punctuation_and_line_ends_make_no_difference(corpus):
    assert ids(corpus, "LOVELACE I") == {KEPT["record_id"]}
    assert ids(corpus, "lovelace; and,\ni") == {SIMILAR["record_id"]}


def test_a_text_may_end_within_a_word_but_words_must_follow_one_another(corpus):
    assert ids(corpus, "da lovel") == {KEPT["record_id"], SIMILAR["record_id"]}
    assert ids(corpus, "Ada numbers") == set()
    assert ids(corpus, "AdaLovelace") == set()
    assert ids(corpus, "Ada Love lace") == set()


def test_metadata_are_searched(corpus):
    assert ids(corpus, "grace hopper") == {SIMILAR["record_id"]}


def test_rows_in_quarantine_are_searched_also_across_an_escaped_line_end(corpus):
    assert ids(corpus, "Jean Bartik") == {BROKEN["record_id"]}


def test_a_text_without_letters_and_digits_is_refused(corpus):
    with pytest.raises(StorageError, match="needs letters or digits"):
        mentions(*corpus, " … ")


@pytest.mark.parametrize(("said", "text"), [("Zoë Müller", "zoë mÜLLER"), ("Ａｄａ", "Ａｄａ"), ("Ada", "Ａｄａ")])
def test_letters_of_other_alphabets_and_widths_are_found(tmp_path, said, text):
    assert mentions(DiskRoot(tmp_path), [written(tmp_path, [said])], [], text).height == 1


LONG = " ".join(f"Wört{number}" for number in range(600))


@pytest.mark.parametrize(
    "text", [LONG, f"ﬁne {LONG}", LONG.replace(" ", "")], ids=["words", "with a ligature", "one word"]
)
def test_a_long_text_is_found_where_all_of_it_is_said(tmp_path, text):
    cut, other = text[: len(text) // 2], text[:-7] + "another"
    path = written(tmp_path, [f"“{text.upper()}”!", cut, other, text.replace(" ", "\n* "), f"and then {text}, he said"])
    assert mentions(DiskRoot(tmp_path), [path], [], text)["batch"].to_list() == ["0", "3", "4"]


def test_a_long_text_is_found_in_quarantine_where_it_is_escaped(tmp_path):
    said = [json.dumps({"text": each}, ensure_ascii=False) for each in (LONG.replace(" ", "\n"), LONG[:-1])]
    pl.DataFrame({"record_id": ["a", "b"], "batch": ["0", "1"], "record": said}).write_parquet(tmp_path / "q.parquet")
    assert mentions(DiskRoot(tmp_path), [], ["q.parquet"], LONG)["batch"].to_list() == ["0"]


@pytest.mark.parametrize("text", ["Ada Lovelace", LONG], ids=["short", "long"])
def test_a_table_that_cannot_be_read_is_told_without_the_text(tmp_path, text):
    path = written(tmp_path, [text])
    pl.read_parquet(tmp_path / path).drop("group").write_parquet(tmp_path / path)
    with pytest.raises(StorageError, match="cannot be read") as refused:
        mentions(DiskRoot(tmp_path), [path], [], text)
    assert not re.search("ada|wört", "".join(traceback.format_exception(refused.value)).lower())


LETTERS = st.text("aAbBéÉ9 .,\n_-(", max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(LETTERS, min_size=1, max_size=20), text=LETTERS)
@pytest.mark.parametrize("limits", [(40, 1_000), (2, 4)], ids=["short", "longer than a pattern"])
def test_found_is_what_has_the_words_in_order(tmp_path, monkeypatch, limits, said, text):
    monkeypatch.setattr(module, "_WORDS_OF_PATTERN", limits[0])
    monkeypatch.setattr(module, "_LETTERS_OF_PATTERN", limits[1])
    wanted = " ".join(words(text))
    if not wanted:
        return
    path = written(tmp_path, said)
    expected = [number for number, each in enumerate(said) if wanted in " ".join(words(each))]
    found = mentions(DiskRoot(tmp_path), [path], [], text)["batch"].to_list()
    assert found == [str(number) for number in expected]


def words(text):
    return "".join(char if char.isalnum() else " " for char in text.lower()).split()


def written(folder, texts):
    rows = [record(text, question="?", batch=str(number)) for number, text in enumerate(texts)]
    records(*rows).write_parquet(folder / "rows.parquet")
    return "rows.parquet"
