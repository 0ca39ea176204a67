import json

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fineline.resources.forgetting.texts import BLANK, blanked, fold, says_any, strings

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
    assert says_any(said, ["i am margaret"]).all()
    assert says_any(said, ["door"]).all()
    assert says_any(said, ["chat"]).all()
    assert not says_any(said, ["margaret thompson"]).any()
    assert not says_any(said, ["7"]).any()


@pytest.mark.parametrize("ensure_ascii", [True, False])
@pytest.mark.parametrize("text", ["Zoë\nMüller", 'Zoë "Müller"', "Zoë \U0001f600 Müller", "Zoë\\Müller", "张伟\t李"])
def test_what_is_escaped_in_json_is_seen(text, ensure_ascii):
    said = pl.Series([json.dumps({"k": text}, ensure_ascii=ensure_ascii), "nothing of it"])
    assert says_any(said, fold([text])).to_list() == [True, False]


@given(WORDS, st.lists(WORDS, min_size=1, max_size=3))
@example("Ｔhompson", ["thompson"])
@example("a\\u0062c", ["abc"])
def test_the_quick_look_overlooks_nothing(said, texts):
    needles = [needle for needle in fold(texts) if needle]
    stands = any(needle in fold([said])[0] for needle in needles)
    assert says_any(pl.Series([said]), needles).item() or not stands


def test_a_null_says_nothing():
    assert says_any(pl.Series([None, "x"], dtype=pl.String), ["x"]).to_list() == [False, True]


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
