import pytest
import yaml

from fineline.resources.recipe_data import Columns
from fineline.resources.sources.batches import Row, SourceError, UnfitRowError
from fineline.resources.sources.detection import find_shape

USER = {"role": "user", "content": "Why is the sky blue?"}
ASSISTANT = {"role": "assistant", "content": "Rayleigh scattering."}
WORSE = {"role": "assistant", "content": "It is painted."}


def read(values, strip_end=(), **mapping):
    return find_shape("corpus/part.jsonl", [Row("line 1", values)], Columns(**mapping), strip_end).read(values)


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
    shape = find_shape("c/p", [Row("1", {"text": "a", "class": "x"})], Columns(label="class"))
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
        ({"messages": [USER, {**ASSISTANT, "tool_calls": [{"id": 1}]}]}, "message 2 holds tool calls"),
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


def test_unknown_columns_give_a_mapping_that_can_be_pasted_and_works():
    rows = [Row("1", {"id": "a1", "utterance": "How do I reset it?", "reply": "Hold the button.", "n": 3})]
    with pytest.raises(SourceError) as refusal:
        find_shape("helpdesk/part.jsonl", rows, Columns())
    message = str(refusal.value)
    assert "'id', 'utterance', 'reply', 'n'" in message
    assert "prompt + completion" in message
    pasted, plain = message.partition("  Or, for plain text:\n")[::2]
    mapping = yaml.safe_load(pasted[pasted.index("    columns:") :])["columns"]
    assert mapping == {"prompt": "utterance", "completion": "reply"}
    assert yaml.safe_load(plain)["columns"] == {"text": "utterance"}
    content = find_shape("helpdesk/part.jsonl", rows, Columns(**mapping)).read(rows[0].values)
    assert content.completion[0]["content"] == "Hold the button."


def test_data_in_the_place_of_column_names_is_not_shown():
    rows = [Row("1", {"555-1234": "x", "jane@example.org": "y", "Jane's address is a long line of text " * 2: "z"})]
    with pytest.raises(SourceError) as refusal:
        find_shape("helpdesk/part.csv", rows, Columns())
    assert not any(word in str(refusal.value) for word in ("555", "jane", "Jane"))
    assert "needs a header row" in str(refusal.value)


def test_a_mapped_column_that_is_missing_is_named_with_those_that_are_there():
    with pytest.raises(SourceError) as refusal:
        read({"prompt": "a", "completion": "b"}, group="templat")
    assert "no column 'templat', which the recipe gives as columns.group" in str(refusal.value)
    assert "'prompt', 'completion'" in str(refusal.value)


def test_half_a_mapping_is_refused_with_the_whole_ones():
    with pytest.raises(SourceError, match=r"columns gives prompt, which is not enough.*prompt \+ completion"):
        read({"q": "a", "completion": "b"}, prompt="q")
