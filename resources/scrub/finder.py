"""Finding personal data in texts."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import cast

from presidio_analyzer.nlp_engine import NlpArtifacts
from spacy.language import Language
from spacy.tokens import Doc

from fineline.resources.recipe_data import Scrub
from fineline.resources.scrub.credentials import NECESSARY as SECRET_NECESSARY
from fineline.resources.scrub.credentials import without_hosts
from fineline.resources.scrub.engine import LANGUAGE, LoadedSpacyEngine, build_analyzer, load_spacy
from fineline.resources.scrub.names import NameFilter
from fineline.resources.scrub.plausible import is_plausible
from fineline.resources.scrub.spans import Span, resolve, trim

# What a text must contain for a recognizer to find anything in it. Cheap to test, so that most recognizers
# are not run on most texts; entity types that are not named here are looked for everywhere.
_NECESSARY = {
    "PERSON": re.compile(r"[^\W\d_a-z]"),
    "EMAIL_ADDRESS": re.compile("@"),
    "PHONE_NUMBER": re.compile(r"\d(?:\D{0,4}\d){6}"),
    "CREDIT_CARD": re.compile(r"\d(?:[- ]?\d){11}"),
    "IBAN_CODE": re.compile(r"[A-Z]{2}[ -]?\d{2}"),
    "IP_ADDRESS": re.compile(r"\d\.\d|:[0-9A-Fa-f]{0,4}:"),
    "US_SSN": re.compile(r"\d(?:[- .]?\d){8}"),
    "SECRET": SECRET_NECESSARY,
}
_PROPER_NOUNS = {"NNP", "NNPS"}


class Finder:
    """Finds the section's entity types in texts; building one takes seconds.

    Raises ScrubError where the model is not installed or an entity type is unknown.
    """

    def __init__(self, section: Scrub) -> None:
        self._section = section
        self._nlp = load_spacy(section.spacy_model)
        self._nlp_engine = LoadedSpacyEngine(self._nlp)
        self._analyzer = build_analyzer(section, self._nlp_engine)
        self._model_entities = set(self._nlp_engine.get_supported_entities())

    def find(self, texts: Sequence[str], *, patterns_only: bool = False) -> list[list[Span]]:
        """The spans to replace in each text, in text order and without overlap.

        ``patterns_only`` leaves out what the model sees in running text, such as names.
        """
        possible = [self._possible(text, patterns_only) for text in texts]
        found: list[list[Span]] = [[] for _ in texts]
        for with_model in (True, False):
            chosen: list[tuple[str, object]] = [
                (texts[index], index)
                for index, entities in enumerate(possible)
                if entities and with_model != self._model_entities.isdisjoint(entities)
            ]
            with self._nlp.select_pipes(disable=[] if with_model else ["ner"]):
                batch = self._nlp_engine.process_batch(chosen, LANGUAGE, batch_size=64, as_tuples=True)
                for text, artifacts, index in cast(Iterator[tuple[str, NlpArtifacts, int]], batch):
                    found[index] = self._spans(text, artifacts, possible[index])
        return found

    def _possible(self, text: str, patterns_only: bool) -> list[str]:
        return [
            entity
            for entity in self._section.entities
            if (entity not in _NECESSARY or _NECESSARY[entity].search(text))
            and not (patterns_only and entity in self._model_entities)
        ]

    def _spans(self, text: str, artifacts: NlpArtifacts, entities: list[str]) -> list[Span]:
        results = self._analyzer.analyze(
            text,
            LANGUAGE,
            entities=entities,
            score_threshold=self._section.score_threshold,
            nlp_artifacts=artifacts,
        )
        name_filter = NameFilter(text, _Tagger(self._nlp, artifacts.tokens).is_proper_noun)
        spans: list[Span] = []
        for found in results:
            span = Span(found.start, found.end, found.entity_type, found.score)
            if span.entity == "PERSON":
                spans += name_filter.names(span)
            elif span.entity in self._model_entities:
                spans.append(trim(text, span))
            elif is_plausible(text, span):
                spans.append(span)
        return resolve(text, without_hosts(spans))


class _Tagger:
    """The model's tagger over one document; it runs when it is first asked."""

    def __init__(self, nlp: Language, doc: Doc) -> None:
        self._nlp = nlp
        self._doc = doc
        self._tagged = False

    def is_proper_noun(self, offset: int) -> bool:
        """Whether the token at a character offset is a proper noun; true for a model without tagger."""
        if "tagger" not in self._nlp.component_names:
            return True
        if not self._tagged:
            for pipe in ("tok2vec", "tagger"):
                if pipe in self._nlp.disabled:
                    self._nlp.get_pipe(pipe)(self._doc)
            self._tagged = True
        token = bisect_right(self._doc, offset, key=lambda token: token.idx) - 1
        return self._doc[token].tag_ in _PROPER_NOUNS
