"""Conversations from the forms that corpora have: message lists, transcripts, single strings."""

import json
import re
from collections.abc import Mapping
from typing import Any

from fineline.resources.data.shapes.content import Message, UnfitRowError
from fineline.resources.data.shapes.tool_calls import call_text, from_json, is_call

# OpenAI's role names on the right; ShareGPT's and Anthropic's transcripts use others.
ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
TRANSCRIPT_TURN = re.compile(r"\n\n(Human|Assistant):")


def user(content: str) -> Message:
    """A message of the user."""
    return {"role": "user", "content": content}


def assistant(content: str) -> Message:
    """A message of the assistant."""
    return {"role": "assistant", "content": content}


def question(value: Any, column: str) -> list[Message]:
    """A prompt: a string is one user message. Raises UnfitRowError for what is neither that nor messages."""
    return [user(value)] if isinstance(value, str) else conversation(value, column)


def answer(value: Any, column: str) -> list[Message]:
    """An answer: a string is one assistant message. Raises UnfitRowError as ``question`` does."""
    if isinstance(value, str):
        return [assistant(value)]
    return conversation([value] if isinstance(value, Mapping) else value, column)


def conversation(value: Any, column: str, calls: str | None = None) -> list[Message]:
    """Messages from a list of ``{role, content}`` or of ShareGPT's ``{from, value}``, also written as JSON.

    Tool calls become text of the assistant, see ``tool_calls``. ``calls`` names the calls that a message lists as
    made before it, each with its results.

    Raises:
        UnfitRowError: it is no such list, a role is unknown, or a content is no text.
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = from_json(value, f"column {column} begins like a list of messages, but is no JSON")
    if not isinstance(value, list) or not value:
        raise UnfitRowError(f"column {column} {what_is_wrong(value)}, not a list of messages")
    messages: list[Message] = []
    for number, each in enumerate(value, start=1):
        place = f"column {column}, message {number}"
        if calls is not None and isinstance(each, Mapping):
            messages += _calls_before(each.get(calls) or [], place)
        messages.append(_message(each, place))
    return messages


def transcript(value: Any, column: str) -> list[Message]:
    r"""Messages from a transcript as in hh-rlhf, ``\n\nHuman: …\n\nAssistant: …``, or from a message list."""
    if not isinstance(value, str):
        return conversation(value, column)
    before, *turns = TRANSCRIPT_TURN.split(value)
    if before.strip() or not turns:
        raise UnfitRowError(f"column {column} is no transcript: it does not begin with '\\n\\nHuman:'")
    return [
        {"role": ROLES[speaker.lower()], "content": text.strip()}
        for speaker, text in zip(turns[::2], turns[1::2], strict=True)
    ]


def last_answer(
    messages: list[Message], column: str, *, prefer_calls: bool = False
) -> tuple[list[Message], list[Message]]:
    """Split at the last message of the assistant: all before it, and it. What follows it has no answer.

    With ``prefer_calls`` it is the last one that calls a tool, where there is one.
    """
    places = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    if not places:
        raise UnfitRowError(f"column {column} has no message of the assistant")
    calls = [place for place in places if is_call(messages[place])]
    last = calls[-1] if prefer_calls and calls else places[-1]
    return messages[:last], [messages[last]]


def what_is_wrong(value: Any) -> str:
    """Name a value's kind without showing the value."""
    if value is None:
        return "is missing or null"
    if isinstance(value, list) and not value:
        return "is an empty list"
    return f"holds {type(value).__name__}"


def _message(value: Any, place: str) -> Message:
    if not isinstance(value, Mapping):
        raise UnfitRowError(f"{place} {what_is_wrong(value)}, not role and content")
    role, content = value.get("role", value.get("from")), value.get("content", value.get("value"))
    # The role itself is not shown: where columns are mixed up it may be anything, also personal data.
    if not isinstance(role, str) or role not in ROLES:
        raise UnfitRowError(f"{place} has none of the roles {', '.join(ROLES)}")
    if role == "function_call":
        return assistant(call_text(content, place))
    calls = value.get("tool_calls") or value.get("function_call")
    parts = [] if content is None and calls else [_text(content, place)]
    if calls:
        parts.append(call_text(calls, place))
    return {"role": ROLES[role], "content": "\n".join(filter(None, parts))}


def _text(content: Any, place: str) -> str:
    """The text of a content, which is text or OpenAI's list of parts of text."""
    if isinstance(content, list) and content:
        parts = [part.get("text") if isinstance(part, Mapping) else None for part in content]
        if all(isinstance(part, str) for part in parts):
            return "\n".join(str(part) for part in parts)
        raise UnfitRowError(f"{place} has a content with parts that are no text")
    if not isinstance(content, str):
        raise UnfitRowError(f"{place} has a content that {what_is_wrong(content)}, not text")
    return content


def _calls_before(calls: Any, place: str) -> list[Message]:
    if not isinstance(calls, list):
        raise UnfitRowError(f"{place} has calls that are no list")
    messages: list[Message] = []
    for call in calls:
        if not isinstance(call, Mapping):
            raise UnfitRowError(f"{place} has a call that is no object")
        messages.append(assistant(call_text(call, place)))
        results = call.get("results")
        text = results if isinstance(results, str) else json.dumps(results, ensure_ascii=False)
        messages.append({"role": "tool", "content": text})
    return messages
