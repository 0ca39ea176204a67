"""A hostile text in every place where people see text."""

import logging
import re

import dagster as dg
import polars as pl
import pytest
from support.payloads import PAYLOADS

from fineline.assets.execution.shown import described, frame_table, inert_metadata, quieten, sample_table
from fineline.resources.core.orchestrator.console import plain_console
from fineline.resources.core.presentation.inert import fenced, inert
from fineline.resources.core.presentation.plots import bar_chart, curves
from fineline.resources.core.recipe.operations import Alerts
from fineline.resources.data.ingestion.registry import Arrival, Registry, SourceState
from fineline.resources.data.ingestion.source_scan import SourceScan
from fineline.schedules.alerts import message
from fineline.schedules.failures import Failures

LINE = "[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800]*"


def is_line(text):
    return re.fullmatch(LINE, text) is not None


def is_lines(text):
    return is_line(text.replace("\n", ""))


@pytest.mark.outcome(
    "shown",
    "60 texts of Markdown, HTML, links, images and controls, as rows and columns (`markdown-mutation.jsonl`)",
    "the cell of a table, as text; nothing is made of it",
)
def test_a_table_shows_it_as_the_text_of_a_cell_and_of_a_column():
    for payload in PAYLOADS:
        frame = pl.DataFrame({inert(payload): [payload.encode(errors="replace").decode()] * 3})
        for table in (frame_table(frame), sample_table(frame)):
            assert isinstance(table, dg.TableMetadataValue)
            for record in table.records:
                assert all(is_line(text) for pair in record.data.items() for text in pair)


@pytest.mark.outcome(
    "shown",
    "the same in metadata of assets",
    "text, JSON or table metadata; Markdown is for plots and the recipe alone",
)
def test_metadata_show_it_as_text():
    for payload in PAYLOADS:
        given = {
            payload: payload,
            "list": [payload, {payload: [payload]}],
            "json": dg.MetadataValue.json({"a": payload}),
            "text": dg.MetadataValue.text(payload),
            "md": dg.MetadataValue.md(f"text {payload}"),
            "plot": dg.MetadataValue.md(f"![x](data:image/png;base64,AAAA)\n{payload}"),
            "recipe": dg.MetadataValue.md(f"```yaml\n{payload}\n```\n{payload}"),
        }
        shown = dg.MaterializeResult(metadata=inert_metadata(given)).metadata
        assert not any(isinstance(value, dg.MarkdownMetadataValue) for value in shown.values())
        assert is_lines(str(shown))


def test_plots_and_the_text_of_the_recipe_stay_markdown():
    recipe = "name: x\n# ```\n# ![x](http://evil.example/px.png)\n"
    given = {
        "plot": dg.MetadataValue.md(bar_chart("A, 95% (b)", {"one": 1.0}, "records")),
        "recipe": dg.MetadataValue.md(fenced(recipe, "yaml")),
    }
    assert inert_metadata(given) == given


def test_a_plot_draws_it_and_its_markdown_is_one_image():
    label = "![x](http://evil.example) $\\frac{$ </text> \x1b[2J `"
    for plot in (bar_chart(label, {label: 2.0}, "records"), curves(label, {label: [(0, 1.0)]}, "step", "loss")):
        given = {"plot": dg.MetadataValue.md(plot)}
        assert inert_metadata(given) == given


@pytest.mark.outcome(
    "shown",
    "the same in the description of a check, which the UI reads as Markdown",
    "escaped: a paragraph of plain text",
)
def test_the_description_of_a_check_shows_it_as_text():
    for payload in PAYLOADS:
        assert not re.search(r"(?<!\\)[\[\]<`*|]|https?://|www\.\w|\w@\w", described(f"the slice {payload} got worse"))


@pytest.mark.outcome(
    "shown", "the same in the log of a run, where the UI makes links of addresses", "no address is one to click at"
)
def test_a_log_shows_it_without_links_and_controls():
    log, messages = logging.Logger("test"), []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    log.addHandler(handler)
    quieten(log)
    for payload in PAYLOADS:
        log.warning("%s is odd", payload)
    assert len(messages) == len(PAYLOADS)
    assert all(is_lines(message) and "http://" not in message.lower() for message in messages)


@pytest.mark.outcome(
    "shown", "the same in the terminal, and control characters in names of files", "each is written as its escape"
)
def test_the_terminal_shows_it_without_controls(capsys):
    with dg.DagsterInstance.ephemeral():
        logger = plain_console.logger_fn(None)
    for payload in PAYLOADS:
        logger.handle(logging.LogRecord("x", logging.INFO, "", 1, payload, None, None))
        assert is_lines(capsys.readouterr().err)


def test_the_name_of_a_file_is_a_part_of_one_line():
    key = "letters/0123456789ab"
    for payload in PAYLOADS:
        arrival = Arrival(name=payload, name_hash="a" * 32, content="c", first_seen=0.0)
        registry = Registry(sources={"letters": SourceState(origin="o", batches={key: arrival})})
        for shown in (registry.shown(f"make {key}"), SourceScan(names={key: payload}).shown(f"make {key}")):
            assert is_line(shown)


@pytest.mark.outcome("shown", "the same in an alert to Slack", "no link, no mention")
def test_slack_shows_it_without_links_and_mentions():
    section = Alerts(webhook_variable="HOOK", format="slack")
    for payload in PAYLOADS:
        body = message("small", "main", "0" * 36, Failures({"splits": f"Blocked: {payload} <!channel>"}, []), section)
        text = body["blocks"][1]["text"]["text"]
        assert is_lines(text)
        assert body["blocks"][1]["text"]["verbatim"] is True  # Slack makes links of names such as evil.example itself.
        assert not re.search(r"[<>]|https?://|www\.\w", text.lower())
