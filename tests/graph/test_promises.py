"""Each promise, broken on purpose: its check fails, and what follows is not made."""

import dataclasses

import dagster as dg
import polars as pl
import pytest

from fineline.assets import datasets, evaluation
from fineline.jobs.definitions import build
from fineline.jobs.runner import RunFailed
from fineline.resources.core.storage.store import Blocked
from fineline.resources.data.curation import curate as curation
from fineline.resources.data.deduplication import clusters as duplicates
from fineline.resources.data.scrubbing.replacement import Cleaned, Replacer
from fineline.resources.data.splitting import assignment as splitter

pytestmark = pytest.mark.model


@pytest.fixture
def broken(world, monkeypatch):
    """Has an asset made again under a patch; gives the message of the failed run, and mends all afterwards."""

    def make_again(asset, check, *patch):
        world.forget(asset)
        with monkeypatch.context() as patched:
            patched.setattr(*patch)
            with pytest.raises(RunFailed) as failed:
                world.make()
        assert f"{asset}: check {check} failed" in str(failed.value)
        with pytest.raises(Blocked, match=check):
            world.storage.require(asset)
        assert latest_status(world, asset, check) == "FAILED"
        made, _ = world.make()
        assert made == [asset], "mended, it gives the same data as before, and nothing follows"
        assert latest_status(world, asset, check) == "SUCCEEDED"

    return make_again


def latest_status(world, asset, check):
    key = dg.AssetCheckKey(dg.AssetKey(asset), check)
    records = world.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])
    return records[key].status.value


def test_accounted_for_a_record_that_vanishes_is_noticed(broken):
    def lose_one(*tables):
        made = curation.curate(*tables)
        return curation.TableOutput(made.frame.head(-1), made.rows_in, made.drops)

    broken("curated_corpus", "accounted_for", "fineline.assets.quality.curate", lose_one)


def test_accounted_for_a_row_that_never_reached_the_tables_is_noticed(world, broken):
    def one_more(self, asset, batch=None, role="data"):
        table = read(self, asset, batch, role)
        if role != "rows_read":
            return table
        return pl.concat([table, table.head(1).with_columns(record_id=pl.lit("f" * 32))])

    from fineline.assets.execution.inputs import Stage

    read = Stage.read
    broken("record_ledger", "sums_close", "fineline.assets.execution.inputs.Stage.read", one_more)


def test_under_contract_rows_that_break_the_contract_stop_the_run(broken):
    def empty_answers(*tables):
        made = curation.curate(*tables)
        answers = made.frame["completion"].gather([0] * made.frame.height)
        blank = [[{"role": "assistant", "content": " "}] for _ in answers]
        frame = made.frame.with_columns(completion=pl.Series(blank, dtype=made.frame.schema["completion"]))
        return curation.TableOutput(frame, made.rows_in, made.drops)

    broken("curated_corpus", "under_contract", "fineline.assets.quality.curate", empty_answers)


def test_scrubbed_and_measured_a_scrubber_that_replaces_nothing_is_noticed(world, monkeypatch):
    for batch in ("first", "second"):
        (world.storage.folder("scrubbed_corpus", f"colours/{batch}.jsonl") / "manifest.json").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(Replacer, "clean", lambda self, text, spans: Cleaned(text, ()))
        with pytest.raises(RunFailed, match="scrubbed_corpus: check personal_data_is_replaced failed"):
            world.make()
    assert latest_status(world, "scrubbed_corpus", "personal_data_is_replaced") == "FAILED"
    made, _ = world.make()
    assert {label.partition("[")[0] for label in made} == {"scrubbed_corpus"}


def test_verified_duplicates_a_record_removed_without_a_similar_one_is_noticed(broken):
    find = duplicates.find_clusters

    def merge_all(*arguments):
        clusters = find(*arguments)
        found = clusters.table
        first = found.filter("representative")["record_id"].min()
        alone = pl.col("representative") & (pl.col("record_id") != first)
        merged = found.with_columns(
            cluster=pl.lit(first),
            family=pl.lit(first),
            reason=pl.when(alone)
            .then(pl.lit("near_duplicate"))
            .otherwise(pl.col("reason"))
            .cast(found.schema["reason"]),
            similarity=pl.when(alone).then(0.9).otherwise(pl.col("similarity")),
            representative=pl.col("representative") & ~alone,
        )
        return dataclasses.replace(clusters, table=merged)

    broken(
        "duplicate_clusters",
        "duplicates_are_verified",
        "fineline.resources.data.deduplication.clusters.find_clusters",
        merge_all,
    )


def test_no_leak_a_group_in_two_splits_is_noticed(broken):
    assign = splitter.assign

    def tear_apart(curated, section, history=None):
        assigned = assign(curated, section, history)
        placed = assigned.records
        turns = pl.int_range(pl.len()) % 2 == 0
        torn = pl.when(turns).then(pl.lit("train")).otherwise(pl.lit("test")).cast(placed.schema["split"])
        return assigned._replace(records=placed.with_columns(split=torn, split_group=pl.col("record_id")))

    broken("splits", "nothing_leaks", "fineline.resources.data.splitting.assignment.assign", tear_apart)


def test_tokens_that_teach_an_untrained_stop_token_is_noticed(broken):
    count = datasets._count

    def without_stop(*arguments):
        return count(*arguments).with_columns(stop_token_trained=pl.lit(False))

    broken("sft_dataset", "tokens_teach", "fineline.assets.datasets._count", without_stop)


def test_promoted_on_evidence_a_model_that_is_no_better_is_not_released(world, broken):
    measure = evaluation._measure

    def worse(*arguments):
        losses, answers, scores = measure(*arguments)
        raised = pl.when(pl.col("model") == "aligned_model").then(pl.col("loss") + 9.0).otherwise(pl.col("loss"))
        return losses.with_columns(loss=raised), answers, scores

    broken("evaluation", "promoted_on_evidence", "fineline.assets.evaluation._measure", worse)


def test_the_model_served_is_the_model_tested_an_adapter_that_says_something_else_is_noticed(broken):
    compare = evaluation._compare

    def differs(*arguments):
        return compare(*arguments).model_copy(update={"mean_difference": 9.0})

    broken("release", "served_equals_tested", "fineline.assets.evaluation._compare", differs)


def test_every_check_that_exists_is_broken_above_or_in_the_tests_of_its_table(world):
    graph = build(str(world.recipe)).resolve_asset_graph()
    # The checks of the audit are broken in test_audit.py, that of forgetting in test_forgetting_sweep.py.
    pipeline = set(world.assets)
    broken_here = {
        "accounted_for", "sums_close", "under_contract", "personal_data_is_replaced", "duplicates_are_verified",
        "nothing_leaks", "tokens_teach", "promoted_on_evidence", "served_equals_tested",
    }  # fmt: skip
    checks = {key.name for key in graph.asset_check_keys if key.asset_key.to_user_string() in pipeline}
    assert checks == broken_here
