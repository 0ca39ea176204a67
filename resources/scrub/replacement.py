"""What stands in the place of personal data that was found."""

from collections.abc import Sequence
from typing import NamedTuple

from fineline.resources.recipe_data import Scrub
from fineline.resources.scrub.spans import Span, replace


class Cleaned(NamedTuple):
    """A text without what was found in it, and the entity type of each replaced span in text order."""

    text: str
    entities: tuple[str, ...]


class Replacer:
    """Puts what the recipe asks for in the place of each span."""

    def __init__(self, section: Scrub) -> None:
        self._section = section

    def clean(self, text: str, spans: Sequence[Span]) -> Cleaned:
        """Put ``<TYPE>`` for each span; the spans are in order and do not overlap."""
        cleaned = replace(text, spans, lambda span: f"<{span.entity}>")
        return Cleaned(cleaned, tuple(span.entity for span in spans))
