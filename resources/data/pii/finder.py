"""Finding personal data in a batch of texts, by two models and by patterns."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from spacy.language import Language
from spacy.tokens import Doc

from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.pii.addresses import ENTITY as STREET_ADDRESS
from fineline.resources.data.pii.addresses import addresses
from fineline.resources.data.pii.engine import LANGUAGE, LoadedSpacyEngine, build_analyzer, load_spacy
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
    "STREET_ADDRESS": re.compile(r"\d"),
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
        self._section = section
        self._nlp = load_spacy(section.spacy_model)
        self._nlp_engine = LoadedSpacyEngine(self._nlp)
        self._analyzer = build_analyzer(section, self._nlp_engine, own=[STREET_ADDRESS])
        entities = set(section.entities)
        self._by_model = entities & set(self._nlp_engine.get_supported_entities())
        self._by_pattern = entities & set(self._analyzer.get_supported_entities(LANGUAGE))
        self._rampart = Rampart() if section.ner == "spacy+rampart" and entities & _BY_RAMPART else None

    def find(self, texts: Sequence[str], *, patterns_only: bool = False) -> list[list[Span]]:
        """The spans to replace in each text, in text order and without overlap.

        ``patterns_only`` leaves out what models see in running text, such as names.
        """
        docs = self._docs(texts, patterns_only)
        ensembles = {} if patterns_only else self._ensembles(texts, docs)
        return [self._spans(text, docs[index], ensembles.get(index), patterns_only) for index, text in enumerate(texts)]

    def _docs(self, texts: Sequence[str], patterns_only: bool) -> list[Doc | None]:
        """The document of each text, with the model's entities where there may be any; None where none is needed."""
        docs: list[Doc | None] = [None] * len(texts)
        with_model = [
            index for index, text in enumerate(texts) if self._by_model and not patterns_only and self._may_speak(text)
        ]
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
        entities = set(self._section.entities)
        people = "PERSON" in entities
        places = not entities.isdisjoint({STREET_ADDRESS, "LOCATION"})
        chosen = [
            index
            for index, (text, doc) in enumerate(zip(texts, docs, strict=True))
            if (people and doc is not None and may_name_someone(doc)) or (places and may_hold_address(text))
        ]
        tokens = self._rampart.classify([texts[index] for index in chosen])
        return {index: Ensemble(texts[index], found) for index, found in zip(chosen, tokens, strict=True)}

    def _spans(self, text: str, doc: Doc | None, ensemble: Ensemble | None, patterns_only: bool) -> list[Span]:
        spans = list(self._pattern_spans(text, doc, patterns_only))
        if not patterns_only:
            spans += self._model_spans(text, doc, ensemble)
            if STREET_ADDRESS in self._section.entities or (ensemble and "LOCATION" in self._section.entities):
                found = list(addresses(text))
                spans += ensemble.addresses(found) if ensemble else found
        wanted = set(self._section.entities)
        threshold = self._section.score_threshold
        kept = [span for span in spans if span.entity in wanted and span.score >= threshold]
        return resolve(text, without_hosts(kept))

    def _pattern_spans(self, text: str, doc: Doc | None, patterns_only: bool) -> Iterator[Span]:
        possible = [
            entity
            for entity in self._section.entities
            if entity in self._by_pattern
            and not (patterns_only and entity in self._by_model)
            and (entity not in _NECESSARY or _NECESSARY[entity].search(text))
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
            score_threshold=self._section.score_threshold,
            nlp_artifacts=self._nlp_engine.artifacts(doc),
        )
        names = self._name_filter(text, doc, None)
        for found in results:
            span = Span(found.start, found.end, found.entity_type, found.score)
            if span.entity == "PERSON":
                yield from names.names(span)
            elif not is_false_positive(text, span):
                yield span

    def _model_spans(self, text: str, doc: Doc | None, ensemble: Ensemble | None) -> Iterator[Span]:
        if doc is None:
            return
        names = self._name_filter(text, doc, ensemble)
        for found in doc.ents:
            entity = self._nlp_engine.entity(found.label_)
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
        return NameFilter(text, _anything if ensemble else _Tagger(self._nlp, doc).is_proper_noun)


def _anything(offset: int) -> bool:
    """Accepts every word: the second model has judged it."""
    return True


class _Tagger:
    """The model's tagger over one document; it runs with the first question."""

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
