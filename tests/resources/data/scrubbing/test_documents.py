import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.records import record, records

from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.scrubbing.documents import Fragment, is_json, read, rewrite
from fineline.resources.data.scrubbing.scrubber import Scrubber

EMAIL = "greta.holm@example.org"
KEY = PseudonymKey(b"a key for tests, 32 bytes of it.")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.text(max_size=6), VALUES, max_size=4) | st.lists(VALUES, max_size=4)
# What stands around an address in code, Markdown and text; each ends where an address cannot go on.
AROUND = st.sampled_from(
    [
        "```python\nprint('caf\u00e9')  # \t\n```\n",
        "[docs](https://example.com/a%20b?x=1&y=[2]#top) ",
        "![img](data:image/png;base64,iVBORw0KGgo=)\r\n",
        "| a | b |\n|---|---|\n| `x` | **y** |\n",
        "for url in ['https://a.example.net/v1/items']:\n\tfetch(url)\n",
        "\u202bעברית\u202c 👩‍👩‍👧 \u200b",
        '<a href="https://example.com/?q=1">x</a> ',
        "    if a[0] != b['c'] and x**2 >= 3.14: pass\n",
        "$x^2 + \\frac{1}{2}$\n\n> quoted\n\n---\n",
    ]
)


@pytest.fixture(scope="module")
def scrubber() -> Iterator[Scrubber]:
    with Scrubber(Scrub(entities=["EMAIL_ADDRESS", "SECRET"], workers=1), key=KEY) as scrubber:
        yield scrubber


def completion(scrubber: Scrubber, text: str) -> str:
    return str(scrubber.scrub(records(record(text))).records["completion"][0][0]["content"])


@settings(max_examples=25, deadline=None)
@given(before=st.lists(AROUND, max_size=4), after=st.lists(AROUND, max_size=4))
def test_code_markdown_and_urls_around_what_is_replaced_stay_byte_for_byte(
    scrubber: Scrubber, before: list[str], after: list[str]
) -> None:
    start, end = "".join(before), "".join(["\n", *after])
    assert completion(scrubber, f"{start}{EMAIL}{end}") == f"{start}<EMAIL_ADDRESS>{end}"


@settings(max_examples=40, deadline=None)
@given(
    document=DOCUMENTS,
    indent=st.sampled_from([None, 1]),
    escaped=st.booleans(),
    frame=st.sampled_from(["{}", "Now:\n<tool_call>\n{}\n</tool_call>", "So:\n\n```json\n{}\n```\nDone."]),
)
def test_json_in_a_message_stays_valid_json(
    scrubber: Scrubber, document: object, indent: int | None, escaped: bool, frame: str
) -> None:
    # In JSON a line end is \n, and \ngreta.holm@example.org an address to who does not read it as JSON.
    whole = {"to": EMAIL, "all": [document, f'"hi"\n{EMAIL}'], EMAIL: 1}
    text = json.dumps(whole, indent=indent, ensure_ascii=escaped).encode(errors="replace").decode()
    expected = json.loads(text)
    cleaned = completion(scrubber, frame.format(text))
    before, _, after = frame.partition("{}")
    assert cleaned.startswith(before)
    assert cleaned.endswith(after)
    left = json.loads(cleaned[len(before) : len(cleaned) - len(after)])
    assert left["to"] == "<EMAIL_ADDRESS>"
    assert left["all"] == [expected["all"][0], '"hi"\n<EMAIL_ADDRESS>']
    assert EMAIL not in left
    assert len(left) == len(expected)


@given(DOCUMENTS)
def test_a_document_in_which_nothing_is_found_stays_byte_for_byte(document: object) -> None:
    text = json.dumps(document, ensure_ascii=False).encode(errors="replace").decode()
    row = record("Yes.", metadata=text, tools=text)
    assert rewrite(row, lambda fragment: fragment.text, lambda kind, name: name) == row


def test_a_value_is_read_with_the_key_that_it_stands_under() -> None:
    metadata = (
        '{"a": {"author": "Jane", "n": [1, "x", {"deep": "y"}, "z"]}, "b": "w", "name": "tool", "c": {}, "d": ["v"]}'
    )
    fragments, _ = read([record("Yes.", metadata=metadata)])
    assert [fragment for fragment in fragments if fragment.context] == [
        Fragment("Jane", "author: "),
        Fragment("x", "n: "),
        Fragment("y", "deep: "),
        Fragment("z", "n: "),
        Fragment("w", "b: "),
        Fragment("v", "d: "),
    ]


def test_what_is_found_in_a_key_that_gives_context_does_not_touch_the_value(scrubber: Scrubber) -> None:
    metadata = json.dumps({EMAIL: "plain", "password": "kX9mQ2vLp7"})
    left = json.loads(scrubber.scrub(records(record("Yes.", metadata=metadata))).records["metadata"][0])
    assert list(left.values()) == ["plain", "<SECRET>"]


@pytest.mark.parametrize("text", ["", "{", "{not json}", "[1, 2] and more", "12", '"text"', "[" * 100_000])
def test_what_is_not_json_as_a_whole_is_text(text: str) -> None:
    assert not is_json(text)
