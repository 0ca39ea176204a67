"""The normal form of texts: encoding, Unicode form, line ends, control characters, surrounding space.

Inside a line, only broken encoding, composed letters and control characters change: indentation, runs of spaces,
typographic quotes and full-width letters stay as they are.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import partial

import ftfy
from ftfy.badness import is_bad

from fineline.resources.data.formats.html import html_to_text

LINE_END = re.compile("\r\n?")
# C0 but tab and line feed, DEL, byte order marks and the like; marks of direction and joiners of emoji stay.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufeff\ufff9-\ufffb]")
# These are as often Windows' curly quotes and dashes as control characters, so ftfy sees them first.
UPPER_CONTROL = re.compile("[\x80-\x9f]")
# ftfy calls no text without these badly decoded (held by a test), but takes ten times as long to find out.
SUSPECT = re.compile("[^\x00-\x7f]{2}|[\x80-\x9fÂÃŒœ]")
BLANK_LINES = re.compile(r"\A(?:[^\S\n]*\n)+")
INDENTED_LINE = re.compile(r"\n[ \t]+\S")
# HTML entities, quotes, ligatures and letter widths are the author's; only what was decoded wrongly is mended.
MEND = ftfy.TextFixerConfig(unescape_html=False)


def normalise(text: str, *, strip_html: bool = False) -> tuple[str, frozenset[str]]:
    """The text in normal form, and the kinds of change that it took.

    A second pass changes nothing more, except with ``strip_html``: a first pass may turn ``&lt;b&gt;`` into a tag.
    """
    kinds: set[str] = set()
    if strip_html and ("<" in text or "&" in text):
        text, before = html_to_text(text), text
        kinds |= {"html"} if text != before else set()
    if text.isascii() and text == text.strip() and not CONTROL.search(text):
        return text, frozenset(kinds)
    text, found = _once(text)
    kinds |= found
    # What one step takes away can bring together what another mends.
    while found - {"line ends", "surrounding space"}:
        text, found = _once(text)
        kinds |= found
    return text, frozenset(kinds)


def _once(text: str) -> tuple[str, set[str]]:
    kinds = set()
    for kind, step in STEPS:
        changed = step(text)
        if changed != text:
            kinds.add(kind)
            text = changed
    return text, kinds


def _with_mended_encoding(text: str) -> str:
    if text.isascii() or not SUSPECT.search(text) or not is_bad(text):
        return text
    return "\n".join(line if line.isascii() else ftfy.fix_encoding(line, MEND) for line in text.split("\n"))


def _without_surrounding_space(text: str) -> str:
    """Blank lines and spaces around the text go; the first line's indentation stays where others have one."""
    text = BLANK_LINES.sub("", text.rstrip())
    return text if INDENTED_LINE.search(text) else text.lstrip()


STEPS: Sequence[tuple[str, Callable[[str], str]]] = [
    ("line ends", partial(LINE_END.sub, "\n")),
    ("control characters", partial(CONTROL.sub, "")),
    ("encoding", _with_mended_encoding),
    ("control characters", lambda text: text if text.isascii() else UPPER_CONTROL.sub("", text)),
    ("unicode form", partial(unicodedata.normalize, "NFC")),
    ("surrounding space", _without_surrounding_space),
]
