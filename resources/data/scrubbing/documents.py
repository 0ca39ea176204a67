"""The texts of a record in its columns and in JSON: each passes through a function, and all else stays as it is."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from fineline.data_contracts.messages import MESSAGE_COLUMNS

JSON_COLUMNS = ("tools", "metadata")
NAME_COLUMNS = ("label", "group")

# In JSON a quotation mark outside a string always opens one; a string before a colon is a key.
_TOKEN = re.compile(r'("[^"\\]*+(?:\\.[^"\\]*+)*+")(\s*+:)?|[{}\[\]]', re.DOTALL)
_OPENING = re.compile(r"<tool_call>|^```json(?=\n)", re.MULTILINE)
_CLOSING = {"<tool_call>": "</tool_call>", "```json": "\n```"}
# A longer key says no more about its value, and would be analysed with each.
_LONGEST_CONTEXT = 100
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_DECODER = json.JSONDecoder(strict=False)

Row = Mapping[str, Any]


class Fragment(NamedTuple):
    """A running text, and the context that tells its meaning: for a value in JSON its key, such as ``author: ``."""

    text: str
    context: str = ""


Clean = Callable[[Fragment], str]
Rename = Callable[[str, str], str]


def read(rows: Iterable[Row]) -> tuple[list[Fragment], list[str]]:
    """The distinct running texts of rows, and their distinct identifiers, see :func:`rewrite`."""
    fragments: dict[Fragment, None] = {}
    identifiers: dict[str, None] = {}

    def note(fragment: Fragment) -> str:
        fragments[fragment] = None
        return fragment.text

    def note_name(kind: str, name: str) -> str:
        identifiers[name] = None
        return name

    for row in rows:
        rewrite(row, note, note_name)
    return list(fragments), list(identifiers)


def rewrite(row: Row, clean: Clean, rename: Rename) -> dict[str, Any]:
    """The row with ``clean(fragment)`` for each running text and ``rename(kind, name)`` for each identifier.

    Running text are messages, and the string values of JSON. Identifiers are label and group (both of the kind
    ``group``), where the row has them, and the keys of JSON (``key``).
    """
    new = dict(row)
    for column in MESSAGE_COLUMNS:
        if row[column] is not None:
            new[column] = [
                {**message, "content": _rewrite_content(message["content"], clean, rename)} for message in row[column]
            ]
    for column in JSON_COLUMNS:
        if row[column] is not None:
            new[column] = _rewrite_json(row[column], clean, rename)
    for column in NAME_COLUMNS:
        if row[column] is not None:
            new[column] = rename("group", row[column])
    return new


def _rewrite_content(content: str, clean: Clean, rename: Rename) -> str:
    """Rewrite a message: as JSON where all of it is, else as text, with the JSON in tool calls and fenced blocks."""
    if is_json(content):
        return _rewrite_json(content, clean, rename)
    if "<tool_call>" not in content and "```json" not in content:
        return clean(Fragment(content))
    parts: list[str] = []
    end = 0
    for start, stop in _embedded(content):
        if is_json(content[start:stop]):
            parts += [clean(Fragment(content[end:start])), _rewrite_json(content[start:stop], clean, rename)]
            end = stop
    return "".join([*parts, clean(Fragment(content[end:]))])


def _embedded(content: str) -> Iterator[tuple[int, int]]:
    """Start and end of what stands in each tool call and in each fenced block of JSON, also where it is none."""
    closings = dict(_CLOSING)
    end = 0
    while opening := _OPENING.search(content, end):
        end = opening.end()
        closing = closings.get(opening[0])
        if closing is None:
            continue
        stop = content.find(closing, end)
        if stop < 0:
            # There is none farther on either, so that no later opening is searched for it.
            del closings[opening[0]]
        else:
            line_end = closing.startswith("\n")
            yield end + line_end, stop + line_end
            end = stop + len(closing)


def is_json(text: str) -> bool:
    """Whether a text is a JSON object or array as a whole."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _rewrite_json(document: str, clean: Clean, rename: Rename) -> str:
    """Rewrite the strings that change; numbers, order and white space stay byte for byte.

    The context of a value is its key, for the items of a list that of the list.
    """
    keys = [""]

    def rewrite_token(match: re.Match[str]) -> str:
        quoted, colon = match.groups()
        if quoted is None:
            if match[0] in "{[":
                keys.append(keys[-1])
            elif len(keys) > 1:
                keys.pop()
            return match[0]
        text = quoted[1:-1]
        if "\\" in text:
            # UTF-8, in which the analyzer reads, has no lone surrogates.
            text = _LONE_SURROGATE.sub("\ufffd", _DECODER.decode(quoted))
        if colon is not None:
            keys[-1] = text
            new = rename("key", text)
        else:
            # The value of "name" is often that of a tool, and as a context would make it a person's.
            tells = keys[-1] not in ("", "name") and len(keys[-1]) <= _LONGEST_CONTEXT
            new = clean(Fragment(text, f"{keys[-1]}: " if tells else ""))
        return match[0] if new == text else json.dumps(new, ensure_ascii=False) + (colon or "")

    return _TOKEN.sub(rewrite_token, document)
