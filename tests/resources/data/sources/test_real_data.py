import gzip
import json
from collections.abc import Iterator

import polars as pl
import pytest
from support.reading import read_only_batch

from fineline.data_contracts.records import Record
from fineline.resources.core.recipe.sources import Columns, Files
from fineline.resources.data.formats.rows import SourceError
from fineline.resources.data.shapes.content import BatchRows

pytestmark = pytest.mark.real_data


def read_whole(path, **options) -> BatchRows:
    return read_only_batch(Files(name="corpus", kind="files", licence="see README", path=path, **options))


def calls(rows: BatchRows, column: str) -> int:
    """How many tool calls the messages of a column hold."""
    texts = rows.records[column].list.explode(empty_as_null=False).struct.field("content")
    return int(texts.str.count_matches("<tool_call>", literal=True).sum())


def lines(path) -> Iterator[bytes]:
    with gzip.open(path) as file:
        yield from file


def answers(rows: BatchRows) -> pl.Series:
    return rows.records["completion"].list.last().struct.field("content")


def test_p3_templates_load_without_their_end_mark_and_with_the_template_as_group(shared_data):
    path = shared_data / "instruction" / "p3_templates_a.jsonl.gz"
    rows = read_whole(path, strip_end=["<|endoftext|>"], columns=Columns(group="template"))
    assert (rows.records.height, rows.unreadable.height) == (26_438, 0)
    assert rows.records["record_id"].is_unique().all()
    assert rows.records["group"].n_unique() == 136
    assert not answers(rows).str.contains("<|endoftext|>", literal=True).any()
    assert (answers(rows) == "").sum() == 600
    # Every prompt ends in a line break; 220 records hold text that was decoded wrongly, such as "donâ€™t".
    assert rows.normalised["surrounding space"] == 26_438
    assert rows.normalised["encoding"] == 220
    assert not rows.records["prompt"].list.last().struct.field("content").str.contains("â€™").any()


def test_gsm8k_loads_by_its_column_names(shared_data):
    path = shared_data / "instruction" / "gsm8k_train.jsonl.gz"
    rows = read_whole(path)
    assert (rows.records.height, rows.unreadable.height) == (7_473, 0)
    assert rows.records.height == sum(1 for _ in lines(path))
    assert answers(rows).str.contains(r"#### -?[\d,.]+$").all()
    assert Record.is_valid(rows.records)


def test_the_test_rows_of_gsm8k_load(shared_data):
    rows = read_whole(shared_data / "instruction" / "gsm8k_test.jsonl")
    assert (rows.records.height, rows.unreadable.height) == (1_319, 0)
    assert Record.is_valid(rows.records)


def test_instructions_with_input_and_response_load(shared_data):
    path = shared_data / "instruction" / "gpteacher_codegen.json.gz"
    rows = read_whole(path)
    with gzip.open(path) as file:
        given = json.load(file)
    assert (rows.records.height, rows.unreadable.height) == (4_535, 0)
    assert rows.records.height == len(given)
    # Code keeps its indentation.
    code = [row["response"] for row in given]
    pairs = list(zip(code, answers(rows), strict=True))
    assert sum(text == new for text, new in pairs) > 4_400
    assert all(new in text.replace("\r\n", "\n") for text, new in pairs if text.isascii())


def test_prompts_without_answers_are_told_and_load_as_text_by_mapping(shared_data):
    path = shared_data / "instruction" / "ifeval_541.jsonl"
    with pytest.raises(SourceError, match="Columns seen: column 1, 'prompt', column 3, column 4"):
        read_whole(path)
    rows = read_whole(path, columns=Columns(text="prompt"))
    assert (rows.records.height, rows.unreadable.height) == (541, 0)


SGD = Columns(messages="turns", calls="calls_before", tools="services", group="dialogue_id")


def test_schema_guided_dialogues_load_with_all_their_calls_and_tools(shared_data):
    tools = shared_data / "tools"
    path, schema = tools / "sgd_dev_toolcalls.jsonl.gz", tools / "sgd_dev_schema.json"
    rows = read_whole(path, columns=SGD, services=schema)
    assert (rows.records.height, rows.unreadable.height) == (2_098, 0)
    assert rows.records.height == sum(1 for _ in lines(path))
    assert Record.is_valid(rows.records)
    assert calls(rows, "prompt") + calls(rows, "completion") == 6_027
    assert all(json.loads(tools) for tools in rows.records["tools"])
    by_call = read_whole(path, columns=SGD, services=schema, answer="last_call")
    assert calls(by_call, "completion") == by_call.records.height == 2_098
    # What is called is among what was offered.
    for offered, [call] in by_call.records.select("tools", "completion").iter_rows():
        name = json.loads(call["content"].removeprefix("<tool_call>").removesuffix("</tool_call>"))["name"]
        assert name in {tool["function"]["name"] for tool in json.loads(offered)}


def test_a_schema_file_loads_as_text_by_mapping(shared_data):
    rows = read_whole(shared_data / "tools" / "sgd_dev_schema.json", columns=Columns(text="description"))
    assert (rows.records.height, rows.unreadable.height) == (17, 0)


def test_function_calls_load_with_their_answers_joined(shared_data):
    tools = shared_data / "tools"
    path, answers_path = tools / "bfcl_simple_python.jsonl", tools / "bfcl_simple_python_answers.jsonl"
    rows = read_whole(path, join={"path": answers_path, "key": "id"})
    assert (rows.records.height, rows.unreadable.height) == (400, 0)
    assert calls(rows, "completion") == 400
    assert rows.records["tools"].is_not_null().all()
    for half in (path, answers_path):
        with pytest.raises(SourceError, match="fit none of the known shapes"):
            read_whole(half)


def test_hh_rlhf_transcripts_become_preferences_and_every_row_is_somewhere(shared_data):
    path = shared_data / "preference" / "hh_rlhf_harmless_a.jsonl.gz"
    rows = read_whole(path)
    assert (rows.records.height, rows.unreadable.height) == (1_136, 1)
    assert rows.records.height + rows.unreadable.height == sum(1 for _ in lines(path))
    assert rows.unreadable["reason"].to_list() == [
        "chosen and rejected differ before the last answer, so their prompts are not the same"
    ]
    assert (rows.records["kind"] == "preference").all()
    assert (rows.records["prompt"].list.last().struct.field("role") == "user").all()
    marks = pl.element().struct.field("content").str.contains(r"\n\n(Human|Assistant):")
    for column in ("prompt", "completion", "rejected"):
        assert not rows.records.select(pl.col(column).list.eval(marks).list.any().any()).item()


def test_sharegpt_preferences_load_and_repeat_as_they_do(shared_data):
    rows = read_whole(shared_data / "preference" / "dpo_en_demo_300.json.gz")
    assert (rows.records.height, rows.records["record_id"].n_unique()) == (300, 295)
    assert rows.unreadable.is_empty()


def test_labelled_text_loads_by_mapping(shared_data):
    path = shared_data / "labels" / "banking77_train.csv.gz"
    rows = read_whole(path, columns=Columns(text="text", label="category"))
    assert (rows.records.height, rows.records["label"].n_unique()) == (10_003, 77)
