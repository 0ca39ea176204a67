import json

import dagster as dg
import pytest
from support.places import asset_folder

from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Storage
from fineline.resources.governance.forgetting.dagster_history import DagsterHistory
from fineline.resources.governance.forgetting.sweep import sweep

PERSON = "Margaret Thompson"
SOUGHT = ["margaret thompson", "0a1b2c3d4e5f60718293a4b5c6d7e8f9"]
SAMPLE = """\
| record_id | completion |
| --- | --- |
| 0a1b2c3d4e5f60718293a4b5c6d7e8f9 | assistant: scrubbed of all that would tell |
| ffffffffffffffffffffffffffffffff | assistant: another |"""
TABLE = dg.MetadataValue.table(
    [
        dg.TableRecord({"id": "1", "text": "by Margaret Thompson", "more": "of the same record"}),
        dg.TableRecord({"id": "2", "text": "another", "more": ""}),
    ]
)


@pytest.fixture
def storage(tmp_path):
    (tmp_path / "root" / "dagster").mkdir(parents=True)
    return Storage(tmp_path / "root")


@pytest.fixture(params=["files", "memory"])
def instance(request, storage):
    if request.param == "memory":
        with dg.DagsterInstance.ephemeral() as instance:
            yield instance
    else:
        with dg.DagsterInstance.local_temp(str(storage.local.folder / "dagster")) as instance:
            yield instance


@dg.asset(
    check_specs=[dg.AssetCheckSpec("no_names", asset="corpus")], partitions_def=dg.StaticPartitionsDefinition(["a"])
)
def corpus(context):
    context.log.info("read the mail of Margaret Thompson")
    return dg.MaterializeResult(
        metadata={
            "sample": dg.MetadataValue.md(SAMPLE),
            "table": TABLE,
            "rows": 2,
            "names": ["Ada", "Margaret Thompson"],
        },
        check_results=[dg.AssetCheckResult(passed=True, description="Margaret\tThompson is in it")],
    )


@pytest.fixture
def run(instance):
    result = dg.materialize([corpus], instance=instance, partition_key="a", tags={"asked": "by Margaret Thompson"})
    return result.run_id


def test_only_what_says_it_goes_from_metadata_messages_and_checks(storage, instance, run):
    DagsterHistory(instance, storage).cleanse(SOUGHT)
    (record,) = instance.fetch_materializations(dg.AssetKey("corpus"), limit=1).records
    metadata = record.asset_materialization.metadata
    assert metadata["sample"].value.splitlines()[2:] == ["| ffffffffffffffffffffffffffffffff | assistant: another |"]
    assert [row.data["text"] for row in metadata["table"].records] == ["another"]
    assert metadata["rows"].value == 2
    assert metadata["names"].value == ["Ada", "(forgotten)"]
    told = json.dumps([str(entry) for entry in instance.all_logs(run)]) + str(instance.get_run_by_id(run))
    assert "Thompson" not in told
    assert SOUGHT[1] not in told
    assert "STEP_SUCCESS" in told
    last = instance.get_latest_materialization_event(dg.AssetKey("corpus"))
    assert SOUGHT[1] not in str(last)
    check = dg.AssetCheckKey(dg.AssetKey("corpus"), "no_names")
    assert "Thompson" not in str(instance.event_log_storage.get_latest_asset_check_execution_by_key([check])[check])


def test_no_file_keeps_it_and_a_second_time_changes_nothing(storage, instance, run):
    log = storage.local.folder / "dagster" / "storage" / run / "compute_logs" / "x.err"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("before\nof Margaret Thompson\nafter\n")
    damaged = [storage.local.folder / "dagster" / f"history{end}.damaged" / "runs.db" for end in ("", "-1", "-2")]
    for each in damaged:
        each.parent.mkdir()
        each.write_bytes(b"SQLite format 3\0 of Margaret Thompson")
    DagsterHistory(instance, storage).cleanse(SOUGHT)
    assert log.read_text() == "before\nafter\n"
    assert not any(each.exists() for each in damaged)
    assert sweep(storage, SOUGHT).remains == []
    before = [str(entry) for entry in instance.all_logs(run)]
    assert DagsterHistory(instance, storage).cleanse(SOUGHT) == []
    assert [str(entry) for entry in instance.all_logs(run)] == before


@dg.asset(check_specs=[dg.AssetCheckSpec("no_evasion", asset="evaluation")])
def evaluation(context):
    context.log.info("asked by Eva")
    return dg.MaterializeResult(metadata={"by": "Eva"}, check_results=[dg.AssetCheckResult(passed=True)])


# Also what stands in types of events, their steps and states.
@pytest.mark.parametrize("needle", ["eva", "materialization", "success"])
def test_what_names_an_asset_a_step_or_a_kind_of_event_stays_readable(storage, instance, needle):
    run = dg.materialize([evaluation], instance=instance).run_id
    kinds = [entry.get_dagster_event().event_type for entry in instance.all_logs(run) if entry.is_dagster_event]
    DagsterHistory(instance, storage).cleanse([needle])
    entries = instance.all_logs(run)
    assert [entry.get_dagster_event().event_type for entry in entries if entry.is_dagster_event] == kinds
    assert {entry.step_key for entry in entries} == {None, "evaluation"}
    assert instance.get_asset_keys() == [evaluation.key]
    assert instance.get_run_by_id(run).is_success
    last = instance.get_latest_materialization_event(evaluation.key)
    assert last.asset_materialization.asset_key == evaluation.key
    if needle == "eva":
        assert last.asset_materialization.metadata["by"].value == "(forgotten)"
        assert "asked by Eva" not in str(entries)
    check = dg.AssetCheckKey(evaluation.key, "no_evasion")
    stored = instance.event_log_storage.get_latest_asset_check_execution_by_key([check])[check]
    assert stored.event.get_dagster_event().asset_check_evaluation_data.asset_check_key == check
    assert dg.materialize([evaluation], instance=instance).success


def test_batches_that_are_named_so_stay_and_are_told(storage, instance):
    names = ["support/margaret-thompson-1.txt", "support/margaret-thompson-2.txt", "support/other.txt"]
    instance.add_dynamic_partitions("batches", names)
    assert DagsterHistory(instance, storage).cleanse(SOUGHT) == ["dynamic_partitions.partition"]
    assert instance.get_dynamic_partitions("batches") == names
    for name in names[:2]:
        instance.delete_dynamic_partition("batches", name)
    assert DagsterHistory(instance, storage).cleanse(SOUGHT) == []


def test_a_cursor_of_the_daemon_stays_readable(storage, instance):
    cursor = {"asset_daemon": "eJyEvaMargaret+Thompson/=="}
    instance.daemon_cursor_storage.set_cursor_values(cursor)
    DagsterHistory(instance, storage).cleanse(["margaret thompson"])
    assert instance.daemon_cursor_storage.get_cursor_values({"asset_daemon"}) == cursor


def test_what_a_killed_attempt_left_in_free_pages_goes_too(storage):
    with dg.DagsterInstance.local_temp(str(storage.local.folder / "dagster")) as instance:
        dg.materialize([corpus], instance=instance, partition_key="a")
        with instance.event_log_storage.index_connection() as connection:
            connection.exec_driver_sql("PRAGMA secure_delete = OFF")
            connection.exec_driver_sql("DELETE FROM event_logs")
            connection.exec_driver_sql("DELETE FROM asset_keys")
            connection.exec_driver_sql("DELETE FROM asset_check_executions")
            connection.commit()
        assert sweep(storage, SOUGHT).remains != []
        DagsterHistory(instance, storage).cleanse(SOUGHT)
        assert sweep(storage, SOUGHT).remains == []


def test_dagster_is_told_versions_that_it_does_not_know_yet(storage):
    def put(version):
        manifest = Manifest(
            asset="corpus",
            batch="a",
            data_version=version,
            code_version="1",
            inputs={},
            files={"data": "x"},
            run_id="r",
        )
        folder = asset_folder(storage, "corpus", "a")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "x").write_text("rows")
        storage.commit(manifest)

    with dg.DagsterInstance.ephemeral() as instance:

        def reported():
            DagsterHistory(instance, storage).report_changes("R-17")
            return len(instance.fetch_materializations(dg.AssetKey("corpus"), limit=9).records)

        put("v1")
        assert reported() == 0, "of what Dagster has no event, there is nothing to tell"
        event = dg.AssetMaterialization("corpus", partition="a", tags={"dagster/data_version": "v1"})
        instance.report_runless_asset_event(event)
        put("v2")
        assert reported() == 2, "the event above and one for the version"
        assert reported() == 2
