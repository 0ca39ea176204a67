import itertools

from hypothesis import given
from hypothesis import strategies as st

from fineline.resources.data.formats.sections import MAXIMUM_CHARACTERS, MINIMUM_CHARACTERS, sections

LINES = st.sampled_from(["# Title", "Title", "=====", "-----", "```", "", "word", "x" * 70, "a b " * 1200, "y" * 5000])
DOCUMENTS = st.lists(LINES, max_size=30).map("\n".join) | st.text()
BODY = "A sentence that says something at some length. " * 4


@given(DOCUMENTS)
def test_no_section_is_longer_than_the_maximum(text):
    assert all(0 < len(section) <= MAXIMUM_CHARACTERS for section in sections(text))


@given(DOCUMENTS)
def test_sections_hold_all_of_the_text_in_order(text):
    assert "".join("".join(sections(text)).split()) == "".join(text.split())


@given(DOCUMENTS)
def test_short_sections_stay_only_where_they_fit_nowhere(text):
    found = sections(text)
    for first, second in itertools.pairwise(found):
        if len(first) < MINIMUM_CHARACTERS:
            assert len(first) + len(second) + 2 > MAXIMUM_CHARACTERS


def test_markdown_is_cut_at_its_headings():
    assert sections(f"# One\n\n{BODY}\n\n## Two\n\n{BODY}") == [
        f"# One\n\n{BODY.strip()}",
        f"## Two\n\n{BODY.strip()}",
    ]


def test_restructured_text_is_cut_at_underlined_titles_and_keeps_overlines():
    text = f"{BODY}\n\n=====\nOne\n=====\n\n{BODY}\n\nTwo\n---\n\n{BODY}"
    assert [section.split("\n")[:2] for section in sections(text)][1:] == [["=====", "One"], ["Two", "---"]]


def test_a_comment_in_a_code_block_is_no_heading():
    text = f"# One\n\n{BODY}\n\n```bash\n# install it\npip install it\n```\n\n{BODY}"
    assert len(sections(text)) == 1


def test_a_rule_between_paragraphs_is_no_heading():
    assert len(sections(f"{BODY}\n\n---\n\n{BODY}")) == 1


def test_long_sections_are_cut_between_paragraphs():
    paragraph = "word " * 300
    found = sections("\n\n".join([paragraph] * 6))
    assert [section.count("\n\n") for section in found] == [1, 1, 1]


def test_paragraphs_are_cut_before_lines_are():
    paragraph = "\n".join(["word " * 12] * 25)
    assert len({len(section) for section in sections("\n\n".join([paragraph] * 6))}) == 1


def test_no_cut_leaves_a_scrap_behind():
    assert [len(section) for section in sections("A short line.\n\n" + "y" * 5000)] == [4000, 1015]


def test_white_space_has_no_sections():
    assert sections(" \n\n\t\n") == []
