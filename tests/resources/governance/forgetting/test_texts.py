import hashlib
import json
import time

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fineline.resources.governance.forgetting.texts import BLANK, blanked, contains_any, fold, strings, unescaped

WORDS = st.text(alphabet="abcABCéßΣ张 \n\"\\'.,-_1ﬁ", max_size=30)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Margaret Thompson", "margaret\n  THOMPSON"),
        ("Margaret Thompson", "**Margaret** Thompson's"),
        ("margaret.thompson@example.org", "Margaret Thompson"),
        ("margaret_thompson", "Margaret Thompson"),
        ("Ｍargaret Thompson", "Margaret Thompson"),
        ("STRASSE 5", "Straße 5"),
        ("我是张伟。", "张伟"),
    ],
)
def test_form_and_case_make_no_difference(one, other):
    longer, shorter = sorted(fold([one, other]), key=len, reverse=True)
    assert shorter in longer


def test_strings_of_lists_and_structs_are_said_and_none_across_two_of_them():
    rows = pl.DataFrame(
        {
            "prompt": [[{"role": "user", "content": "I am Margaret"}, {"role": "user", "content": "Thompson"}]],
            "labels": [[["red"], ["door"]]],
            "kind": pl.Series(["chat"], dtype=pl.Enum(["chat"])),
            "number": [7],
            "nothing": [None],
        }
    )
    said = strings(rows)
    assert contains_any(said, ["i am margaret"]).all()
    assert contains_any(said, ["door"]).all()
    assert contains_any(said, ["chat"]).all()
    assert not contains_any(said, ["margaret thompson"]).any()
    assert not contains_any(said, ["7"]).any()


@pytest.mark.parametrize("ensure_ascii", [True, False])
@pytest.mark.parametrize("text", ["Zoë\nMüller", 'Zoë "Müller"', "Zoë \U0001f600 Müller", "Zoë\\Müller", "张伟\t李"])
def test_what_is_escaped_in_json_is_seen(text, ensure_ascii):
    said = pl.Series([json.dumps({"k": text}, ensure_ascii=ensure_ascii), "nothing of it"])
    assert contains_any(said, fold([text])).to_list() == [True, False]


@given(WORDS, st.lists(WORDS, min_size=1, max_size=3))
@example("Ｔhompson", ["thompson"])
@example("a\\u0062c", ["abc"])
def test_the_quick_look_overlooks_nothing(said, texts):
    needles = [needle for needle in fold(texts) if needle]
    stands = any(needle in fold([said])[0] for needle in needles)
    assert contains_any(pl.Series([said]), needles).item() or not stands


IDS = st.sampled_from([*(hashlib.sha256(text).hexdigest()[:32] for text in (b"a", b"b", b"c")), "f" * 32])
AROUND = st.text(alphabet='0fF1 |"\\né张', max_size=3)


@given(st.lists(IDS, max_size=2), st.lists(st.tuples(AROUND, IDS, AROUND), max_size=2), st.booleans(), st.booleans())
@example(["0" * 32], [("a", "0" * 32, "b")], False, False)
@example(["0" * 32], [("\\u0030", "0" * 31, "é")], False, False)
def test_record_ids_are_found_as_any_other_text_is(ids, parts, upper, escaped):
    said = "".join(before + name + after for before, name, after in parts)
    said = said.upper() if upper else said
    said = json.dumps(said) if escaped else said
    needles = [*ids, "é é"]
    forms = fold([said, unescaped(pl.Series([said])).item()])
    assert contains_any(pl.Series([said]), needles).item() == any(each in form for each in needles for form in forms)


def test_many_record_ids_make_a_short_string_no_slower_to_look_at():
    ids = [hashlib.sha256(str(number).encode()).hexdigest()[:32] for number in range(15_000)]
    started = time.process_time()
    assert not any(contains_any(pl.Series([f"an ordinary message {number}"]), ids).any() for number in range(20))
    assert time.process_time() - started < 1


def test_a_null_says_nothing():
    assert contains_any(pl.Series([None, "x"], dtype=pl.String), ["x"]).to_list() == [False, True]


def test_only_the_lines_that_say_it_go_and_what_identifies_stays():
    table = "| id | text |\n| 1 | by Margaret Thompson |\n| 2 | by nobody |"
    value = {"md_str": table, "text": "Margaret Thompson", "partition": "Margaret Thompson", "n": [1, None]}
    assert blanked(value, ["margaret thompson"]) == {
        "md_str": "| id | text |\n| 2 | by nobody |",
        "text": BLANK,
        "partition": "Margaret Thompson",
        "n": [1, None],
    }


def test_a_text_over_two_lines_goes_as_a_whole():
    assert blanked("one\nMargaret\nThompson\ntwo", ["margaret thompson"]) == BLANK
