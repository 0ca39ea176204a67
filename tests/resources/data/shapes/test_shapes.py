import contextlib
import json

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fineline.resources.core.recipe.sources import Columns, Files
from fineline.resources.data.formats.rows import Row, SourceError
from fineline.resources.data.shapes.content import UnfitRowError
from fineline.resources.data.shapes.detection import find_shape

USER = {"role": "user", "content": "Why is the sky blue?"}
ASSISTANT = {"role": "assistant", "content": "Rayleigh scattering."}
WORSE = {"role": "assistant", "content": "It is painted."}


def source(columns=None, **options):
    return Files(name="corpus", kind="files", licence="MIT", path="x", columns=columns or Columns(), **options)


def read(values, strip_end=(), answer="last", services=None, **mapping):
    how = source(Columns(**mapping), strip_end=list(strip_end), answer=answer)
    return find_shape("corpus/part.jsonl", [Row("line 1", values)], how, services).read(values)


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [USER, ASSISTANT]},
        {
            "conversations": [
                {"from": "human", "value": USER["content"]},
                {"from": "gpt", "value": ASSISTANT["content"]},
            ]
        },
        {"question": USER["content"], "answer": ASSISTANT["content"]},
        {"prompt": USER["content"], "completion": ASSISTANT["content"]},
        {"prompt": [USER], "completion": [ASSISTANT]},
        {"instruction": USER["content"], "output": ASSISTANT["content"]},
        {"instruction": USER["content"], "input": "", "response": ASSISTANT["content"]},
        {"instruction": USER["content"], "input": None, "output": ASSISTANT["content"], "text": "all in one"},
    ],
)
def test_each_chat_shape_gives_the_same_record(row):
    content = read(row)
    assert (content.kind, content.prompt, content.completion, content.rejected) == (
        "chat",
        [USER],
        [ASSISTANT],
        None,
    )


TRANSCRIPT = f"\n\nHuman: {USER['content']}\n\nAssistant: "


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": USER["content"], "chosen": ASSISTANT["content"], "rejected": WORSE["content"]},
        {"prompt": [USER], "chosen": [ASSISTANT], "rejected": [WORSE]},
        {"prompt": USER["content"], "chosen": [USER, ASSISTANT], "rejected": [USER, WORSE]},
        {"chosen": [USER, ASSISTANT], "rejected": [USER, WORSE]},
        {"chosen": TRANSCRIPT + ASSISTANT["content"], "rejected": TRANSCRIPT + WORSE["content"]},
        {
            "conversations": [{"from": "human", "value": USER["content"]}],
            "chosen": {"from": "gpt", "value": ASSISTANT["content"]},
            "rejected": {"from": "gpt", "value": WORSE["content"]},
        },
    ],
)
def test_each_preference_shape_gives_the_same_record(row):
    content = read(row)
    assert (content.kind, content.prompt, content.completion, content.rejected) == (
        "preference",
        [USER],
        [ASSISTANT],
        [WORSE],
    )


def test_a_plain_text_is_one_answer_to_an_empty_prompt():
    content = read({"text": "Once upon a time"})
    assert content.kind == "text"
    assert content.prompt == []
    assert content.completion == [{"role": "assistant", "content": "Once upon a time"}]


def test_an_input_goes_below_its_instruction():
    content = read({"instruction": "Add up.", "input": "2, 3", "output": "5"})
    assert content.prompt == [{"role": "user", "content": "Add up.\n\n2, 3"}]


def test_the_last_answer_of_a_conversation_is_what_is_learned():
    system, more = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Thanks!"}
    content = read({"messages": [system, USER, WORSE, USER, ASSISTANT, more]})
    assert content.prompt == [system, USER, WORSE, USER]
    assert content.completion == [ASSISTANT]


def test_the_mapping_goes_before_known_names():
    content = read({"text": "known name", "body": "mapped"}, text="body")
    assert content.completion[0]["content"] == "mapped"


def test_label_and_group_come_from_the_columns_that_the_recipe_names():
    content = read({"text": "hello", "class": 3, "user": "u7"}, label="class", group="user")
    assert (content.label, content.group) == ("3", "u7")


def test_a_label_that_a_row_does_not_have_is_null():
    shape = find_shape("c/p", [Row("1", {"text": "a", "class": "x"})], source(Columns(label="class")))
    assert shape.read({"text": "b"}).label is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("yes<|endoftext|>", "yes"), (" yes \n<|endoftext|>\n", " yes"), ("yes", "yes"), ("yes \n", "yes \n")],
)
def test_end_marks_are_cut_off_the_answer_and_nothing_else_is(answer, expected):
    content = read({"prompt": "?<|endoftext|>", "completion": answer}, strip_end=["<|endoftext|>"])
    assert content.completion[0]["content"] == expected
    assert content.prompt[0]["content"] == "?<|endoftext|>"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"question": "q", "answer": None}, "column 'answer' is missing or null, not text"),
        ({"question": 5, "answer": "a"}, "column 'question' holds int, not text"),
        ({"text": ["a"]}, "column 'text' holds list, not text"),
        ({"messages": "hello"}, "column 'messages' holds str, not a list of messages"),
        ({"messages": []}, "column 'messages' is an empty list"),
        ({"messages": [USER]}, "column 'messages' has no message of the assistant"),
        ({"messages": [USER, "hello"]}, "column 'messages', message 2 holds str, not role and content"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "message 1 has none of the roles"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "message 1 has none of the roles"),
        (
            {"messages": [USER, {"role": "assistant", "content": None}]},
            "message 2 has a content that is missing",
        ),
        ({"messages": '[{"role": "us'}, "column 'messages' begins like a list of messages, but is no JSON"),
        ({"messages": [USER, {**ASSISTANT, "content": [{"type": "image_url"}]}]}, "parts that are no text"),
        ({"messages": [USER, {**ASSISTANT, "tool_calls": [{"id": 1}]}]}, "message 2 holds a tool call without a name"),
        (
            {"messages": [USER, {**ASSISTANT, "tool_calls": [{"name": "f", "arguments": "{half"}]}]},
            "message 2, arguments of a tool call: text that is no JSON",
        ),
        (
            {"messages": [USER, {**ASSISTANT, "tool_calls": [{"name": "f", "arguments": "[1]"}]}]},
            "a tool call whose arguments are no JSON object",
        ),
        ({"messages": [USER, ASSISTANT], "tools": "half"}, "column 'tools': text that is no JSON"),
        ({"messages": [USER, ASSISTANT], "tools": {"name": "f"}}, "column 'tools' holds dict, not a list of tools"),
        ({"messages": [USER, ASSISTANT], "tools": ["Hotels_4"]}, "no schema and no service that `services` knows"),
        ({"question": [[USER]], "function": [], "ground_truth": [{"f": {}, "g": {}}]}, "not {name: arguments}"),
        ({"chosen": "no turns", "rejected": "no turns"}, "column 'chosen' is no transcript"),
        ({"chosen": "\n\nHuman: hm", "rejected": "\n\nHuman: hm"}, "column 'chosen' has no message of the"),
        (
            {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: c\n\nAssistant: d"},
            "chosen and rejected differ before the last answer",
        ),
        ({"instruction": "a", "input": 3, "output": "b"}, "column input holds int"),
    ],
)
def test_a_row_that_is_no_record_is_refused_with_the_column_named(row, reason):
    with pytest.raises(UnfitRowError) as refusal:
        read(row)
    assert reason in str(refusal.value)


def test_a_label_must_be_a_single_value():
    with pytest.raises(UnfitRowError, match="column 'tags' holds list, not a single value"):
        read({"text": "a", "tags": ["x", "y"]}, label="tags")


def test_unknown_columns_give_a_mapping_that_works_with_their_names_in_the_place_of_numbers():
    rows = [Row("1", {"id": "a1", "utterance": "How do I reset it?", "reply": "Hold the button.", "n": 3})]
    with pytest.raises(SourceError) as refusal:
        find_shape("helpdesk/part.jsonl", rows, source())
    message = str(refusal.value)
    assert "Columns seen: column 1, column 2, column 3, column 4\n" in message
    assert "prompt + completion" in message
    pasted, plain = message.partition("  Or, for plain text:\n")[::2]
    mapping = yaml.safe_load(pasted[pasted.index("    columns:") :])["columns"]
    assert mapping == {"prompt": "<name of column 2>", "completion": "<name of column 3>"}
    assert "text: <name of column 2>\n" in plain
    mapping = {"prompt": "utterance", "completion": "reply"}
    content = find_shape("helpdesk/part.jsonl", rows, source(Columns(**mapping))).read(rows[0].values)
    assert content.completion[0]["content"] == "Hold the button."


@pytest.mark.parametrize("columns", [{}, {"group": "gruppe"}, {"prompt": "frage", "completion": "antwort"}])
def test_data_in_the_place_of_column_names_is_not_shown(columns):
    data = ["555-1234", "Jane Doe", "my password is hunter", "4111111111111111", "", "j\u00e4ne\x1b[2J"]
    rows = [Row("1", {**dict.fromkeys(data, "x"), "answer": "y"})]
    with pytest.raises(SourceError) as refusal:
        find_shape("helpdesk/part.csv", rows, source(Columns(**columns)))
    assert "Columns seen: column 1, column 2, column 3, column 4, column 5, column 6, 'answer'" in str(refusal.value)
    assert not any(name in str(refusal.value) for name in data if name)


def test_rows_without_any_column_are_told():
    with pytest.raises(SourceError, match="text: <name of a column>"):
        find_shape("helpdesk/part.jsonl", [Row("1", {})], source())


def test_a_mapped_column_that_is_missing_is_named_with_those_that_are_there():
    with pytest.raises(SourceError) as refusal:
        read({"prompt": "a", "completion": "b"}, group="templat")
    assert "no column 'templat', which the recipe gives as columns.group" in str(refusal.value)
    assert "'prompt', 'completion'" in str(refusal.value)


def test_half_a_mapping_is_refused_with_the_whole_ones():
    with pytest.raises(SourceError, match=r"columns gives prompt, which is not enough.*prompt \+ completion"):
        read({"q": "a", "completion": "b"}, prompt="q")


def test_a_corpus_of_conversations_of_another_name_gives_a_mapping_for_them():
    rows = [Row("1", {"id": "a1", "turns": [{**USER, "mood": "curious"}, ASSISTANT]})]
    with pytest.raises(SourceError) as refusal:
        find_shape("helpdesk/part.jsonl", rows, source())
    pasted = str(refusal.value).partition("  Or, for conversations:\n")[2]
    assert "messages: <name of column 2>\n" in pasted
    mapping = {"messages": "turns"}
    assert find_shape("helpdesk/part.jsonl", rows, source(Columns(**mapping))).read(rows[0].values).prompt == [USER]


CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
CALLED, RESULT = {"role": "assistant", "content": CALL}, {"role": "tool", "content": '{"degrees": -3}'}
OPENAI_CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


@pytest.mark.parametrize(
    "messages",
    [
        [
            USER,
            {"role": "assistant", "content": None, "tool_calls": [OPENAI_CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": '{"degrees": -3}'},
            ASSISTANT,
        ],
        [
            {"from": "human", "value": USER["content"]},
            {"from": "function_call", "value": '{"name": "weather", "arguments": {"city": "Oslo"}}'},
            {"from": "observation", "value": '{"degrees": -3}'},
            {"from": "gpt", "value": ASSISTANT["content"]},
        ],
        [
            {"role": "user", "content": [{"type": "text", "text": USER["content"]}]},
            {"role": "assistant", "function_call": {"name": "weather", "arguments": {"city": "Oslo"}}},
            {"role": "function", "name": "weather", "content": '{"degrees": -3}'},
            ASSISTANT,
        ],
    ],
)
def test_tool_calls_of_every_form_become_text_and_the_tools_json(messages):
    for written in (messages, json.dumps(messages)):
        content = read({"messages": written, "tools": TOOLS})
        assert [*content.prompt, *content.completion] == [USER, CALLED, RESULT, ASSISTANT]
        assert json.loads(content.tools) == TOOLS


def test_calls_at_once_stand_in_one_message_below_its_text():
    calls = [OPENAI_CALL, OPENAI_CALL]
    [answer] = read({"messages": [USER, {"role": "assistant", "content": "Sure.", "tool_calls": calls}]}).completion
    assert answer["content"] == f"Sure.\n{CALL}\n{CALL}"


def test_the_last_call_is_what_is_learned_where_the_recipe_says_so():
    messages = [USER, CALLED, RESULT, ASSISTANT]
    assert read({"messages": messages}, answer="last_call").completion == [CALLED]
    assert read({"messages": [USER, ASSISTANT]}, answer="last_call").completion == [ASSISTANT]


def test_schema_guided_dialogues_are_read_by_a_mapping_with_the_tools_of_their_services():
    call = {"service": "Weather_1", "name": "weather", "arguments": {"city": "Oslo"}, "results": [{"degrees": -3}]}
    row = {"turns": [USER, {**ASSISTANT, "calls": [call]}], "services": ["Weather_1"]}
    content = read(
        row, services={"Weather_1": TOOLS}, messages="turns", calls="calls", tools="services", answer="last_call"
    )
    assert (content.prompt, content.completion) == ([USER], [CALLED])
    assert json.loads(content.tools) == TOOLS
    everything = read(row, services={"Weather_1": TOOLS}, messages="turns", calls="calls")
    assert everything.prompt == [USER, CALLED, {"role": "tool", "content": '[{"degrees": -3}]'}]


SCALARS = st.sampled_from(
    ["user", "assistant", "tool", "function_call", "text", "[1]", "{}", '[{"role": "user"}]', 3, None]
)
KEYS = st.sampled_from(
    ["role", "from", "content", "value", "tool_calls", "function", "name", "arguments", "calls", "type"]
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))


@settings(deadline=None, max_examples=150)
@given(st.lists(VALUES, min_size=4, max_size=4))
@example([[USER], [{"name": "f"}], [{"f": 3}], None])
@example([[USER, {**ASSISTANT, "calls": ["f"]}], [], [], []])
def test_no_row_however_odd_is_more_than_unfit(values):
    one, two, three, four = values
    for row, mapping in [
        ({"messages": one, "tools": two}, {"messages": "messages", "calls": "calls", "tools": "tools"}),
        ({"question": one, "function": two, "ground_truth": three}, {}),
        ({"prompt": one, "chosen": two, "rejected": three}, {}),
        ({"chosen": one, "rejected": two}, {}),
        ({"conversations": one, "chosen": two, "rejected": three}, {}),
        ({"instruction": one, "input": two, "output": three}, {}),
        ({"prompt": one, "completion": four}, {}),
        ({"conversations": two}, {}),
    ]:
        with contextlib.suppress(UnfitRowError):
            content = read(row, **mapping)
            assert content.completion
            assert all(isinstance(message["content"], str) for message in content.prompt + content.completion)


def test_function_calls_with_accepted_values_take_the_first_of_each():
    accepted = [{"weather": {"city": ["Oslo", "Oslo, Norway"], "unit": ["", "C"]}}]
    content = read({"question": [[USER]], "function": [{"name": "weather"}], "ground_truth": accepted})
    assert (content.prompt, content.completion) == ([USER], [CALLED])
    assert json.loads(content.tools) == [{"name": "weather"}]
