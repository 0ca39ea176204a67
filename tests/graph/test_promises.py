"""Each promise, broken on purpose: its check fails, and what follows is not made."""

import dataclasses

import dagster as dg
import polars as pl
import pytest
from support.batches import key
from support.places import asset_folder

from fineline.assets.execution.rules import described
from fineline.assets.execution.run import Run
from fineline.data_contracts import catalog
from fineline.jobs.definitions import build
from fineline.jobs.runner import RunFailed
from fineline.resources.core.storage.store import Blocked
from fineline.resources.data.curation import curate as curation
from fineline.resources.data.deduplication import clusters as duplicates
from fineline.resources.data.scrubbing.replacement import Cleaned, Replacer
from fineline.resources.data.splitting import assignment as splitter
from fineline.resources.models.base.tasks import CountTokens
from fineline.resources.models.evaluation.tasks import Evaluate
from fineline.resources.models.release.tasks import MergeCheck

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
    curate = curation.curate

    def lose_one(*tables):
        made = curate(*tables)
        return curation.TableOutput(made.frame.head(-1), made.rows_in, made.drops)

    broken("curated_corpus", "accounted_for", "fineline.resources.data.curation.curate.curate", lose_one)


def test_accounted_for_a_row_that_never_reached_the_tables_is_noticed(world, broken):
    def one_more(self, asset, batch=None, role="data"):
        table = scan(self, asset, batch, role)
        if role != "rows_read":
            return table
        return pl.concat([table, table.head(1).with_columns(record_id=pl.lit("f" * 32))])

    scan = Run.scan
    broken("record_ledger", "sums_close", "fineline.assets.execution.run.Run.scan", one_more)


def test_under_contract_rows_that_break_the_contract_stop_the_run(broken):
    curate = curation.curate

    def empty_answers(*tables):
        made = curate(*tables)
        answers = made.frame["completion"].gather([0] * made.frame.height)
        blank = [[{"role": "assistant", "content": " "}] for _ in answers]
        frame = made.frame.with_columns(completion=pl.Series(blank, dtype=made.frame.schema["completion"]))
        return curation.TableOutput(frame, made.rows_in, made.drops)

    broken("curated_corpus", "under_contract", "fineline.resources.data.curation.curate.curate", empty_answers)


def test_scrubbed_and_measured_a_scrubber_that_replaces_nothing_is_noticed(world, monkeypatch):
    for batch in ("first", "second"):
        (asset_folder(world.storage, "scrubbed_corpus", key(f"colours/{batch}.jsonl")) / "manifest.json").unlink()
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

    broken("splits", "nothing_leaks", "fineline.assets.splits.assign", tear_apart)


@pytest.fixture
def answers(monkeypatch):
    """Changes the answers of the worker: ``answers(kind, change)`` gives a patch for those to tasks of a kind."""
    work = Run.work

    def changed(kind, change):
        def answer(self, task):
            result = work(self, task)
            return change(result) if isinstance(task, kind) else result

        return "fineline.assets.execution.run.Run.work", answer

    return changed


def rewritten(path, **columns):
    pl.read_parquet(path).with_columns(**columns).write_parquet(path)


def test_tokens_that_teach_an_untrained_stop_token_is_noticed(broken, answers):
    def without_stop(result):
        rewritten(result.counts, stop_token_trained=pl.lit(False))
        return result

    broken("sft_dataset", "tokens_teach", *answers(CountTokens, without_stop))


def test_promoted_on_evidence_a_model_that_is_no_better_is_not_released(broken, answers):
    def worse(result):
        aligned = pl.col("model") == "aligned_model"
        rewritten(result.losses, loss=pl.when(aligned).then(pl.col("loss") + 9.0).otherwise(pl.col("loss")))
        return result

    broken("evaluation", "promoted_on_evidence", *answers(Evaluate, worse))


def test_the_model_served_is_the_model_tested_an_adapter_with_other_losses_is_noticed(broken, answers):
    def differs(result):
        return result.model_copy(update={"mean_difference": 9.0})

    broken("release", "served_equals_tested", *answers(MergeCheck, differs))


def test_every_check_that_exists_is_broken_above_or_in_the_tests_of_its_table(world):
    graph = build(str(world.recipe)).resolve_asset_graph()
    # The checks of the audit and of forgetting are broken in their own tests, those of single rules in test_rules.py.
    pipeline = set(world.assets)
    broken_here = {
        "accounted_for", "sums_close", "under_contract", "personal_data_is_replaced", "duplicates_are_verified",
        "nothing_leaks", "tokens_teach", "promoted_on_evidence", "served_equals_tested",
    }  # fmt: skip
    checks = {key.name for key in graph.asset_check_keys if key.asset_key.to_user_string() in pipeline}
    rules = {rule for each in catalog.ASSETS if each.contract for rule in described(each.schema)}
    assert checks - rules == broken_here
