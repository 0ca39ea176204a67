import polars as pl
import pytest
from support.audited import evidence
from support.places import asset_folder
from support.storage import LONG, read, write, write_curated, write_splits

from fineline.resources.governance.audit import measures
from fineline.resources.governance.audit.evidence import NothingThere


def test_personal_data_that_came_through_is_counted_and_not_shown(storage):
    curated = read(storage, "curated_corpus").with_row_index()
    mail = pl.lit([{"role": "assistant", "content": "Ask margaret.thompson@example.org about it."}])
    completion = pl.when(pl.col("index") < 2).then(mail).otherwise(pl.col("completion"))
    spoilt = curated.with_columns(completion=completion.cast(curated.schema["completion"])).drop("index")
    write_curated(storage, spoilt, pl.DataFrame(schema={"record_id": str, "source": str, "batch": str, "reason": str}))
    found = measures.personal_data_stays_replaced(evidence(storage))
    assert found.failures == 2
    assert "2 EMAIL_ADDRESS in 41 curated records" in found.detail
    assert "thompson" not in found.detail


def test_a_scrubber_that_no_longer_finds_planted_values_breaks_the_promise(storage, monkeypatch):
    monkeypatch.setattr("fineline.resources.data.scrubbing.canaries.survives", lambda *_: True)
    found = measures.personal_data_stays_replaced(evidence(storage))
    assert found.failures == 4
    assert found.detail.startswith("0.0% of 4 planted values are replaced")


def test_a_record_that_was_removed_without_a_similar_one_is_noticed(storage):
    clusters = read(storage, "duplicate_clusters")
    near = pl.col("reason") == "near_duplicate"
    removed = clusters.filter(near)
    other = clusters.filter("representative").join(removed, on="cluster", how="anti").row(0, named=True)
    moved = pl.when(near).then(pl.lit(other["cluster"])).otherwise(pl.col("cluster"))
    family = pl.when(near).then(pl.lit(other["family"])).otherwise(pl.col("family"))
    write(storage, "duplicate_clusters", clusters.with_columns(cluster=moved, family=family))
    assert measures.duplicates_stay_verified(evidence(storage)).failures == 1


def test_a_record_that_moved_from_train_to_test_is_noticed(storage):
    assignment, memory = read(storage, "splits"), read(storage, "splits", role="history")
    other = {"train": "test", "test": "train", "validation": "validation"}
    swapped = assignment.with_columns(
        split=pl.col("split").cast(pl.String).replace(other).cast(assignment.schema["split"])
    )
    write_splits(storage, swapped, memory)
    found = measures.splits_do_not_leak(evidence(storage))
    assert found.detail == f"{found.failures} moved"


def test_near_duplicates_and_prompts_that_cross_splits_are_noticed(storage):
    curated = read(storage, "curated_corpus")
    same = pl.lit([{"role": "user", "content": f"Say: {LONG}?"}]).cast(curated.schema["prompt"])
    write_curated(
        storage,
        curated.with_columns(prompt=same),
        pl.DataFrame(schema={"record_id": str, "source": str, "batch": str, "reason": str}),
    )
    write_splits(storage, read(storage, "splits"), read(storage, "splits", role="history"))
    found = measures.splits_do_not_leak(evidence(storage))
    assert "1 prompts" in found.detail
    assert "24 repeated prompts" in found.detail


def test_what_was_not_made_is_not_there(storage):
    (asset_folder(storage, "splits") / "manifest.json").unlink()
    with pytest.raises(NothingThere, match="splits is not materialized"):
        measures.splits_do_not_leak(evidence(storage))
