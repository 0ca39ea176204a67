"""A JSON array, element by element, so that the file is never in memory as a whole."""

import codecs
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fineline.resources.data.formats.rows import MAXIMUM_RECORD, SourceError, is_too_deep

FIRST_READ = 2**16
UNKNOWN = object()
# A string is taken whole, so that brackets in it do not count; one that is cut off, up to the end.
BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z|\\\Z)|[\[\]{}]', re.DOTALL)
SPACE = re.compile(r"[ \t\r\n]*")
NO_ARRAY = "is no array of objects; write it as [{…}, {…}]. If it holds one object a line, give it the ending .jsonl"


def array_values(stream: io.BufferedReader, key: str) -> Iterator[tuple[Any, int]]:
    """The elements of the array in a UTF-8 stream, or TooDeep in their place, each with its length in characters.

    Raises:
        SourceError: the stream is no array, breaks off, or has an element of more than 16 Mi characters. An empty
            stream has no elements.
    """
    text = _Text(stream, key)
    if not text.peek():
        return
    if text.take() != "[":
        raise SourceError(f"{key} {NO_ARRAY}.")
    separator = text.take() if text.peek() == "]" else ","
    number = 0
    while separator == ",":
        number += 1
        yield text.value(number)
        separator = text.take()
    if separator != "]":
        raise text.problem("',' or ']' expected" if separator else "the array breaks off")
    if text.peek():
        raise text.problem("something follows the array")


@dataclass(frozen=True)
class TooDeep:
    """An element that is nested too deeply, as it is written."""

    written: str


def _end_of_nested(text: str, start: int) -> int | None:
    """Where the array or object ends that starts there, without taking it apart; None where it does not end."""
    depth = 0
    for found in BRACKET.finditer(text, start):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth == 0:
            return found.end()
    return None


class _Text:
    """A window of the decoded stream, and the place in it."""

    def __init__(self, stream: io.BufferedReader, key: str) -> None:
        self._stream, self._key = stream, key
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._decoder = json.JSONDecoder()
        self._window, self._place = "", 0
        self._lines_before = self._bytes_read = 0
        self._ended = False

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            found = SPACE.match(self._window, self._place)
            self._place = found.end() if found else self._place
            if self._place < len(self._window) or self._ended:
                return self._window[self._place : self._place + 1]
            self._read(FIRST_READ)

    def take(self) -> str:
        """The next character that is no white space, and the place after it."""
        character = self.peek()
        self._place += len(character)
        return character

    def value(self, number: int) -> tuple[Any, int]:
        """The next value, and its length."""
        self.peek()
        amount = FIRST_READ
        while True:
            # A value that reaches the window's end, such as a number, may go on after it.
            try:
                value, end = self._decoder.raw_decode(self._window, self._place)
                if end - self._place <= MAXIMUM_RECORD and (end < len(self._window) or self._ended):
                    break
            except json.JSONDecodeError as error:
                if self._ended:
                    raise self.problem(f"row {number}: {error.msg}", error.pos) from None
            except RecursionError:
                if (nested_end := _end_of_nested(self._window, self._place)) is not None:
                    value, end = UNKNOWN, nested_end
                    break
                if self._ended:
                    raise self.problem(f"row {number} is nested too deeply, and never ends") from None
            except ValueError:
                raise self.problem(f"row {number} holds a number that is too long") from None
            if len(self._window) - self._place > MAXIMUM_RECORD:
                raise self.problem(f"row {number} is broken, or longer than {MAXIMUM_RECORD >> 20} Mi characters")
            self._read(amount)
            amount *= 2
        written = self._window[self._place : end]
        self._place = end
        return (TooDeep(written) if value is UNKNOWN or is_too_deep(value) else value), len(written)

    def problem(self, what: str, place: int | None = None) -> SourceError:
        """What is wrong and where, without the text in which it is wrong."""
        line = self._lines_before + self._window.count("\n", 0, self._place if place is None else place) + 1
        return SourceError(f"{self._key} line {line}: {what}. Write the file again, or mend it there.")

    def _read(self, amount: int) -> None:
        new = self._stream.read(amount)
        undecoded = len(self._utf8.getstate()[0])
        try:
            text = self._utf8.decode(new, final=not new)
        except UnicodeDecodeError as error:
            byte = self._bytes_read - undecoded + error.start + 1
            raise SourceError(f"{self._key}: byte {byte} is not UTF-8. Save the file as UTF-8.") from None
        self._bytes_read += len(new)
        self._ended = not new
        self._lines_before += self._window.count("\n", 0, self._place)
        self._window, self._place = self._window[self._place :] + text, 0
