import json
import stat

import pytest

from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.forgetting.request import ForgettingError, Request, finish, key_of, load, put

PERSON = "Margaret Thompson"


@pytest.fixture
def storage(tmp_path):
    return Storage(tmp_path / "root")


def request(**values):
    return Request(**{"request_id": "R-17", "reason": "erasure request", "texts": [PERSON], **values})


def test_a_request_is_read_as_it_was_put_and_only_its_owner_may_read_it(storage):
    put(storage, request())
    assert load(storage, "R-17") == request()
    path = storage.local.path(key_of("R-17"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"reason": "asked by margaret  THOMPSON herself"}, "the reason or the request id contains"),
        ({"request_id": "margaret-thompson"}, "the reason or the request id contains"),
        ({"request_id": "../R-17"}, "at most 64 letters"),
        ({"request_id": "R-17\n"}, "at most 64 letters"),
        ({"reason": " "}, "a reason of at most"),
        ({"texts": ["--- !"]}, "no letter and no digit"),
        ({"texts": []}, "names either records, or texts"),
        ({"source": "docs"}, "names either records, or texts"),
        ({"texts": [], "records": ["abc"]}, "32 hexadecimal digits"),
        ({"texts": [], "records": [f"{'0' * 32}\n"]}, "32 hexadecimal digits"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_without_the_text(storage, values, message):
    with pytest.raises(ForgettingError, match=message) as refused:
        put(storage, request(**values))
    assert PERSON not in str(refused.value)
    assert not storage.local.folder.exists()


def test_an_id_is_of_one_request(storage):
    put(storage, request())
    put(storage, request())
    with pytest.raises(ForgettingError, match="another request R-17 waits"):
        put(storage, request(texts=["Somebody Else"]))


def test_a_file_that_is_no_request_is_told_by_the_names_of_its_keys_alone(storage):
    path = storage.local.path(key_of("R-17"))
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"request_id": "R-17", "reason": "x", "texts": PERSON}))
    with pytest.raises(ForgettingError, match="look at: texts") as refused:
        load(storage, "R-17")
    assert PERSON not in str(refused.value)
    with pytest.raises(ForgettingError, match="no request R-18 waits"):
        load(storage, "R-18")


@pytest.mark.outcome(
    "forgetting", "what a request names is looked for after it was carried out", "it is nowhere; a keyed hash is left"
)
def test_a_finished_request_leaves_nothing_not_even_of_an_interrupted_write(storage):
    put(storage, request())
    folder = storage.local.path(key_of("R-17")).parent
    for name in ("R-17.plan", "R-17.journal", ".R-17.json.0a1b", ".R-17.plan.0a1b"):
        (folder / name).write_text(PERSON)
    (folder / "R-18.json").write_text("other")
    finish(storage, "R-17")
    assert [path.name for path in folder.iterdir()] == ["R-18.json"]


def test_what_was_asked_is_told_by_a_keyed_hash_that_form_and_order_do_not_change():
    key = PseudonymKey(b"0" * 32)
    asked = request(texts=["Ada", PERSON]).asked(key)
    assert asked == request(texts=["margaret thompson", "ADA"]).asked(key)
    assert asked != request(texts=["Ada"]).asked(key)
    assert asked != request(texts=["Ada", PERSON]).asked(PseudonymKey(b"1" * 32))
