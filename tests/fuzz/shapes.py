"""Rows of every shape, with odd parts: each becomes a record, or is refused in words that show nothing."""

import json

from fuzz.throwing import Case, Target, edited, shows_nothing
from hypothesis import strategies as st

from fineline.resources.core.recipe.sources import Files
from fineline.resources.data.formats.rows import Row, SourceError
from fineline.resources.data.shapes.content import BatchBuilder, UnfitRowError
from fineline.resources.data.shapes.detection import find_shape

USER, ASSISTANT = {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}
CALL = {"type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
SEEDS = [
    {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}], "tools": [TOOL]},
    {"messages": [USER, ASSISTANT], "tools": json.dumps([TOOL]), "label": "a", "group": 1},
    {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]},
    {"conversations": [{"from": "human", "value": "Why?"}], "chosen": ASSISTANT, "rejected": ASSISTANT},
    {"prompt": "Why?", "chosen": [USER, ASSISTANT], "rejected": [USER, ASSISTANT]},
    {"chosen": "\n\nHuman: Why?\n\nAssistant: So.", "rejected": "\n\nHuman: Why?\n\nAssistant: No."},
    {"instruction": "Why?", "input": "", "output": "So."},
    {"prompt": [USER], "completion": [ASSISTANT]},
    {"question": "Why?", "answer": "So."},
    {"question": [[USER]], "function": [{"name": "weather"}], "ground_truth": [{"weather": {"city": ["Oslo"]}}]},
    {"text": "Some words."},
]


def check(case):
    row = Row("line 1", json.loads(case.content))
    source = Files(name="corpus", kind="files", licence="MIT", path="x")
    builder = BatchBuilder("corpus", "corpus/1")
    try:
        content = find_shape("corpus/1", [row], source).read(row.values)
        builder.add(row, content, "MIT", {})
    except UnfitRowError as error:
        shows_nothing(error)
        builder.add_unfit(row, str(error))
    except SourceError as error:
        shows_nothing(error)
        return
    made = builder.build()
    assert made.records.height + made.unreadable.height == 1
    for messages in made.records["completion"].to_list():
        assert messages
        assert all(isinstance(message["content"], str) for message in messages)


CASES = st.sampled_from(SEEDS).flatmap(edited).filter(lambda row: isinstance(row, dict))
ROWS = Target(CASES.map(lambda row: Case("a.json", json.dumps(row).encode())), check, 120)
