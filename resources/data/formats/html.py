"""The text of an HTML fragment, as a reader of the page would see it."""

import re
from html.parser import HTMLParser

MARKED_SECTION = re.compile(r"<!\[[^>]*>?")
COMMENT_END = re.compile(r"--!?\s*>")
HIDDEN = {"script", "style", "template", "noscript", "head"}
BLOCKS = re.compile(
    "address|article|aside|blockquote|body|br|dd|div|dl|dt|fieldset|figcaption|figure|footer|form|h[1-6]|header|hr|html|"
    "li|main|nav|ol|p|pre|section|table|td|th|title|tr|ul"
)


def html_to_text(html: str) -> str:
    """Tags and hidden elements go, entities become characters, and blocks stand on lines of their own.

    White space inside ``pre`` stays; elsewhere a run of it is one space, as in a browser. Plain text loses what
    looks like a tag (``a<b``): use this only for HTML.
    """
    parser = _Text()
    # Sections such as Word's <![if …]>, of which the parser knows some and refuses the others.
    parser.feed(_closed(MARKED_SECTION.sub("", html)))
    parser.close()
    return re.sub(r"\n{3,}", "\n\n", "".join(parser.parts)).strip("\n")


def _closed(html: str) -> str:
    """The same, with what is never closed as text: from each such place, the parser would look for its end."""
    end = max((found.end() for found in COMMENT_END.finditer(html)), default=0)
    html = html[:end] + html[end:].replace("<!--", "&lt;!--")
    end = html.rfind(">") + 1
    return html[:end] + html[end:].replace("<", "&lt;")


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0
        self._verbatim = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # The end tag of a head may be left out.
        self._hidden = 0 if tag == "body" else self._hidden + (tag in HIDDEN)
        self._verbatim += tag == "pre"
        self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(self._hidden - (tag in HIDDEN), 0)
        self._verbatim = max(self._verbatim - (tag == "pre"), 0)
        self._break(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        if self._verbatim:
            self.parts.append(data)
            return
        text = re.sub(r"\s+", " ", data)
        self.parts.append(text.lstrip() if not self.parts or self.parts[-1].endswith(("\n", " ")) else text)

    def _break(self, tag: str) -> None:
        if self._hidden or not self.parts or not BLOCKS.fullmatch(tag):
            return
        wanted = "\n\n" if tag == "p" else "\n"
        before = self.parts[-1] = self.parts[-1].rstrip(" ")
        if before in ("\n", "\n\n") and tag != "br":
            self.parts[-1] = max(before, wanted)
        else:
            self.parts.append(wanted)
