import polars as pl
import pytest
from support import traced_storage
from support.records import record, records
from support.traced_storage import FIRST, HELD_OUT, KEPT, SECOND

from fineline.data_contracts.datasets import SftRow
from fineline.data_contracts.models import HeldOutLoss
from fineline.data_contracts.records import CuratedRecord
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import Origin, TableOutput, write_table
from fineline.resources.models.release.card_facts import CheckFacts, SourceFacts, card_facts

LATER = record("Came in when the model was trained.", batch=SECOND, licence="MIT")
MEASURED = {"models": ["base_model", "sft_model"], "held-out loss": {}, "scores": {}, "confidence": 0.9, "reasons": []}


@pytest.fixture
def storage(tmp_path):
    """The traced storage with curated records, an evaluation, and the facts of its models."""
    storage = Storage(tmp_path / "root")
    traced_storage.fill(storage)
    curate(storage, KEPT, HELD_OUT)
    loss = (HELD_OUT["record_id"], "sft_model", "notes", None, 3, 1.5)
    put(
        storage,
        "evaluation",
        pl.DataFrame([loss], HeldOutLoss.create_empty().schema, orient="row"),
        HeldOutLoss,
        MEASURED,
    )
    standing = {"batch": None, "data_version": "1", "code_version": "1", "inputs": {}, "files": {}, "run_id": "run"}
    storage.commit(Manifest(asset="base_model", facts={"name": "tiny", "licence": "MIT"}, **standing))
    trained = storage.require("sft_model")
    storage.amend(trained, trained.model_copy(update={"facts": {"rows": 1}}))
    return storage


def put(storage, asset, frame, contract, facts=None):
    output = TableOutput(frame, rows_in=frame.height, facts=facts or {})
    write_table(storage, asset, None, output, contract, Origin("1", {}, "run"), maximum_quarantine=0.0)


def curate(storage, *rows):
    frame = records(*rows).with_columns(
        replacements=pl.lit(0, pl.UInt32), cluster=pl.col("record_id"), family=pl.col("record_id")
    )
    put(storage, "curated_corpus", frame, CuratedRecord)


def test_facts_are_those_of_what_is_stored(storage):
    check = CheckFacts(name="sums_close", passed=True, finding="they do")
    facts = card_facts(storage, "small", [check])
    assert (facts.model, facts.base_model, facts.stages) == ("sft_model", "tiny", [{"rows": 1}])
    assert (facts.splits, facts.test_rows, facts.checks) == ({"test": 1, "train": 1}, 1, [check])
    assert facts.sources == [SourceFacts(source="notes", licence="CC0-1.0", raw=5, scrubbed=4, curated=2, trained=1)]


def test_records_that_came_in_since_the_training_are_not_among_those_trained_on(storage):
    rows = pl.read_parquet(storage.file(storage.require("sft_dataset"), "data"))
    later = rows.filter(split="train").with_columns(record_id=pl.lit(LATER["record_id"]))
    put(storage, "sft_dataset", pl.concat([rows, later]), SftRow)
    curate(storage, KEPT, HELD_OUT, LATER)
    (source,) = card_facts(storage, "small", []).sources
    assert (source.curated, source.trained) == (3, 1)


def test_licences_stand_in_the_order_of_their_records_then_of_their_names(storage):
    rows = [record(f"Row {n}.", batch=FIRST, licence=name) for n, name in enumerate(["b", "c", "a", "c", "b", "d"])]
    curate(storage, *rows)
    (source,) = card_facts(storage, "small", []).sources
    assert source.licence == "b, c, a, d"
