from pathlib import Path

import polars as pl
import pytest

from fineline.resources.data.quality.language import identify


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The river froze in January, and nobody crossed it.", "en"),
        ("Der Fluss fror im Januar zu, und niemand überquerte ihn.", "de"),
        ("La rivière a gelé en janvier et personne ne l'a traversée.", "fr"),
        ("Река замёрзла в январе, и никто её не пересёк.", "ru"),
        ("一月河水结冰，没有人过河。", "zh"),
        ("", "und"),
    ],
)
def test_languages_are_known(text: str, language: str):
    assert identify(pl.Series([text]))["language"].to_list() == [language]


def test_no_texts_have_no_languages():
    found = identify(pl.Series([], dtype=pl.String))
    assert found.height == 0
    assert found.columns == ["language", "language_probability"]


@pytest.mark.real_data
def test_worked_mathematics_in_english_is_english(shared_data: Path):
    answers = pl.read_ndjson(shared_data / "instruction" / "gsm8k_train.jsonl.gz")["answer"].head(1000)
    assert (identify(answers)["language"] == "en").mean() > 0.99
