import re
from contextlib import closing

import polars as pl
import pytest
from support.places import asset_folder
from support.records import record, records
from support.storage import read, write

from fineline.data_contracts import catalog
from fineline.resources.core.compute.engine import Inline, Processes
from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.recipe.scrubbing import Scrub
from fineline.resources.core.storage.store import Damaged, Storage
from fineline.resources.core.storage.tables import Origin, write_table
from fineline.resources.data.pii import detector
from fineline.resources.data.pii.finder import Finder
from fineline.resources.data.scrubbing import canaries, canary_values, units
from fineline.resources.data.scrubbing.scrubber import Scrubber
from fineline.resources.data.scrubbing.units import Scrubbing, measure, scrub_batches

KEY = PseudonymKey(b"a key for tests, 32 bytes of it.")
SECTION = Scrub(
    ner="spacy", entities=["PERSON", "EMAIL_ADDRESS"], canaries_per_entity=12, replacement={"PERSON": "pseudonym"}
)
SIZES = {"notes/1": 23, "notes/2": 0, "notes/3": 7}
SCRUBBED = catalog.SCRUBBED_CORPUS


def text(number):
    return f"Ticket {number}: Jane Doe and Peter Young wrote to u{number % 5}@example.org."


def frame(batch):
    rows = (record(text(n), batch=batch, group=f"u{n % 5}@example.org") for n in range(SIZES[batch]))
    return records(*rows)


@pytest.fixture
def storage(tmp_path):
    storage = Storage(tmp_path)
    for batch in SIZES:
        write(storage, "raw_corpus", frame(batch), batch)
    return storage


@pytest.fixture
def scrubbing(storage):
    return Scrubbing(storage, SECTION, KEY)


def raw(storage):
    return [storage.require("raw_corpus", batch) for batch in SIZES]


def scrub(engine, scrubbing, report=lambda done, total: None):
    """Scrub and store all batches; returns their manifests and entity counts."""
    stored = {}
    with closing(engine):
        for batch, rows in scrub_batches(engine, scrubbing, raw(scrubbing.storage), report):
            taken = list(rows)
            parts = (each.part for each in taken)
            origin = Origin("1", {}, "run")
            table = write_table(
                scrubbing.storage, SCRUBBED.name, batch, parts, SCRUBBED.schema, origin, maximum_quarantine=0
            )
            entities = pl.concat(each.entities for each in taken).group_by("source", "entity").sum()
            stored[batch] = table.manifest, entities.sort("source", "entity")
    return stored


@pytest.mark.parametrize("size", [3, 1000])
@pytest.mark.parametrize("engine", [Inline, lambda: Processes(2)], ids=["inline", "processes"])
def test_batches_scrubbed_in_units_are_what_a_scrubber_makes_of_each_whole(scrubbing, monkeypatch, engine, size):
    monkeypatch.setattr(units, "_LEAST_RECORDS", size)
    stored = scrub(engine(), scrubbing)
    assert list(stored) == list(SIZES)
    with Scrubber(SECTION, key=KEY) as scrubber:
        for batch, (manifest, entities) in stored.items():
            whole = scrubber.scrub(frame(batch))
            assert read(scrubbing.storage, SCRUBBED.name, batch).equals(whole.records)
            assert entities.equals(whole.entities)
            assert manifest.rows_in == manifest.rows == SIZES[batch]
            assert manifest.facts == {"replaced spans": whole.entities["spans"].sum()}


def test_the_stored_bytes_do_not_depend_on_the_units(scrubbing, monkeypatch):
    versions = set()
    for size in (1, 2, 5, 23, 1000):
        monkeypatch.setattr(units, "_LEAST_RECORDS", size)
        versions.add(tuple(manifest.data_version for manifest, _ in scrub(Inline(), scrubbing).values()))
        folder = asset_folder(scrubbing.storage, SCRUBBED.name, "notes/1")
        assert len(list(folder.iterdir())) == 4, "data, drops, quarantine and manifest: no part is left over"
    assert len(versions) == 1


@pytest.mark.parametrize(("rows", "least", "largest"), [(1000, 4, 250), (20_000, 20, 1000), (99, 1, 100), (0, 1, 100)])
def test_units_cover_a_batch_and_keep_two_processes_busy(storage, rows, least, largest):
    manifest = storage.require("raw_corpus", "notes/1").model_copy(update={"rows": rows})
    cut = list(units._units(storage, manifest))
    assert len(cut) >= least
    assert max(unit.rows for unit in cut) <= largest
    assert [unit.first for unit in cut] == [number * cut[0].rows for number in range(len(cut))]
    assert cut[-1].first + cut[-1].rows >= rows


def test_progress_counts_the_records_of_all_batches(scrubbing, monkeypatch):
    monkeypatch.setattr(units, "_LEAST_RECORDS", 5)
    reported = []
    scrub(Inline(), scrubbing, lambda done, total: reported.append((done, total)))
    assert {total for _, total in reported} == {30}
    assert [done for done, _ in reported] == [5, 10, 15, 20, 23, 23, 28, 30]


def test_canaries_measured_by_workers_give_the_same_report(scrubbing):
    with closing(Inline()) as engine:
        report = measure(engine, scrubbing, raw(scrubbing.storage)[0])
    with Scrubber(SECTION, key=KEY) as scrubber:
        alone = canaries.measure(scrubber, SECTION, frame("notes/1"))
    assert report.by_entity.equals(alone.by_entity)
    assert report.by_form.equals(alone.by_form)
    assert (report.recall, report.survivors, report.worst) == (alone.recall, alone.survivors, alone.worst)


@pytest.mark.parametrize("engine", [Inline, lambda: Processes(2)], ids=["inline", "processes"])
def test_each_value_is_invented_once_and_in_a_worker(scrubbing, monkeypatch, engine):
    invented = []
    monkeypatch.setattr(canaries, "invent", lambda *each: invented.append(each[0]) or canary_values.invent(*each))
    with closing(engine()) as workers:
        report = measure(workers, scrubbing, raw(scrubbing.storage)[0])
    assert report.by_entity["planted"].to_list() == [12, 12]
    assert invented == ([] if isinstance(workers, Processes) else ["EMAIL_ADDRESS", "PERSON"])


def test_a_second_run_analyses_nothing(scrubbing, monkeypatch):
    first = scrub(Inline(), scrubbing)
    monkeypatch.setattr(Finder, "find", None)
    second = scrub(Inline(), scrubbing)
    assert [manifest.data_version for manifest, _ in first.values()] == [
        manifest.data_version for manifest, _ in second.values()
    ]


def test_units_read_the_version_that_the_step_began_with(scrubbing):
    storage = scrubbing.storage
    before = raw(storage)
    with storage.reading(["raw_corpus"]), closing(Inline()) as engine:
        batches = scrub_batches(engine, scrubbing, before, lambda done, total: None)
        write(storage, "raw_corpus", frame("notes/3").with_columns(batch=pl.lit("notes/1")), "notes/1")
        _, rows = next(batches)
        assert sum(each.part.counts.rows_in for each in rows) == 23


def test_a_damaged_batch_is_not_scrubbed(scrubbing):
    path = scrubbing.storage.file(raw(scrubbing.storage)[0], "data")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Damaged, match="notes/1"):
        scrub(Inline(), scrubbing)


@pytest.mark.outcome(
    "time",
    "a text that takes longer than a minute all the same",
    "its row goes to quarantine as `analysis_timed_out`, the others are scrubbed",
)
def test_a_row_that_takes_too_long_goes_into_quarantine_without_its_text(storage, scrubbing, monkeypatch):
    find = Finder.find

    def stalls(finder, texts, *, patterns_only=False):
        if any("number 5:" in each or "u3@" in each for each in texts):
            re.search(r"(?:a|aa)+$", "a" * 200 + "!")
        return find(finder, texts, patterns_only=patterns_only)

    monkeypatch.setattr(Finder, "find", stalls)
    monkeypatch.setattr(detector, "SEGMENT_SECONDS", 0.3)
    write(
        storage, "raw_corpus", records(*(record(f"The number {n}: {n}", batch="notes/1") for n in range(9))), "notes/1"
    )
    raw = storage.require("raw_corpus", "notes/1")
    with closing(Inline()) as engine:
        ((_, parts),) = (
            (batch, list(rows)) for batch, rows in scrub_batches(engine, scrubbing, [raw], lambda *_: None)
        )
    assert (parts[0].part.counts.rows_in, parts[0].part.counts.kept, parts[0].part.counts.quarantined) == (9, 8, 1)
    assert parts[0].part.counts.broken_rules == {"analysis_timed_out": 1}
    folder = asset_folder(storage, "scrubbed_corpus", "notes/1")
    quarantine = pl.read_parquet(folder / parts[0].part.files["quarantine"].name)
    assert "number 5" not in quarantine["record"].item()
