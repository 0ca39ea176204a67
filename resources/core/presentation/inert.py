"""Text from outside, made inert: for people it is text, and never a control, a link, an image or markup.

Text of rows, names of files and columns, answers of models and messages of libraries come from outside. ``inert`` and
``inert_lines`` are for all places, ``unlinked`` for those that make links of addresses by themselves (the log in the
UI, Slack), ``as_markdown`` for those that read Markdown (descriptions in the UI, the model card).
"""

import re

from fineline.resources.core.redaction import redacted

# Seen by nobody, though Unicode counts them as letters, marks or symbols: fillers, joiners, and variation selectors
# but the one that makes an emoji of a sign.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0e\uffa0\U000e0100-\U000e01ef]"
)
# Seen by what they do: joiners and breaks of words in scripts from Arabic to Khmer, joiners within an emoji, and emoji
# that are newer than this Python.
_SEEN = re.compile(
    "(?<=[\u0600-\u109f\u1780-\u18af])[\u200b-\u200d]"
    "|(?<=[\ufe0f\u2190-\u2bff\U0001f000-\U0001faff])\u200d(?=[\u2190-\u2bff\U0001f000-\U0001faff])"
    "|[\U0001f000-\U0001faff]"
)
_SPACE = re.compile(r"[^\S ]")
_ADDRESS = re.compile(r"((?:https?|ftps?|wss?|file)(?=:[/\\])|www(?=\.)|(?=@[\w-]))(.)", re.IGNORECASE)
# An underscore between letters begins no emphasis: it stays as it is in the names of assets.
_MARKUP = re.compile(r"[\\`*\[\]<>|~$]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
# An escaped backslash before a bracket begins a formula on a model hub.
_FORMULA = re.compile(r"\\(?=[()\[\]])")
_BLOCK = re.compile(r"^(?:(?=[#+=-])|\d{1,9}(?=[.)](?:\s|$)))")


def inert(text: str) -> str:
    """One line in which everything is seen: white space is a space, and what is not seen is written as its escape.

    It shows no secret: what escapes change would not be recognised as one later.
    """
    return _inert(redacted(text))


def _inert(text: str) -> str:
    text = _SPACE.sub(" ", text)
    if text.isprintable() and _UNSEEN.search(text) is None:
        return text
    seen = {found.start() for found in _SEEN.finditer(text)}
    return "".join(
        each if at in seen or (each.isprintable() and not _UNSEEN.match(each)) else _escape(each)
        for at, each in enumerate(text)
    )


def inert_lines(text: str) -> str:
    """Lines in each of which everything is seen."""
    return "\n".join(map(_inert, redacted(text).split("\n")))


def unlinked(text: str) -> str:
    """Inert lines in which no address is one to click at: ``https[:]//example.org``."""
    return _ADDRESS.sub(r"\1[\2]", inert_lines(text))


def as_markdown(text: str) -> str:
    """A line of Markdown that shows the text as it is, for a description or the cell of a table."""
    line = _MARKUP.sub(r"\\\g<0>", _FORMULA.sub("\0", " ".join(inert(text).split()))).replace("\0", "&#92;")
    return _ADDRESS.sub(r"\1\\[\2\\]", _BLOCK.sub(r"\g<0>\\", line))


def from_markdown(line: str) -> str:
    """The text of which :func:`as_markdown` made a line, without addresses to click at."""
    return re.sub(r"\\([^\w\s])|&#92;", lambda found: found[1] or "\\", line)


def fenced(text: str, language: str) -> str:
    """A Markdown block of code that nothing in the text ends."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{inert_lines(text)}\n{fence}"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
