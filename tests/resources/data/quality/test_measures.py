from typing import Any

import polars as pl
import pytest

from fineline.resources.data.quality.measures import by_lines, by_words, is_truncated

TEXT = pl.col("text")


def measured(text: str) -> dict[str, Any]:
    return pl.DataFrame({"text": [text]}).select(**by_words(TEXT), **by_lines(TEXT)).row(0, named=True)


def test_words_are_counted_in_scripts_without_spaces():
    assert measured("two words")["words"] == 2
    found = measured("春天的花园 is spring")
    assert (found["words"], found["mean_word_length"]) == (7, pytest.approx(13 / 7))


def test_stop_words_are_counted_once_each():
    assert measured("The cat, the dog AND the bird have to go.")["stop_words"] == 4


def test_lines_are_counted_by_kind():
    found = measured("- a point\n\nIt ends here.\nand this goes on for more than thirty characters\nWait...")
    assert found["bullet_line_share"] == 0.25
    assert found["ellipsis_line_share"] == 0.25
    assert found["punctuated_line_share"] == 0.5
    assert found["short_line_share"] == 0.75


def test_repeats_are_counted_beyond_the_first():
    found = measured("abcd\nxy\n\nabcd\n\nabcd")
    assert found["repeated_line_ratio"] == 0.5
    assert found["repeated_line_characters"] == pytest.approx(8 / 14)
    assert found["repeated_paragraph_ratio"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("text", ["", " \n ", "\u200b"])
def test_the_ratios_of_a_text_without_words_are_zero(text: str):
    assert all(0 <= value <= 1 for name, value in measured(text).items() if name != "mean_word_length")


@pytest.mark.parametrize(
    ("text", "stops"),
    [
        ("He opened the door and saw the", True),
        ("We need bread, butter, milk,", True),
        ("Call the function with (", True),
        ("```\ncode\n```\nThat is all of it.", False),
        ("```\ncode that was cut", True),
        ("It was a good day for all", False),
        ("I am so sad about that :(", False),
    ],
)
def test_an_unfinished_answer_is_recognised_by_its_end(text: str, stops: bool):
    assert pl.DataFrame({"text": [text]}).select(is_truncated(TEXT)).item() is stops
