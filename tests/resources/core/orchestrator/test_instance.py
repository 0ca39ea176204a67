import json
import logging
import sqlite3
import sys
from pathlib import Path

import dagster as dg
import pytest
from support.dagster_internals import (
    InstigatorState,
    InstigatorStatus,
    InstigatorTick,
    InstigatorType,
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
    SensorInstigatorData,
    SerializableErrorInfo,
    TickData,
    TickStatus,
)
from support.payloads import PAYLOADS

from fineline.resources.core import redaction
from fineline.resources.core.orchestrator import postgres
from fineline.resources.core.orchestrator.instance import RedactingInstance, _redacted
from fineline.resources.core.orchestrator.internals import serialize_value
from fineline.resources.core.orchestrator.settings import write_settings
from fineline.resources.core.presentation.inert import inert_lines
from fineline.resources.core.presentation.output import InertRecord
from fineline.resources.core.redaction import HIDDEN, secret

ADDRESS = "ftp://ann:hunter2@files.example/a.csv?sig=abc123"
MARKS = ("hunter2", "abc123")


@pytest.fixture
def instance(tmp_path, monkeypatch):
    monkeypatch.delenv(postgres.VARIABLE, raising=False)
    write_settings(tmp_path, "small")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance, RedactingInstance)
        yield instance


def stored(instance):
    """All that Dagster's databases hold, as text."""
    found = []
    for path in Path(instance.root_directory).rglob("*.db"):
        with sqlite3.connect(path) as database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            found += [str(row) for name in tables for row in database.execute(f'SELECT * FROM "{name}"')]
    return "\n".join(found)


@dg.asset(check_specs=[dg.AssetCheckSpec("careful", asset="leaky")])
def leaky(context):
    context.log.info(f"reads {ADDRESS}")
    context.log.warning("reads %s", ADDRESS)
    logging.getLogger("dagster").warning("reads %s", ADDRESS)
    context.log_event(dg.AssetObservation("leaky", description=ADDRESS, metadata={"text": ADDRESS}))
    yield dg.AssetCheckResult(
        check_name="careful",
        asset_key=context.asset_key,
        passed=False,
        description=ADDRESS,
        metadata={"md": dg.MetadataValue.md(ADDRESS)},
        severity=dg.AssetCheckSeverity.WARN,
    )
    yield dg.Output(
        None,
        metadata={
            "text": ADDRESS,
            "list": dg.MetadataValue.json([{ADDRESS: [ADDRESS]}]),
            "link": dg.MetadataValue.url(ADDRESS),
            "path": dg.MetadataValue.path(ADDRESS),
            "table": dg.MetadataValue.table([dg.TableRecord({"address": ADDRESS})]),
        },
    )


@dg.asset
def failing():
    try:
        raise FileNotFoundError(2, "gone", ADDRESS)
    except FileNotFoundError as error:
        try:
            raise KeyError(ADDRESS) from error
        except KeyError:
            raise ValueError(f"cannot read {ADDRESS}")  # noqa: B904


@pytest.mark.outcome("leaks", "a secret in an event, metadata or tag that Dagster stores", "hidden before it is stored")
def test_no_event_of_a_run_holds_a_secret(instance):
    result = dg.materialize([leaky, failing], instance=instance, raise_on_error=False)
    assert not result.success
    text = stored(instance)
    assert text.count(f"ftp://{HIDDEN}@files.example/a.csv?{HIDDEN}") > 15
    for mark in MARKS:
        assert mark not in text


def test_no_event_without_a_run_holds_a_secret(instance):
    instance.report_runless_asset_event(dg.AssetMaterialization("leaky", description=ADDRESS, metadata={"at": ADDRESS}))
    run = dg.materialize([leaky], instance=instance).dagster_run
    instance.report_engine_event(ADDRESS, run)
    instance.report_run_failed(instance.get_run_by_id(run.run_id), message=ADDRESS)
    text = stored(instance)
    for mark in MARKS:
        assert mark not in text


@pytest.mark.outcome("leaks", "a secret in what a sensor stores", "hidden before it is stored")
def test_no_tick_of_a_sensor_holds_a_secret(instance):
    error = SerializableErrorInfo(ADDRESS, [ADDRESS], "KeyError", cause=SerializableErrorInfo(ADDRESS, [], "OSError"))
    data = TickData("sensor", "alerts", InstigatorType.SENSOR, TickStatus.STARTED, timestamp=1.0)
    tick = instance.create_tick(data)
    instance.update_tick(tick.with_status(TickStatus.FAILURE, error=error))
    text = stored(instance)
    assert text.count(f"ftp://{HIDDEN}@") == 3
    for mark in MARKS:
        assert mark not in text


def texts(value):
    """All texts of a value of Dagster, at any depth."""
    match value:
        case str():
            return [value]
        case dict():
            return texts([*value, *value.values()])
        case list():
            return [text for each in value for text in texts(each)]
    return []


def test_in_no_event_of_a_run_does_a_text_act(instance):
    @dg.asset
    def quoting():
        hostile = "\n".join(PAYLOADS).encode(errors="replace").decode()
        try:
            raise FileNotFoundError(2, hostile, hostile)
        except FileNotFoundError as error:
            raise ValueError(hostile) from error

    run = dg.materialize([quoting], instance=instance, raise_on_error=False).dagster_run
    (failed,) = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    found = texts(json.loads(serialize_value(failed)))
    assert sum("wipeAssets" in text for text in found) == 2
    for text in found:
        assert inert_lines(text) == text


def test_what_the_log_of_a_process_reports_does_not_act(capsys):
    controls = "\x1b[2J\x1b]0;title\x07"
    try:
        raise ValueError(controls)
    except ValueError:
        error = sys.exc_info()
    record = InertRecord("x", logging.ERROR, "", 1, "%s", (controls,), error)
    sys.excepthook(*error)
    shown = logging.Formatter().format(record) + capsys.readouterr().err
    assert shown.count("\\x1b[2J") == 3
    assert inert_lines(shown) == shown


PASSWORDS = ["fineline", "postgres", "password", "training", "hunting", "mailboxes"]


def states():
    """What Dagster stores of sensors, runs and assets whose names are ordinary words."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("fineline.jobs.definitions"), "__repository__")
    origin = RemoteInstigatorOrigin(repository, "training")
    cursors = [
        json.dumps({"mailboxes/0a": "training", "path": "a\\b\tc"}),
        "eJyrVkrLz1eyUlBKSixSqgUAHRgERw==\n",
        "training",
    ]
    for cursor in cursors:
        data = SensorInstigatorData(last_run_key="postgres", min_interval=3, cursor=cursor)
        yield InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)
        request = dg.RunRequest(
            run_key="fineline",
            partition_key="mailboxes/0a",
            asset_selection=[dg.AssetKey(["fineline", "mailboxes"])],
            tags={"dagster/partition": "mailboxes", "training": "on", "owner": "fineline/postgres"},
        )
        yield InstigatorTick(
            1,
            TickData(
                *(origin.get_id(), "training", InstigatorType.SENSOR, TickStatus.SKIPPED, 1.0),
                selector_id="mailboxes",
                cursor=cursor,
                run_requests=[request],
            ),
        )
    yield dg.AssetMaterialization(
        dg.AssetKey(["training", "mailboxes"]), partition="mailboxes", tags={"dagster/data_version": "postgres"}
    )


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_that_is_an_ordinary_word_changes_no_name_by_which_dagster_finds_things(monkeypatch, password):
    monkeypatch.setattr(redaction, "_read", set())
    monkeypatch.setenv(postgres.VARIABLE, f"postgresql://{password}:{password}@db/fineline")
    secret(postgres.VARIABLE)
    for state in states():
        assert serialize_value(_redacted(state)) == serialize_value(state)


def test_the_free_text_of_what_dagster_stores_hides_secrets_though_names_stay(monkeypatch):
    monkeypatch.setattr(redaction, "_read", {"aB3dE5gH7", "mailboxes"})
    told = dg.AssetMaterialization(
        dg.AssetKey("mailboxes"),
        description="it was mailboxes, and xaB3dE5gH7x",
        metadata={"aB3dE5gH7": "/in/aB3dE5gH7/a.csv"},
    )
    assert "aB3dE5gH7" not in serialize_value(_redacted(told))
    assert _redacted(told).description == f"it was {HIDDEN}, and x{HIDDEN}x"
    assert _redacted(told).asset_key == told.asset_key
    data = SensorInstigatorData(cursor='{"a": "aB3dE5gH7"}')
    assert json.loads(_redacted(data).cursor) == {"a": HIDDEN}
