"""What stands in the place of personal data that was found."""

from collections.abc import Sequence
from typing import NamedTuple

from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.pii.spans import Span, replace
from fineline.resources.data.scrubbing.pseudonyms import Pseudonyms


class Cleaned(NamedTuple):
    """A text without what was found in it, and the entity type of each replaced span in text order."""

    text: str
    entities: tuple[str, ...]


class Replacer:
    """Puts what the recipe asks for in the place of each span: ``<TYPE>``, or the value's pseudonym."""

    def __init__(self, section: Scrub, key: PseudonymKey) -> None:
        self._key = key
        self._pseudonyms = Pseudonyms(key)
        self._with_pseudonym = {entity for entity, form in section.replacement.items() if form == "pseudonym"}

    def clean(self, text: str, spans: Sequence[Span]) -> Cleaned:
        """Replace the spans, which are in order and do not overlap; all other text stays as it is."""

        def stand_in(span: Span) -> str:
            if span.entity in self._with_pseudonym:
                return self._pseudonyms.of(span.entity, text[span.start : span.end])
            return f"<{span.entity}>"

        return Cleaned(replace(text, spans, stand_in), tuple(span.entity for span in spans))

    def hashed(self, kind: str, value: str) -> str:
        """What stands for a name that ties records or values together: ``kind-`` and 16 hex digits of its hash.

        Equal values stay equal, so that groups stay; without the key nobody can tell which value it was.
        """
        return f"{kind}-{self._key.digest(kind, value).hex()[:16]}"
