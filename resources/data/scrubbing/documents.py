"""The texts of a record: reading them from its columns and from JSON, and putting scrubbed ones back."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from fineline.data_contracts.messages import MESSAGE_COLUMNS
from fineline.resources.data.scrubbing.replacement import Cleaned

JSON_COLUMNS = ("tools", "metadata")
NAME_COLUMNS = ("label", "group")

# In JSON a quotation mark outside a string always opens one; a string before a colon is a key.
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|[{}\[\]]', re.DOTALL)
_EMBEDDED = re.compile(r"<tool_call>(.*?)</tool_call>|^```json\n(.*?)^```", re.DOTALL | re.MULTILINE)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_DECODER = json.JSONDecoder(strict=False)

Row = Mapping[str, Any]


class Fragment(NamedTuple):
    """A running text, and the context that tells its meaning: for a value in JSON its key, such as ``author: ``."""

    text: str
    context: str = ""


class _Value(NamedTuple):
    """A string of a JSON document: its place, quotation marks included, its text, and the key that it belongs to."""

    start: int
    end: int
    text: str
    key: str
    is_key: bool


def fragments(row: Row) -> Iterator[Fragment]:
    """All running text of a row: messages, and the string values of JSON."""
    for column in MESSAGE_COLUMNS:
        for message in row[column] or ():
            for part, json_part in _parts(message["content"]):
                yield from _fragments_of(part) if json_part else [Fragment(part)]
    for column in JSON_COLUMNS:
        if row[column] is not None:
            yield from _fragments_of(row[column])


def identifiers(row: Row) -> Iterator[str]:
    """Label and group, where the row has them, and the keys of its JSON."""
    yield from (row[column] for column in NAME_COLUMNS if row[column] is not None)
    contents = [message["content"] for column in MESSAGE_COLUMNS for message in row[column] or ()]
    documents = [part for content in contents for part, json_part in _parts(content) if json_part]
    documents += [row[column] for column in JSON_COLUMNS if row[column] is not None]
    yield from (value.text for document in documents for value in _strings(document) if value.is_key)


def is_json(text: str) -> bool:
    """Whether a text is a JSON object or array as a whole."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def rewrite(
    row: Row,
    cleaned: Mapping[Fragment, Cleaned],
    cleaned_identifiers: Mapping[str, Cleaned],
    hashed: Callable[[str, str], str],
) -> tuple[dict[str, Any], list[str]]:
    """The row with all its text scrubbed, and the entity types of the replaced spans.

    ``hashed`` returns the replacement of a label, a group or a JSON key that holds personal data.
    """
    replaced: list[str] = []

    def clean(fragment: Fragment) -> str:
        replaced.extend(cleaned[fragment].entities)
        return cleaned[fragment].text

    def clean_name(kind: str, name: str) -> str:
        if entities := cleaned_identifiers[name].entities:
            replaced.extend(entities)
            return hashed(kind, name)
        return name

    def clean_json(document: str) -> str:
        return _rewrite_json(document, clean, lambda name: clean_name("key", name))

    def clean_content(content: str) -> str:
        parts = _parts(content)
        return "".join(clean_json(part) if json_part else clean(Fragment(part)) for part, json_part in parts)

    new: dict[str, Any] = dict(row)
    for column in MESSAGE_COLUMNS:
        if row[column] is not None:
            new[column] = [{**message, "content": clean_content(message["content"])} for message in row[column]]
    for column in JSON_COLUMNS:
        if row[column] is not None:
            new[column] = clean_json(row[column])
    for column in NAME_COLUMNS:
        if row[column] is not None:
            new[column] = clean_name("group", row[column])
    return new, replaced


def _parts(content: str) -> list[tuple[str, bool]]:
    """A message cut into text and JSON (true): the whole message, or the JSON in its tool calls and fenced blocks."""
    if is_json(content):
        return [(content, True)]
    if "<tool_call>" not in content and "```json" not in content:
        return [(content, False)]
    parts: list[tuple[str, bool]] = []
    end = 0
    for match in _EMBEDDED.finditer(content):
        start, stop = match.span(match.lastindex or 0)
        if is_json(content[start:stop]):
            parts += [(content[end:start], False), (content[start:stop], True)]
            end = stop
    return [*parts, (content[end:], False)]


def _strings(document: str) -> Iterator[_Value]:
    """The keys and string values of a JSON document in order. The items of a list have the list's key."""
    keys = [""]
    for match in _TOKEN.finditer(document):
        if match[1] is None:
            if match[0] in "{[":
                keys.append(keys[-1])
            elif len(keys) > 1:
                keys.pop()
            continue
        text = match[1][1:-1]
        if "\\" in text:
            # UTF-8, in which the analyzer reads, has no lone surrogates.
            text = _LONE_SURROGATE.sub("\ufffd", _DECODER.decode(match[1]))
        if match[2] is not None:
            keys[-1] = text
        yield _Value(*match.span(1), text, keys[-1], match[2] is not None)


def _fragment(value: _Value) -> Fragment:
    # The value of "name" is often that of a tool, and as a context would make it a person's.
    return Fragment(value.text, f"{value.key}: " if value.key not in ("", "name") else "")


def _fragments_of(document: str) -> Iterator[Fragment]:
    yield from (_fragment(value) for value in _strings(document) if not value.is_key)


def _rewrite_json(document: str, clean: Callable[[Fragment], str], clean_key: Callable[[str], str]) -> str:
    """Rewrite the strings that change; numbers, order and white space stay byte for byte."""
    parts: list[str] = []
    end = 0
    for value in _strings(document):
        new = clean_key(value.text) if value.is_key else clean(_fragment(value))
        if new != value.text:
            parts += [document[end : value.start], json.dumps(new, ensure_ascii=False)]
            end = value.end
    return "".join([*parts, document[end:]])
