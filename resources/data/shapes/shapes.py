"""The known shapes of rows, each by its columns, and how it is read as prompt, completion and rejected answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fineline.resources.core.recipe.sources import TableSource
from fineline.resources.data.shapes.content import Content, Message, UnfitRowError
from fineline.resources.data.shapes.conversations import (
    answer,
    assistant,
    conversation,
    last_answer,
    question,
    transcript,
    user,
    what_is_wrong,
)
from fineline.resources.data.shapes.tool_calls import Services, call_text, tools_json


@dataclass(frozen=True)
class Cells:
    """A row whose columns are called by the parts that they play in a shape."""

    values: Mapping[str, Any]
    columns: Mapping[str, str]
    prefer_calls: bool = False

    def cell(self, part: str) -> tuple[Any, str]:
        """The value, and the column's name for messages: the recipe or the shape gave it, so that it is no data."""
        column = self.columns.get(part, part)
        return self.values.get(column), f"'{column}'"

    def text(self, part: str) -> str:
        """The value, which must be a string. Raises UnfitRowError."""
        value, column = self.cell(part)
        if not isinstance(value, str):
            raise UnfitRowError(f"column {column} {what_is_wrong(value)}, not text")
        return value


def _messages(cells: Cells) -> Content:
    part = "messages" if "messages" in cells.columns else "conversations"
    value, column = cells.cell(part)
    messages = conversation(value, column, cells.columns.get("calls"))
    prompt, completion = last_answer(messages, column, prefer_calls=cells.prefer_calls)
    return Content("chat", prompt, completion)


def _preference(cells: Cells) -> Content:
    chosen, column = cells.cell("chosen")
    if isinstance(chosen, list) and chosen and conversation(chosen, column)[0]["role"] != "assistant":
        return _transcripts(cells)  # both answers repeat the prompt, as in UltraFeedback
    part = "prompt" if "prompt" in cells.columns else "conversations"
    return Content(
        "preference",
        question(*cells.cell(part)),
        answer(*cells.cell("chosen")),
        answer(*cells.cell("rejected")),
    )


def _transcripts(cells: Cells) -> Content:
    before_chosen, chosen = last_answer(transcript(*cells.cell("chosen")), cells.cell("chosen")[1])
    before_rejected, rejected = last_answer(transcript(*cells.cell("rejected")), cells.cell("rejected")[1])
    if before_chosen != before_rejected:
        raise UnfitRowError("chosen and rejected differ before the last answer, so their prompts are not the same")
    return Content("preference", before_chosen, chosen, rejected)


def _instruction(cells: Cells) -> Content:
    given = cells.values.get("input")
    if given is not None and not isinstance(given, str):
        raise UnfitRowError(f"column input {what_is_wrong(given)}, not text")
    instruction = cells.text("instruction")
    prompt = f"{instruction}\n\n{given}" if given and given.strip() else instruction
    part = "output" if "output" in cells.columns else "response"
    return Content("chat", [user(prompt)], [assistant(cells.text(part))])


def _possible_answers(cells: Cells) -> Content:
    """A function call as the Berkeley leaderboard asks for it: of each argument's accepted values, the first."""
    asked, column = cells.cell("question")
    truth, _ = cells.cell("ground_truth")
    if not isinstance(asked, list) or not isinstance(truth, list) or not truth:
        raise UnfitRowError(f"column {column} or 'ground_truth' is no list")
    calls = []
    for call in truth:
        if not isinstance(call, Mapping) or len(call) != 1:
            raise UnfitRowError("column 'ground_truth' holds a call that is not {name: arguments}")
        [(name, accepted)] = call.items()
        if not isinstance(accepted, Mapping) or not all(isinstance(values, list) for values in accepted.values()):
            raise UnfitRowError("column 'ground_truth' holds arguments that are no lists of accepted values")
        # An empty string among the accepted values means that the argument may be left out.
        arguments = {key: values[0] for key, values in accepted.items() if values and values[0] != ""}
        calls.append({"name": name, "arguments": arguments})
    turns = [message for turn in asked for message in (turn if isinstance(turn, list) else [turn])]
    return Content("chat", conversation(turns, column), [assistant(call_text(calls, "column 'ground_truth'"))])


def _question_answer(cells: Cells) -> Content:
    return Content("chat", [user(cells.text("question"))], [assistant(cells.text("answer"))])


def _prompt_completion(cells: Cells) -> Content:
    return Content("chat", question(*cells.cell("prompt")), answer(*cells.cell("completion")))


def _text(cells: Cells) -> Content:
    return Content("text", [], [assistant(cells.text("text"))])


# In the order in which they are tried: the richer shape first, since a preference corpus may also have text.
SHAPES: Mapping[tuple[str, ...], Callable[[Cells], Content]] = {
    ("messages",): _messages,
    ("prompt", "chosen", "rejected"): _preference,
    ("conversations", "chosen", "rejected"): _preference,
    ("chosen", "rejected"): _transcripts,
    ("question", "function", "ground_truth"): _possible_answers,
    ("instruction", "output"): _instruction,
    ("instruction", "response"): _instruction,
    ("question", "answer"): _question_answer,
    ("prompt", "completion"): _prompt_completion,
    ("conversations",): _messages,
    ("text",): _text,
}


# In these shapes, a column of the name on the right is taken for the part on the left.
BESIDES: Mapping[tuple[str, ...], Mapping[str, str]] = {
    ("messages",): {"tools": "tools"},
    ("conversations",): {"tools": "tools"},
    ("question", "function", "ground_truth"): {"tools": "function"},
}


@dataclass(frozen=True)
class Shape:
    """The shape of a batch: which column plays which part, and how the rows are to be read."""

    columns: Mapping[str, str]
    read_parts: Callable[[Cells], Content]
    source: TableSource
    services: Services | None

    def read(self, values: Mapping[str, Any]) -> Content:
        """One row. Raises UnfitRowError, whose message names the column but never shows its value."""
        cells = Cells(values, self.columns, prefer_calls=self.source.answer == "last_call")
        content = self.read_parts(cells)
        return replace(
            content,
            completion=_without_ends(content.completion, self.source.strip_end),
            rejected=content.rejected and _without_ends(content.rejected, self.source.strip_end),
            tools=tools_json(*cells.cell("tools"), self.services) if "tools" in self.columns else None,
            label=_scalar(cells, "label"),
            group=_scalar(cells, "group"),
        )


def _scalar(cells: Cells, part: str) -> str | None:
    if part not in cells.columns:
        return None
    value, column = cells.cell(part)
    if isinstance(value, (list, Mapping)):
        raise UnfitRowError(f"column {column} {what_is_wrong(value)}, not a single value")
    return None if value is None else str(value)


def _without_ends(messages: Sequence[Message], marks: Sequence[str]) -> list[Message]:
    cut = []
    for message in messages:
        content = message["content"]
        for mark in marks:
            if content.rstrip().endswith(mark):
                content = content.rstrip().removesuffix(mark).rstrip()
        cut.append({**message, "content": content})
    return cut
