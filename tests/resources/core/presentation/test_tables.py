import base64

import polars as pl
from support.records import record, records

from fineline.resources.core.presentation import plots
from fineline.resources.core.presentation.tables import (
    TABLE_ROWS,
    counts_by,
    first_few,
    sample_rows,
    text_rows,
)


def test_a_cell_is_one_line_in_which_everything_is_seen():
    assert text_rows(pl.DataFrame({"te\x07xt": ["a | b\n<b>\x1b[1mc"]})) == [{"te\\x07xt": "a | b <b>\\x1b[1mc"}]


def test_a_sample_shows_messages_and_leaves_out_empty_columns():
    rows = sample_rows(records(*[record(f"answer {n}", question="Why?") for n in range(100)]))
    assert len(rows) == 5
    assert "rejected" not in rows[0]
    assert rows[0]["prompt"] == "user: Why?"


def test_long_cells_are_cut():
    assert text_rows(pl.DataFrame({"text": ["x" * 500]})) == [{"text": "x" * 159 + "…"}]


def test_a_long_table_is_cut_and_the_rest_counted():
    rows = text_rows(pl.DataFrame({"number": range(TABLE_ROWS + 2), "same": ["x"] * (TABLE_ROWS + 2)}))
    assert rows[-2:] == [{"number": str(TABLE_ROWS - 1), "same": "x"}, {"number": "and 2 more", "same": ""}]


def test_a_list_of_names_is_cut_and_the_rest_counted():
    assert first_few(["a", "b"]) == "a, b"
    assert first_few(["a", "b", "c"], 1, "; ") == "a and 2 more"


def test_no_rows_are_said_to_be_none():
    assert sample_rows(records()) == []
    assert plots.bar_chart("Bars", {}, "records") == "none"


def test_plots_are_images_in_markdown():
    drawn = [
        plots.bar_chart("Bars", {"one": 1.0, "two": 0.5}, "records"),
        plots.histogram("Lengths", [1.0, 2.0, 2.0], "words"),
        plots.curves("Loss", {"training": [(1, 2.0), (2, 1.0)]}, "step", "loss"),
        plots.intervals("Loss", {"base": (2.0, 1.8, 2.2)}, "nats"),
    ]
    for text in drawn:
        image = base64.b64decode(text.partition("base64,")[2].rstrip(")"))
        assert image.startswith(b"\x89PNG")
        assert len(image) > 5_000


def test_counts_are_in_the_order_of_the_values():
    assert counts_by(pl.DataFrame({"split": ["train", "test", "train"]}), "split") == {"test": 1, "train": 2}
