"""The texts of a record: where they stand in its columns, and how cleaned ones are put back."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fineline.resources.scrub.replacement import Cleaned

MESSAGES = ("prompt", "completion", "rejected")
JSON = ("tools", "metadata")
IDENTIFIERS = ("label", "group")

# In JSON a quotation mark outside a string always opens one; a string before a colon is a key.
_JSON_STRING = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?', re.DOTALL)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

Row = Mapping[str, Any]


def texts(row: Row) -> Iterator[str]:
    """All running text of a row: messages and the string values of JSON."""
    for column in MESSAGES:
        for message in row[column] or ():
            yield message["content"]
    for column in JSON:
        if row[column] is not None:
            yield from (value for _, value in _json_values(row[column]))


def identifiers(row: Row) -> Iterator[str]:
    """Label and group, where the row has them."""
    yield from (row[column] for column in IDENTIFIERS if row[column] is not None)


def rewrite(
    row: Row, cleaned: Mapping[str, Cleaned], cleaned_identifiers: Mapping[str, Cleaned]
) -> tuple[dict[str, Any], list[str]]:
    """The row with all its text cleaned, and the entity types of the spans that were replaced."""
    replaced: list[str] = []

    def clean(text: str) -> str:
        replaced.extend(cleaned[text].entities)
        return cleaned[text].text

    new: dict[str, Any] = dict(row)
    for column in MESSAGES:
        if row[column] is not None:
            new[column] = [{**message, "content": clean(message["content"])} for message in row[column]]
    for column in JSON:
        if row[column] is not None:
            new[column] = _rewrite_json(row[column], clean)
    for column in IDENTIFIERS:
        if row[column] is not None and (entities := cleaned_identifiers[row[column]].entities):
            replaced.extend(entities)
            new[column] = pseudonym(row[column])
    return new, replaced


def pseudonym(identifier: str) -> str:
    """What stands for a label or group that holds personal data: equal values stay equal, so groups stay.

    The hash has no key: who knows a value can tell that it was there.
    """
    return "group-" + hashlib.blake2b(identifier.encode(), digest_size=8).hexdigest()


def _json_values(document: str) -> Iterator[tuple[re.Match[str], str]]:
    for match in _JSON_STRING.finditer(document):
        if match[2] is None:
            # UTF-8, in which the analyzer reads, has no lone surrogates.
            yield match, _LONE_SURROGATE.sub("\ufffd", json.loads(match[1]))


def _rewrite_json(document: str, clean: Callable[[str], str]) -> str:
    """Only strings that change are written anew; keys, numbers, order and white space stay byte for byte."""
    parts: list[str] = []
    end = 0
    for match, value in _json_values(document):
        if (new := clean(value)) != value:
            parts += [document[end : match.start()], json.dumps(new, ensure_ascii=False)]
            end = match.end()
    return "".join([*parts, document[end:]])
