"""Finding personal data in a batch of texts, by two models and by patterns."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from spacy.tokens import Doc

from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.pii.addresses import ENTITY as STREET_ADDRESS
from fineline.resources.data.pii.addresses import addresses
from fineline.resources.data.pii.analyzer import LANGUAGE, LoadedSpacyEngine, build_analyzer, load_spacy
from fineline.resources.data.pii.ensemble import Ensemble
from fineline.resources.data.pii.false_positives import is_false_positive
from fineline.resources.data.pii.names import NameFilter
from fineline.resources.data.pii.rampart import Rampart
from fineline.resources.data.pii.recognizers import PERSON_CUE
from fineline.resources.data.pii.secrets import NECESSARY as SECRET_NECESSARY
from fineline.resources.data.pii.secrets import without_hosts
from fineline.resources.data.pii.spans import Span, resolve, trim
from fineline.resources.data.pii.triage import given_names, may_hold_address, may_name_someone

# What a text must contain for a recognizer to find anything in it. These are cheap to test, so that most recognizers
# do not run on most texts. Entity types that are not named here are looked for everywhere.
_NECESSARY = {
    "EMAIL_ADDRESS": re.compile("@"),
    "PHONE_NUMBER": re.compile(r"\d(?:\D{0,4}\d){6}"),
    "CREDIT_CARD": re.compile(r"\d(?:[- ]?\d){11}"),
    "IBAN_CODE": re.compile(r"[A-Z]{2}[ -]?\d{2}", re.IGNORECASE),
    "IP_ADDRESS": re.compile(r"\d\.\d|:[0-9A-Fa-f]{0,4}:"),
    "US_SSN": re.compile(r"\d(?:[- .]?\d){8}"),
    "PERSON": PERSON_CUE,
    "US_DRIVER_LICENSE": re.compile(r"\d"),
    "DATE_TIME": re.compile(r"\d"),
    "URL": re.compile(r"[./]"),
    "SECRET": SECRET_NECESSARY,
}
_CAPITAL = re.compile(r"[^\W\d_a-z]")
_WORD = re.compile(r"[^\W\d_]{4,}")
_PROPER_NOUNS = {"NNP", "NNPS"}
# The score that Presidio gives to every entity of a model.
_MODEL_SCORE = 0.85
_BY_RAMPART = {"PERSON", STREET_ADDRESS, "LOCATION"}


class Finder:
    """Finds the section's entity types in texts; building one takes seconds.

    Raises ScrubError where a model is not installed or an entity type is unknown.
    """

    def __init__(self, section: Scrub) -> None:
        self._entities = set(section.entities)
        self._threshold = section.score_threshold
        self._nlp = load_spacy(section.spacy_model)
        self._nlp_engine = LoadedSpacyEngine(self._nlp)
        self._analyzer = build_analyzer(section, self._nlp_engine, own=[STREET_ADDRESS])
        self._by_model = self._entities & set(self._nlp_engine.get_supported_entities())
        self._by_pattern = self._entities & set(self._analyzer.get_supported_entities(LANGUAGE))
        self._rampart = Rampart() if section.ner == "spacy+rampart" and self._entities & _BY_RAMPART else None

    def find(self, texts: Sequence[str], *, patterns_only: bool = False) -> list[list[Span]]:
        """The spans to replace in each text, in text order and without overlap.

        ``patterns_only`` leaves out what models see in running text, such as names.
        """
        if patterns_only:
            return [
                self._chosen(text, self._pattern_spans(text, None, self._by_pattern - self._by_model)) for text in texts
            ]
        docs = self._docs(texts)
        ensembles = self._ensembles(texts, docs)
        return [
            self._chosen(text, self._spans(text, docs[index], ensembles.get(index))) for index, text in enumerate(texts)
        ]

    def _docs(self, texts: Sequence[str]) -> list[Doc | None]:
        """The document of each text, with the model's entities where there may be any; None where none is needed."""
        docs: list[Doc | None] = [None] * len(texts)
        with_model = [index for index, text in enumerate(texts) if self._by_model and self._may_speak(text)]
        for index, doc in zip(with_model, self._nlp.pipe(texts[index] for index in with_model), strict=True):
            docs[index] = doc
        return docs

    def _may_speak(self, text: str) -> bool:
        """Whether a model may find anything in a text: it has a capital, or a given name in lower case."""
        if self._by_model != {"PERSON"} or _CAPITAL.search(text):
            return True
        return self._rampart is not None and not given_names().isdisjoint(_WORD.findall(text))

    def _ensembles(self, texts: Sequence[str], docs: Sequence[Doc | None]) -> dict[int, Ensemble]:
        """Of those texts that the first model leaves open, by index."""
        if self._rampart is None:
            return {}
        people = "PERSON" in self._entities
        places = not self._entities.isdisjoint({STREET_ADDRESS, "LOCATION"})
        chosen = [
            index
            for index, (text, doc) in enumerate(zip(texts, docs, strict=True))
            if (people and doc is not None and may_name_someone(doc)) or (places and may_hold_address(text))
        ]
        tokens = self._rampart.classify([texts[index] for index in chosen])
        return {index: Ensemble(texts[index], found) for index, found in zip(chosen, tokens, strict=True)}

    def _chosen(self, text: str, spans: Iterable[Span]) -> list[Span]:
        kept = [span for span in spans if span.entity in self._entities and span.score >= self._threshold]
        return resolve(text, without_hosts(kept))

    def _spans(self, text: str, doc: Doc | None, ensemble: Ensemble | None) -> Iterator[Span]:
        yield from self._pattern_spans(text, doc, self._by_pattern)
        if doc is not None:
            yield from self._model_spans(text, doc, ensemble)
        if STREET_ADDRESS in self._entities or (ensemble and "LOCATION" in self._entities):
            found = list(addresses(text))
            yield from ensemble.addresses(found) if ensemble else found

    def _pattern_spans(self, text: str, doc: Doc | None, entities: Iterable[str]) -> Iterator[Span]:
        possible = [
            entity for entity in sorted(entities) if entity not in _NECESSARY or _NECESSARY[entity].search(text)
        ]
        if not possible:
            return
        if doc is None:
            with self._nlp.select_pipes(disable=["ner"]):
                doc = self._nlp(text)
        results = self._analyzer.analyze(
            text,
            LANGUAGE,
            entities=possible,
            score_threshold=self._threshold,
            nlp_artifacts=self._nlp_engine.artifacts(doc),
        )
        names = self._name_filter(text, doc, None)
        for found in results:
            span = Span(found.start, found.end, found.entity_type, found.score)
            if span.entity == "PERSON":
                yield from names.names(span)
            elif not is_false_positive(text, span):
                yield span

    def _model_spans(self, text: str, doc: Doc, ensemble: Ensemble | None) -> Iterator[Span]:
        names = self._name_filter(text, doc, ensemble)
        for found in doc.ents:
            entity = self._nlp_engine.entities.get(found.label_)
            if entity not in self._by_model:
                continue
            span = Span(found.start_char, found.end_char, entity, _MODEL_SCORE)
            if entity != "PERSON":
                yield trim(text, span)
            elif ensemble is None or not ensemble.rules_out(span):
                yield from names.names(span)
        if ensemble is not None:
            for span in ensemble.names():
                yield from names.names(span, lower_case=True)

    def _name_filter(self, text: str, doc: Doc, ensemble: Ensemble | None) -> NameFilter:
        # What the second model has judged needs no tagger.
        return NameFilter(text, partial(self._is_proper_noun, doc) if ensemble is None else lambda offset: True)

    def _is_proper_noun(self, doc: Doc, offset: int) -> bool:
        """Whether the token at a character offset is a proper noun; true for a model without tagger.

        The tagger is slow, and runs with the first question about a document.
        """
        if "tagger" not in self._nlp.component_names:
            return True
        if not doc.has_annotation("TAG"):
            for pipe in ("tok2vec", "tagger"):
                if pipe in self._nlp.disabled:
                    self._nlp.get_pipe(pipe)(doc)
        token = bisect_right(doc, offset, key=lambda token: token.idx) - 1
        return doc[token].tag_ in _PROPER_NOUNS
