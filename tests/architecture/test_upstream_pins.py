"""What Fineline relies on beyond Dagster's public API, one shape a test: a failure here reads as "Dagster changed".

Each test names the decision that rests on the shape. The names are those of ``core/orchestrator/internals.py`` and
``storage_internals.py``; the last tests hold the fence around them.
"""

import inspect
import json
import logging
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._cli import api
from dagster._core import errors
from dagster._core.definitions import data_version
from dagster._core.definitions.metadata import CodeReferencesMetadataSet, TableMetadataSet
from dagster._core.storage import tags
from dagster._grpc import impl

from fineline.resources.core.orchestrator import internals, storage_internals, versions
from fineline.resources.governance.forgetting.texts import IDENTIFIERS

ROOT = Path(__file__).resolve().parent.parent.parent
BATCHES = dg.StaticPartitionsDefinition(["a"])


@dg.asset(partitions_def=BATCHES, group_name="rows", code_version="7")
def rows():
    pass


@dg.asset(deps=[rows], check_specs=[dg.AssetCheckSpec("good", asset="table")])
def table(context):
    context.log.info("a message")
    metadata = {"path": dg.MetadataValue.path("/somewhere"), "asset": dg.MetadataValue.asset(dg.AssetKey("rows"))}
    return dg.MaterializeResult(metadata=metadata, check_results=[dg.AssetCheckResult(passed=True, description="ok")])


@pytest.fixture(scope="module")
def home():
    """A Dagster home on disk that holds one run of the assets above."""
    with dg.instance_for_test() as instance:
        dg.materialize([rows, table], instance=instance, partition_key="a")
        yield instance


def tables(instance):
    """Every SQL table of a Dagster home with the engine of its file."""
    for path in sorted(Path(instance.root_directory).rglob("*.db")):
        engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool)
        schema = sa.MetaData()
        schema.reflect(engine)
        yield from ((engine, each) for each in schema.sorted_tables)


def test_the_plan_reads_order_parents_groups_and_code_versions_off_dagsters_graph():
    graph = dg.Definitions([rows, table]).resolve_asset_graph()
    assert isinstance(graph, internals.BaseAssetGraph)
    assert list(graph.toposorted_asset_keys) == [rows.key, table.key]
    node = graph.get(rows.key)
    assert (node.is_materializable, node.group_name, node.code_version, node.parent_keys) == (True, "rows", "7", set())
    assert graph.get(table.key).parent_keys == {rows.key}
    assert {key.name for key in graph.get_check_keys_for_assets({table.key})} == {"good"}


def test_a_condition_names_the_batches_that_it_requests_by_asset_and_key():
    named = internals.AssetKeyPartitionKey(rows.key, "a")
    assert (named.asset_key, named.partition_key) == (rows.key, "a")
    assert internals.AssetKeyPartitionKey(table.key).partition_key is None


def test_a_condition_holds_back_what_is_being_made_or_waits():
    status = dg.DagsterRunStatus
    ended = {status.SUCCESS, status.FAILURE, status.CANCELED, status.MANAGED}
    assert set(internals.NOT_FINISHED_STATUSES) == set(status) - ended


def test_a_failed_worker_process_raises_the_error_that_fineline_replaces():
    @dg.asset
    def worked(context: dg.AssetExecutionContext):
        with pytest.raises(internals.DagsterPipesExecutionError):
            dg.PipesSubprocessClient().run(context=context, command=[sys.executable, "-c", "raise SystemExit(3)"])
        return dg.MaterializeResult()

    assert dg.materialize([worked]).success


def test_the_default_launcher_checks_no_run_by_itself():
    assert not dg.DefaultRunLauncher().supports_check_run_worker_health


def test_run_monitoring_is_answered_with_a_status_and_a_message():
    answer = internals.CheckRunHealthResult(internals.WorkerStatus.NOT_FOUND, "why")
    assert (answer.status, answer.msg) == (internals.WorkerStatus.NOT_FOUND, "why")
    assert internals.WorkerStatus.RUNNING
    signature = inspect.signature(dg.DefaultRunLauncher.check_run_worker_health)
    assert list(signature.parameters) == ["self", "run"]


def test_a_launcher_reads_the_log_of_the_instance_that_it_is_registered_with(instance):
    launcher = dg.DefaultRunLauncher()
    launcher.register_instance(instance)
    assert launcher._instance is instance


def test_a_launcher_is_made_from_what_dagster_yaml_says():
    named = internals.ConfigurableClassData("dagster", "DefaultRunLauncher", "{}")
    assert named.rehydrate(as_type=dg.DefaultRunLauncher).inst_data == named


@pytest.mark.parametrize("module", [api, impl])
def test_the_process_of_a_run_is_known_by_a_message(module):
    (line,) = (line for line in inspect.getsource(module).splitlines() if "Started process for run" in line)
    message = line.strip().removeprefix('f"').removesuffix('",').replace("{pid}", "42")
    assert internals.STARTED_PROCESS.match(message)[1] == "42"


def test_the_console_reads_step_message_and_event_off_a_log_record(instance):
    kept = []

    class Keep(logging.Handler):
        def emit(self, record):
            kept.append(record.dagster_meta)

    @dg.logger
    def keep(_):
        logger = logging.Logger("keep", level=logging.DEBUG)
        logger.addHandler(Keep())
        return logger

    @dg.op
    def fails():
        raise ValueError

    @dg.op
    def follows(_before):
        pass

    @dg.job(logger_defs={"keep": keep})
    def job():
        follows(fails())

    job.execute_in_process(instance=instance, raise_on_error=False, run_config={"loggers": {"keep": {}}})
    assert all({"step_key", "job_name", "orig_message", "dagster_event"} <= set(meta) for meta in kept)
    plain = [meta["orig_message"] for meta in kept if meta["dagster_event"] is None]
    assert any(message.startswith(internals.SKIPPED_BY_FAILURE) for message in plain)
    events = {meta["dagster_event"].event_type for meta in kept if meta["dagster_event"] is not None}
    assert dg.DagsterEventType.STEP_FAILURE in events


def test_a_stored_run_names_a_failed_check_and_an_interruption_by_their_classes():
    assert issubclass(getattr(errors, internals.CHECK_FAILED), dg.DagsterError)
    assert issubclass(getattr(errors, internals.INTERRUPTED), BaseException)


def test_a_run_carries_its_batches_and_its_retries_in_tags():
    assert internals.RANGE_START_TAG == tags.ASSET_PARTITION_RANGE_START_TAG
    assert internals.RANGE_END_TAG == tags.ASSET_PARTITION_RANGE_END_TAG
    assert internals.MAX_RETRIES_TAG == tags.MAX_RETRIES_TAG
    assert internals.WILL_RETRY_TAG == tags.WILL_RETRY_TAG


def test_an_event_carries_its_data_version_its_code_version_and_those_of_its_inputs_in_tags():
    assert versions.DATA_VERSION_TAG == data_version.DATA_VERSION_TAG
    assert versions.GIVEN_VERSION_TAG == data_version.DATA_VERSION_IS_USER_PROVIDED_TAG
    assert data_version.CODE_VERSION_TAG == "dagster/code_version"
    key = dg.AssetKey("rows")
    assert data_version.get_input_data_version_tag(key) == "dagster/input_data_version/rows"
    assert data_version.get_input_event_pointer_tag(key) == "dagster/input_event_pointer/rows"


def test_the_ui_shows_columns_rows_and_code_by_the_names_of_metadata():
    shown = {f"{TableMetadataSet.namespace()}/{name}" for name in TableMetadataSet.model_fields}
    assert {f"dagster/{name}" for name in ("column_schema", "column_lineage", "row_count", "table_name")} <= shown
    assert {"dagster/partition_row_count", "dagster/storage_kind"} <= shown
    assert "code_references" in CodeReferencesMetadataSet.model_fields


def test_a_skipped_asset_shows_the_last_result_of_a_check_that_passed(home):
    passed = {internals.AssetCheckExecutionRecordStatus.SUCCEEDED}
    key = dg.AssetCheckKey(table.key, "good")
    (record,) = home.event_log_storage.get_asset_check_execution_history(key, limit=1, status=passed)
    evaluation = record.event.dagster_event.asset_check_evaluation_data
    assert (evaluation.passed, evaluation.description) == (True, "ok")


def test_what_is_stored_is_held_against_the_last_tags_of_each_batch(home):
    found = home.event_log_storage.get_latest_tags_by_partition(
        rows.key, dg.DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"]
    )
    assert set(found["a"]) == {"dagster/data_version"}


def test_an_interrupted_run_is_canceled_and_gives_its_pool_slots_back(home):
    assert callable(home.report_run_canceled)
    assert home.event_log_storage.supports_global_concurrency_limits
    home.event_log_storage.free_concurrency_slots_for_run("none")


@pytest.mark.parametrize(
    ("cron", "valid"), [("0 3 * * *", True), ("0 0 29 2 *", True), ("61 * * * *", False), ("night", False)]
)
def test_a_recipe_takes_the_cron_expressions_that_a_schedule_takes(cron, valid):
    assert internals.is_valid_cron_string(cron) == valid
    try:
        dg.ScheduleDefinition(job_name="main", cron_schedule=cron)
        taken = True
    except dg.DagsterInvalidDefinitionError:
        taken = False
    assert taken == valid


def test_a_deleted_run_of_sqlite_leaves_a_file_that_fineline_deletes(home):
    storage = home.event_log_storage
    assert isinstance(storage, storage_internals.SqliteEventLogStorage)
    (run,) = home.get_runs()
    assert Path(storage.path_for_shard(run.run_id)).is_file()


def test_forgetting_reaches_all_three_storages_by_their_own_connections(home):
    assert isinstance(home.event_log_storage, storage_internals.SqlEventLogStorage)
    assert isinstance(home.run_storage, storage_internals.SqlRunStorage)
    assert isinstance(home.schedule_storage, storage_internals.SqlScheduleStorage)
    opened = (home.event_log_storage.index_connection, home.run_storage.connect, home.schedule_storage.connect)
    for connect in opened:
        with connect() as connection:
            assert isinstance(connection, sa.Connection)


def test_forgetting_blanks_the_free_text_of_dagsters_tables_and_nothing_else(home):
    free = {}
    for _, each in tables(home):
        free[each.name] = free.get(each.name, set()) | storage_internals.free_text(each)
    assert {name: columns for name, columns in free.items() if columns} == {
        "asset_check_executions": {"evaluation_event"},
        "asset_daemon_asset_evaluations": {"asset_evaluation_body"},
        "asset_event_tags": {"value"},
        "asset_keys": {"asset_details", "cached_status_data", "last_materialization", "tags"},
        "backfill_tags": {"value"},
        "bulk_actions": {"body"},
        "daemon_heartbeats": {"body"},
        "event_logs": {"event"},
        "instigators": {"instigator_body"},
        "job_ticks": {"tick_body"},
        "jobs": {"job_body"},
        "run_tags": {"value"},
        "runs": {"mode", "run_body"},
    }
    # Without a primary key a row could not be written back.
    assert [each.name for _, each in tables(home) if not list(each.primary_key.columns)] == []


def test_forgetting_keeps_the_fields_by_which_dagster_reads_its_events(home):
    def fields(value):
        if isinstance(value, dict):
            yield from value
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from fields(each)

    found = set()
    for engine, each in tables(home):
        with engine.connect() as connection:
            for row in connection.execute(sa.select(each)):
                texts = (value for value in row if isinstance(value, str) and value.startswith(("{", "[")))
                found.update(name for text in texts for name in fields(json.loads(text)))
    # A cursor stands in the state of a sensor alone.
    assert IDENTIFIERS - found == {"cursor"}


def private_packages():
    return {f"dagster.{each.name}" for each in pkgutil.iter_modules(dg.__path__) if each.name.startswith("_")}


def test_every_private_package_of_dagster_is_behind_the_fence():
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    banned = set(configuration["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"])
    assert banned == private_packages() - {"dagster.__main__"}


@pytest.mark.parametrize(
    "statement", ["from dagster._core.events import DagsterEvent", "import dagster._serdes.serdes"]
)
def test_a_private_import_outside_the_fence_is_refused(statement):
    command = [sys.executable, "-m", "ruff", "check", "--select", "TID251", "--stdin-filename", "assets/corpus.py", "-"]
    done = subprocess.run(command, input=f"{statement}\n", capture_output=True, text=True, cwd=ROOT)
    assert "TID251" in done.stdout
