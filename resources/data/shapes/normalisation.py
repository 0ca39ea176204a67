"""Bringing texts into one form: encoding, Unicode form, line ends, control characters, surrounding space.

Nothing inside a line but broken encoding, composed letters and control characters is touched: indentation, runs of
spaces, typographic quotes and full-width letters stay as they are.
"""

import re
import unicodedata

import ftfy
from ftfy.badness import is_bad

from fineline.resources.data.formats.html import html_to_text

LINE_END = re.compile("\r\n?")
# C0 but tab and line feed, DEL, byte order marks and the like; marks of direction and joiners of emoji stay.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufeff\ufff9-\ufffb]")
# Windows' curly quotes and dashes as often as control characters, so ftfy sees them first.
UPPER_CONTROL = re.compile("[\x80-\x9f]")
# Without these there is no text that ftfy calls badly decoded (held by a test); it takes ftfy ten times as long.
SUSPECT = re.compile("[^\x00-\x7f]{2}|[\x80-\x9fÂÃŒœ]")
BLANK_LINES = re.compile(r"\A(?:[^\S\n]*\n)+")
INDENTED_LINE = re.compile(r"\n[ \t]+\S")
# HTML entities, quotes, ligatures and letter widths are the author's; only what was decoded wrongly is mended.
MEND = ftfy.TextFixerConfig(unescape_html=False)

HTML = "html"
LINE_ENDS = "line ends"
CONTROL_CHARACTERS = "control characters"
ENCODING = "encoding"
UNICODE_FORM = "unicode form"
SURROUNDING_SPACE = "surrounding space"


def normalise(text: str, *, strip_html: bool = False) -> tuple[str, frozenset[str]]:
    """The text in normal form, and the kinds of change that it took.

    Done twice it changes nothing more (but for ``strip_html``: text may speak of tags that an earlier pass
    brought to light).
    """
    kinds: set[str] = set()
    if strip_html and ("<" in text or "&" in text):
        text = _noted(html_to_text(text), text, HTML, kinds)
    if text.isascii() and text == text.strip() and not CONTROL.search(text):
        return text, frozenset(kinds)
    text, found = _once(text)
    kinds |= found
    # What one step takes away can bring together what another mends.
    while found - {LINE_ENDS, SURROUNDING_SPACE}:
        text, found = _once(text)
        kinds |= found
    return text, frozenset(kinds)


def _once(text: str) -> tuple[str, set[str]]:
    kinds: set[str] = set()
    text = _noted(LINE_END.sub("\n", text), text, LINE_ENDS, kinds)
    text = _noted(CONTROL.sub("", text), text, CONTROL_CHARACTERS, kinds)
    if not text.isascii():
        if SUSPECT.search(text) and is_bad(text):
            text = _noted("\n".join(map(_mended, text.split("\n"))), text, ENCODING, kinds)
        text = _noted(UPPER_CONTROL.sub("", text), text, CONTROL_CHARACTERS, kinds)
        if not unicodedata.is_normalized("NFC", text):
            text = _noted(unicodedata.normalize("NFC", text), text, UNICODE_FORM, kinds)
    return _noted(_without_surrounding_space(text), text, SURROUNDING_SPACE, kinds), kinds


def _noted(new: str, old: str, kind: str, kinds: set[str]) -> str:
    if new != old:
        kinds.add(kind)
    return new


def _mended(line: str) -> str:
    return line if line.isascii() else ftfy.fix_encoding(line, MEND)


def _without_surrounding_space(text: str) -> str:
    """Blank lines and spaces around the text go; the first line's indentation stays where others have one."""
    text = BLANK_LINES.sub("", text.rstrip())
    return text if INDENTED_LINE.search(text) else text.lstrip()
