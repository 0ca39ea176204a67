"""No pattern that corpus text goes through takes time that grows with the square of the text, or worse.

Patterns are collected from the modules that hold them, so that a new one is tested without being named here.
"""

import _markupbase
import html.parser
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import ftfy.badness
import ftfy.chardata
import ftfy.fixes
import pytest
import regex
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from support.growth import Pumps, seconds
from support.records import record

import fineline.resources.data
from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.core.recipe.sources import Files
from fineline.resources.data.formats.html import html_to_text
from fineline.resources.data.formats.rows import Row, SourceError
from fineline.resources.data.formats.sections import sections
from fineline.resources.data.pii.addresses import addresses
from fineline.resources.data.pii.analyzer import LANGUAGE, LoadedSpacyEngine, build_analyzer, load_spacy
from fineline.resources.data.pii.secrets import secret_spans
from fineline.resources.data.pii.segments import cut
from fineline.resources.data.scrubbing.documents import read
from fineline.resources.data.shapes.detection import find_shape
from fineline.resources.data.shapes.normalisation import normalise

CHARACTERS = 600
LIMIT = 0.25
# Beyond so many seconds for four times as many characters, the time for once as many is measured too.
SUSPECT = 0.003
# Time that is linear grows 4 times, time that is quadratic 16 times.
MOST = 9
WHOLE = {"match", "fullmatch"}
LIBRARIES = [html.parser, _markupbase, ftfy.badness, ftfy.chardata, ftfy.fixes]
UNITS = [
    *"aA0é中😀 _\n.,:;-/'\"`(<[{&@#=+~|",
    "Ab",
    "A.",
    "A-",
    "a@",
    "1.",
    "0-",
    "http://",
    "</",
    "<!--",
    "<!x",
    "<?x",
    "<a ",
    "&#",
]
UNITS += ["<![CDATA[", "<tool_call>", "```json\n", "```", '{"', "eyJ", "key = ", "Mr Ab ", "a@b.co ", "555-0100 "]
INLINE = re.compile(r"""\bre\.(sub|split|search|findall|finditer|match|fullmatch)\(r?("[^"]*")""")

Run = Callable[[str], object]


def patterns() -> Iterator[tuple[str, Any, set[str]]]:
    """Name, pattern, and the methods by which it is used, of every pattern of ours and of libraries."""
    package = fineline.resources.data
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    specs = (importlib.util.find_spec(module.name) for module in found if not module.ispkg)
    ours = [
        importlib.import_module(spec.name)
        for spec in specs
        if "import re\n" in spec.loader.get_data(spec.origin).decode()
    ]
    for module in [*ours, *LIBRARIES]:
        source = inspect.getsource(module)
        for name, pattern in held(vars(module)):
            yield f"{module.__name__}.{name}", pattern, set(re.findall(rf"\b{name}\.(\w+)\(", source))
        for use, written in INLINE.findall(source):
            yield f"{module.__name__}: {written}", re.compile(written[1:-1]), {use}


def held(values: Mapping[Any, Any]) -> Iterator[tuple[str, re.Pattern[str]]]:
    for name, value in values.items():
        if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
            yield name, value
        elif isinstance(value, dict):
            yield from ((name, pattern) for _, pattern in held(value))
        elif isinstance(value, list | tuple):
            yield from ((name, pattern) for _, pattern in held(dict(enumerate(value))))


def growth(run: Run, text: str) -> float | None:
    """How many times as long four times the text takes, None for less than SUSPECT."""
    taken = seconds(run, text, LIMIT)
    if taken < SUSPECT:
        return None
    short = min(seconds(run, text[: len(text) // 4], LIMIT) for _ in range(3))
    taken = min(seconds(run, text, LIMIT) for _ in range(2)) if taken < LIMIT else taken
    return MOST if taken >= LIMIT else taken / short


def too_steep(run: Run, texts: Iterable[str]) -> list[str]:
    return [f"{text[:60]!r}" for text in dict.fromkeys(texts) if (growth(run, text) or 0) >= MOST][:1]


def used(pattern: Any, uses: set[str]) -> Run:
    if uses and uses <= WHOLE:
        return getattr(pattern, min(uses))
    return lambda text: sum(1 for _ in pattern.finditer(text))


@pytest.mark.outcome(
    "time",
    "what is nearly an address, an amount or a name, for each pattern (`redos-address.jsonl`)",
    "the time grows with the text, not with its square",
)
def test_patterns_of_ours_and_of_libraries_are_linear() -> None:
    steep = {}
    tested = set()
    for name, pattern, uses in patterns():
        if (key := (pattern.pattern, pattern.flags)) not in tested:
            tested.add(key)
            if bad := too_steep(used(pattern, uses), Pumps(pattern.pattern, pattern.flags).texts(4 * CHARACTERS)):
                steep[name] = bad
    assert len(tested) > 100
    assert steep == {}


@pytest.fixture(scope="module")
def analyzer() -> AnalyzerEngine:
    """With every recognizer that a recipe can ask for."""
    engine = LoadedSpacyEngine(load_spacy(Scrub().spacy_model))
    registry = RecognizerRegistry(supported_languages=[LANGUAGE])
    registry.load_predefined_recognizers(languages=[LANGUAGE])
    entities = [*registry.get_supported_entities(), "SECRET"]
    return build_analyzer(Scrub().model_copy(update={"entities": entities}), engine, own=[])


@pytest.mark.outcome("time", "the same for each recognizer as a whole", "the time grows with the text")
def test_recognizers_are_linear(analyzer: AnalyzerEngine) -> None:
    steep = {}
    for recognizer in analyzer.registry.recognizers:
        texts = [unit * (4 * CHARACTERS // len(unit)) for unit in UNITS]
        for pattern in getattr(recognizer, "patterns", []):
            compiled = regex.compile(pattern.regex, recognizer.global_regex_flags)
            texts += Pumps(pattern.regex, compiled.flags).texts(4 * CHARACTERS)
        if bad := too_steep(lambda text, r=recognizer: r.analyze(text, r.supported_entities), texts):
            steep[recognizer.name] = bad
    assert steep == {}


@pytest.mark.outcome("time", "a word of any length", "the time grows with the text")
def test_a_word_of_any_length_is_cut_into_tokens_in_linear_time(analyzer: AnalyzerEngine) -> None:
    tokenizer = analyzer.nlp_engine.nlp[LANGUAGE].tokenizer
    text = "Ann (see " + "(" * 999 + ") " + "x" * 301
    assert tokenizer(text).text == text
    assert [token.text for token in tokenizer("Ann, see")] == ["Ann", ",", "see"]
    # A mark is a token of its own, which takes some 40 µs.
    assert too_steep(tokenizer, (unit * (4 * CHARACTERS // len(unit)) for unit in UNITS)) == []


def shape(text: str) -> None:
    """Look for the shape of rows whose columns all have other names."""
    rows = [Row(f"line {n}", {f"{text[:1]}{n}": text[:1], f"{n}": [{}]}) for n in range(len(text) // 4)]
    with suppress(SourceError):
        find_shape("corpus/1", rows, Files(name="corpus", kind="files", path="in", licence="MIT"))


@pytest.mark.parametrize(
    "run",
    [
        lambda text: list(addresses(text)),
        lambda text: list(secret_spans(text)),
        cut,
        html_to_text,
        normalise,
        sections,
        lambda text: read([record(text)]),
        shape,
    ],
    ids=["addresses", "secrets", "segments", "HTML", "normal form", "sections", "documents", "shapes"],
)
@pytest.mark.outcome("time", "the same for reading, normalising and judging a row", "the time grows with the text")
def test_steps_are_linear(run: Run) -> None:
    assert too_steep(run, (unit * (8 * CHARACTERS // len(unit)) for unit in UNITS)) == []
