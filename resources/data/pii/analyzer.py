"""Presidio's analyzer for one recipe: offline, and without the pipes that finding entities does not need."""

import importlib.util
import logging
import re
from collections.abc import Callable, Collection
from itertools import pairwise

import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NerModelConfiguration, NlpArtifacts, SpacyNlpEngine
from presidio_analyzer.nlp_engine.ner_model_configuration import MODEL_TO_PRESIDIO_ENTITY_MAPPING
from spacy.language import Language
from spacy.pipeline import Tok2Vec
from spacy.tokens import Doc

from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.data.pii.errors import ScrubError
from fineline.resources.data.pii.recognizers import (
    LinearUrlRecognizer,
    OfflineEmailRecognizer,
    card_recognizer,
    person_cue_recognizer,
    phone_shape_recognizer,
)
from fineline.resources.data.pii.secrets import SECRET, SecretRecognizer

LANGUAGE = "en"
_LEMMAS = "fineline_lower_case_lemmas"
# The finder reads the model's entities from the document: asking for each text costs more than the patterns. The others
# have their own form here.
_LEFT_OUT = ["SpacyRecognizer", "EmailRecognizer", "CreditCardRecognizer", "UrlRecognizer"]
_LONGEST_WORD = 300
_LONG_WORD = re.compile(rf"\S{{{_LONGEST_WORD}}}(?=\S)")
_SENTENCE_PIPES = ["parser", "attribute_ruler", "lemmatizer", "morphologizer", "senter"]


@Language.component(_LEMMAS)
def lower_case_lemmas(doc: Doc) -> Doc:
    """Give each token its lower-case form as its lemma: Presidio looks for context words among lemmas."""
    for token in doc:
        token.lemma = token.lower
    return doc


class LoadedSpacyEngine(SpacyNlpEngine):
    """Presidio's spaCy engine around a loaded pipeline, so that it never downloads one.

    ``entities`` has Presidio's entity type for each of the model's labels that has one.
    """

    def __init__(self, nlp: Language) -> None:
        labels = nlp.pipe_labels["ner"]
        mapping = MODEL_TO_PRESIDIO_ENTITY_MAPPING
        self.entities = {label: entity for label, entity in mapping.items() if label in labels}
        super().__init__(
            ner_model_configuration=NerModelConfiguration(
                model_to_presidio_entity_mapping=self.entities,
                labels_to_ignore=[label for label in labels if label not in mapping],
            )
        )
        self.nlp = {LANGUAGE: nlp}  # type: ignore[assignment]  # declared as None upstream

    def artifacts(self, doc: Doc) -> NlpArtifacts:
        """A processed document in the form that Presidio's recognizers read."""
        return self._doc_to_nlp_artifact(doc, LANGUAGE)


def load_spacy(model: str) -> Language:
    """The model with its named-entity pipe and lower-case lemmas; its tagger is loaded, but disabled.

    Raises ScrubError where the package is not installed or recognises no entities.
    """
    if importlib.util.find_spec(model) is None:
        package = model.replace("_", "-")
        raise ScrubError(f"The spaCy model {model} is not installed. Install it with: pip install --no-deps {package}")
    nlp = spacy.load(model, exclude=_SENTENCE_PIPES, disable=["tagger"])
    if "ner" not in nlp.pipe_names:
        raise ScrubError(f"The spaCy model {model} recognises no named entities; choose one that does.")
    for name, pipe in nlp.pipeline:
        if isinstance(pipe, Tok2Vec) and "ner" not in pipe.listening_components:
            nlp.disable_pipe(name)
    nlp.add_pipe(_LEMMAS)
    nlp.tokenizer = BoundedTokenizer(nlp.tokenizer)
    return nlp


class BoundedTokenizer:
    """spaCy's tokenizer, whose time grows with the square of a word's length and more, on pieces of longer words."""

    def __init__(self, tokenizer: Callable[[str], Doc]) -> None:
        self._tokenizer = tokenizer

    def __call__(self, text: str) -> Doc:
        """The document of a text; a word of more than 300 characters is cut after each 300."""
        ends = [match.end() for match in _LONG_WORD.finditer(text)] if len(text) > _LONGEST_WORD else []
        if not ends:
            return self._tokenizer(text)
        docs = [self._tokenizer(text[start:end]) for start, end in pairwise([0, *ends, len(text)])]
        tokens = [token for doc in docs for token in doc]
        return Doc(
            docs[0].vocab, [token.text for token in tokens], spaces=[bool(token.whitespace_) for token in tokens]
        )


def build_analyzer(section: Scrub, engine: SpacyNlpEngine, own: Collection[str]) -> AnalyzerEngine:
    """Presidio's analyzer for those of the section's entity types that are recognised by pattern.

    ``own`` are entity types that are found without it. Raises ScrubError where neither it, nor the model, nor
    one of Presidio's recognizers knows an entity type.
    """
    # Presidio's messages quote the text that is analysed.
    logging.getLogger("presidio-analyzer").setLevel(logging.CRITICAL)
    registry = RecognizerRegistry(supported_languages=[LANGUAGE])
    registry.load_predefined_recognizers(languages=[LANGUAGE], nlp_engine=engine)
    supported = {*registry.get_supported_entities(), *own, SECRET}
    if unknown := sorted(set(section.entities) - supported):
        raise ScrubError(
            f"No recognizer for entity type {', '.join(unknown)} in the recipe's scrub.entities. "
            f"Supported: {', '.join(sorted(supported))}"
        )
    for name in _LEFT_OUT:
        registry.remove_recognizer(name)
    for recognizer in (
        OfflineEmailRecognizer(),
        LinearUrlRecognizer(),
        card_recognizer(),
        phone_shape_recognizer(),
        person_cue_recognizer(),
        SecretRecognizer(),
    ):
        registry.add_recognizer(recognizer)
    registry.recognizers = [
        recognizer
        for recognizer in registry.recognizers
        if not set(section.entities).isdisjoint(recognizer.supported_entities)
    ]
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[LANGUAGE])
