"""Reading conversations in the forms that corpora have: message lists, transcripts, single strings."""

import re
from collections.abc import Mapping
from typing import Any

from fineline.resources.sources.batches import Message, UnfitRowError

# OpenAI's role names on the right; ShareGPT's and Anthropic's transcripts use others.
ROLES = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "tool": "tool",
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


def conversation(value: Any, column: str) -> list[Message]:
    """Messages from a list of ``{role, content}`` or of ShareGPT's ``{from, value}``.

    Raises:
        UnfitRowError: it is no such list, a role is unknown, a content is no text, or there are tool calls.
    """
    if not isinstance(value, list) or not value:
        raise UnfitRowError(f"column {column} {what_is_wrong(value)}, not a list of messages")
    return [_message(each, f"column {column}, message {place}") for place, each in enumerate(value, start=1)]


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


def last_answer(messages: list[Message], column: str) -> tuple[list[Message], list[Message]]:
    """Split at the last message of the assistant: all before it, and it. What follows it has no answer."""
    places = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    if not places:
        raise UnfitRowError(f"column {column} has no message of the assistant")
    return messages[: places[-1]], [messages[places[-1]]]


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
    if value.get("tool_calls"):
        raise UnfitRowError(f"{place} holds tool calls, which are not read yet")
    role, content = value.get("role", value.get("from")), value.get("content", value.get("value"))
    # The role itself is not shown: where columns are mixed up it may be anything, also personal data.
    if not isinstance(role, str) or role not in ROLES:
        raise UnfitRowError(f"{place} has none of the roles {', '.join(ROLES)}")
    if not isinstance(content, str):
        raise UnfitRowError(f"{place} has a content that {what_is_wrong(content)}, not text")
    return {"role": ROLES[role], "content": content}
