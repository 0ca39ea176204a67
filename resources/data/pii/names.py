"""Cuts the spans that a model labels as persons down to names.

The model was trained on news, so in technical text it takes classes, commands, packages and the verb at the
start of a sentence for persons. A span is cut into runs of name-shaped words, and a run is dropped

- where it is part of an identifier: ``queue.Queue``, ``Mock()``, ``aws_KEY``, ``@handle``, ``$HOME``;
- where it has no capitalised word, is a single word in capitals only, holds a capitalised word of Python
  (``False``, ``TypeError``), or is made of names of widely known technologies;
- where the same text also writes each of its words in lower case (``Ruff`` beside ``pip install ruff``);
- where a single word stands in code, in back quotes or in a URL;
- where no word of it is, to the model's own tagger, a proper noun ("Convert", "Raises").

A name that is kept is extended by the proper nouns beside it: models often find only half of an unusual name.
"""

import builtins
import keyword
import re
from collections.abc import Callable
from functools import cached_property

from fineline.resources.data.pii.spans import Span

# Scottish, Irish and Romance prefixes are the only capitals within a name; PyTorch and LoRA are no names.
_CAPITALISED = r"(?:(?:Mc|Mac|De|Di|Du|La|Le|Van|Von|Fitz|St|[ODL]['’])?[^\W\d_a-z][^\W\d_A-Z]+)"
_CAPITALS = r"(?:[^\W\d_a-z]{2,})"
_INITIALS = r"(?:(?:[^\W\d_a-z]\.[ -]?){0,5}[^\W\d_a-z]\.)"
_PARTICLE = r"(?:van|von|der|den|de|del|della|di|da|do|dos|la|le|el|al|bin|ibn|ben|ter|ten|zu|zum|y)"
_WORD = rf"(?:{_CAPITALISED}|{_CAPITALS})"
_NAME_WORD = rf"{_WORD}(?:[-'’]{_WORD})*"
_RUN = re.compile(
    rf"(?:{_INITIALS}[ \t]*)?{_NAME_WORD}"
    rf"(?:[ \t]+(?:(?:{_PARTICLE}[ \t]+){{0,2}}(?:{_NAME_WORD}|{_INITIALS}|[^\W\d_a-z]\b)))*"
)
_NEXT = re.compile(rf"[ \t]+({_NAME_WORD})")
_PREVIOUS = re.compile(rf"(?<![^\s(\[\"'>*])({_NAME_WORD})[ \t]+\Z")
_LONGEST_WORD = 40
_SHORTEST_LOWER = 3
_LETTERS = re.compile(r"[^\W\d_]+")
_CODE = re.compile(
    r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|``?[^`\n]+``?|\b\w++://[^\s<>\"')\]]+|www\.\S+"
    r"|^[ \t]*(?:>>>|\.\.\.|\$)[ \t][^\n]*",
    re.DOTALL | re.MULTILINE,
)
_PYTHON_WORDS = frozenset(word for word in [*keyword.kwlist, *dir(builtins)] if word[0].isupper())

_TECHNOLOGIES = {
    *("Apache", "Bash", "Django", "Docker", "Excel", "Fortran", "Git", "Github", "Java", "Jupyter", "Linux", "Matlab"),
    *("Maven", "Numpy", "Pandas", "Perl", "Python", "Redis", "Rust", "Scala", "Solaris", "Spark", "Sphinx", "Sqlite"),
    *("Ubuntu", "Unicode", "Unix", "Windows"),
}
_JOINED_BEFORE = re.compile(r"[\w$@#\\/%.+-]\Z|::\Z|--\Z")
_JOINED_AFTER = re.compile(r"[\w@\\/=+]|\(|\[\D|[.:-][^\W_]|[.:]_|::")


class NameFilter:
    """Cuts the person spans of one text down to names. ``is_proper_noun`` judges the word at an offset."""

    def __init__(self, text: str, is_proper_noun: Callable[[int], bool]) -> None:
        self._text = text
        self._is_proper_noun = is_proper_noun

    @cached_property
    def _code(self) -> list[tuple[int, int]]:
        return [match.span() for match in _CODE.finditer(self._text)]

    @cached_property
    def _lower_words(self) -> frozenset[str]:
        # Addresses are left out: "Jane" stays a name beside jane@example.org.
        words = " ".join(word for word in self._text.split() if "@" not in word)
        return frozenset(filter(str.islower, _LETTERS.findall(words)))

    def names(self, span: Span, *, lower_case: bool = False) -> list[Span]:
        """The parts of a span that are names, in text order.

        With ``lower_case`` a span without capitals is one name, unless it is part of an identifier or of code.
        """
        if lower_case and self._text[span.start : span.end].islower():
            within = self._is_joined(span.start, span.end) or self._is_code(span.start)
            return [] if within or span.end - span.start < _SHORTEST_LOWER else [span]
        runs = (match.span() for match in _RUN.finditer(self._text, span.start, span.end))
        names = [self._extended(start, end) for start, end in runs if self._is_name(start, end)]
        return [span._replace(start=start, end=end) for start, end in names]

    def _extended(self, start: int, end: int) -> tuple[int, int]:
        while (word := _NEXT.match(self._text, end)) and self._is_name(*word.span(1)):
            end = word.end()
        earliest = max(0, start - _LONGEST_WORD)
        while (word := _PREVIOUS.search(self._text[earliest:start])) and self._is_name(
            earliest + word.start(1), earliest + word.end(1)
        ):
            start = earliest + word.start(1)
            earliest = max(0, start - _LONGEST_WORD)
        return start, end

    def _is_name(self, start: int, end: int) -> bool:
        run = self._text[start:end]
        words = _LETTERS.findall(run)
        full_words = [word for word in words if len(word) > 1]
        if not any(word[0].isupper() for word in full_words) or not _PYTHON_WORDS.isdisjoint(full_words):
            return False
        if self._is_joined(start, end):
            return False
        if all(word in _TECHNOLOGIES or word.lower() in self._lower_words for word in full_words):
            return False
        if len(words) == 1 and (run.isupper() or self._is_code(start)):
            return False
        return any(self._is_proper_noun(start + match.start()) for match in _LETTERS.finditer(run))

    def _is_joined(self, start: int, end: int) -> bool:
        before, after = self._text[max(0, start - 2) : start], self._text[end : end + 2]
        return bool(_JOINED_BEFORE.search(before) or _JOINED_AFTER.match(after))

    def _is_code(self, offset: int) -> bool:
        return any(start <= offset < end for start, end in self._code)
