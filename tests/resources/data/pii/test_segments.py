import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineline.resources.data.pii.segments import cut

SENTENCE = "The house on the hill was sold to a friend of the family in spring. "


@given(st.text(alphabet="ab .\n`", max_size=300), st.integers(5, 400))
def test_segments_join_to_the_text_and_are_short(text: str, limit: int) -> None:
    segments = cut(text, limit)
    assert "".join(segments) == text
    assert max(map(len, segments)) <= limit or text == ""


def test_a_long_line_is_cut_into_sentences() -> None:
    assert cut(SENTENCE * 3) == [SENTENCE] * 3


def test_a_long_line_is_apart_from_the_lines_before_and_after() -> None:
    assert cut("Question 1?\n" + SENTENCE * 3 + "\nAnswer:\n")[0] == "Question 1?\n"


@pytest.mark.parametrize("name", ["Dr. Adaeze Okafor", "John F. Kennedy", "Prof. Lindqvist", "St. John Rivers"])
def test_a_name_is_not_cut_in_two(name: str) -> None:
    text = f"{SENTENCE}It was shown to {name} and to others of the club. {SENTENCE}"
    assert any(name in segment for segment in cut(text))
    assert len(cut(text)) == 3


def test_an_address_on_several_lines_stays_together() -> None:
    address = "Greta Holm\n12 Elm Road\nApt. 4\nSpringfield, IL 62701\n"
    assert address in cut(SENTENCE * 2 + "\n" + address)


def test_wrapped_prose_is_not_cut_within_a_sentence() -> None:
    text = "This line of a wrapped paragraph ends in the middle of the name of Jane\nDoe, who wrote it.\n" * 2
    assert all("Jane\nDoe" in segment for segment in cut(text))


def test_a_fenced_block_of_code_is_one_segment() -> None:
    block = "```python\n# It ends here.\nx = 1\n# And here too.\ny = 2\n```"
    assert block in cut(SENTENCE * 2 + "\n" + block + "\n" + SENTENCE * 2)
