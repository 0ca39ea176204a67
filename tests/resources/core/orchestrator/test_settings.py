import os
import subprocess
import sys

import dagster as dg
import pytest
import yaml
from sqlalchemy import create_engine, text

from fineline.resources.core.orchestrator import postgres
from fineline.resources.core.orchestrator.launcher import HealthCheckedRunLauncher
from fineline.resources.core.orchestrator.settings import HEADER, INSTANCE_CLASS, write_settings
from fineline.resources.core.storage.files import StorageError


@pytest.fixture
def no_server(monkeypatch):
    monkeypatch.delenv(postgres.VARIABLE, raising=False)


def test_dagster_takes_the_settings_and_watches_runs_by_our_launcher(tmp_path, no_server):
    write_settings(tmp_path, "small")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.run_launcher, HealthCheckedRunLauncher)
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_max_resume_run_attempts == 0
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure
        watched = instance.run_monitoring_poll_interval_seconds
        assert max(watched, instance.run_monitoring_start_timeout_seconds + watched) <= 120, "as promised"
        assert instance.global_op_concurrency_default_limit == 1
        assert not instance.telemetry_enabled


def test_settings_of_an_older_fineline_are_replaced_and_those_of_a_user_are_not(tmp_path, no_server):
    path = tmp_path / "dagster.yaml"
    path.write_text(f"{HEADER}\ntelemetry:\n  enabled: false\n")
    write_settings(tmp_path, "small")
    assert "run_monitoring" in path.read_text()
    path.write_text(f"telemetry:\n  enabled: false\n{INSTANCE_CLASS}")
    write_settings(tmp_path, "small")
    assert "run_monitoring" not in path.read_text()


@pytest.mark.parametrize("given", ["", "telemetry: {enabled: false}\n", "instance_class: {module: a, class: B}\n"])
def test_settings_of_a_user_by_which_dagster_would_store_secrets_are_refused_with_what_to_add(
    tmp_path, no_server, given
):
    path = tmp_path / "dagster.yaml"
    path.write_text(given)
    with pytest.raises(StorageError, match="RedactingInstance") as error:
        write_settings(tmp_path, "small")
    path.write_text(f"telemetry: {{enabled: false}}\n{str(error.value).partition(':')[2].partition(chr(10))[2]}")
    write_settings(tmp_path, "small")


@pytest.fixture
def nobody_listens(monkeypatch):
    monkeypatch.setenv(postgres.VARIABLE, "postgresql://ann:hidden@127.0.0.1:9/runs")


def test_a_server_that_does_not_answer_is_told_without_the_password(tmp_path, nobody_listens):
    with pytest.raises(StorageError, match="no server listens there") as error:
        write_settings(tmp_path, "small")
    assert "hidden" not in str(error.value)
    assert error.value.__suppress_context__


@pytest.mark.parametrize(
    "given", ["", "nonsense", "mysql://ann:hidden@host/runs", "postgresql://ann:hid@den@host:x/runs"]
)
def test_what_is_no_address_is_told_with_an_example_and_without_itself(monkeypatch, given):
    monkeypatch.setenv(postgres.VARIABLE, given)
    with pytest.raises(StorageError, match="postgresql://user:password@host") as error:
        postgres.prepare("small")
    assert "hid" not in str(error.value)


def test_a_missing_package_is_told_with_what_to_install(monkeypatch, nobody_listens):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(StorageError, match=r"pip install 'fineline\[postgres\]'"):
        postgres.prepare("small")


def test_a_command_ends_in_the_message_and_no_traceback(tmp_path, nobody_listens):
    (tmp_path / "recipe.yaml").write_text(
        "name: small\nsources: [{name: docs, kind: files, path: docs, licence: MIT}]\n"
    )
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("A text.")
    line = [sys.executable, "-m", "fineline.jobs.cli.main", "ui", "--port", "39417", "--recipe", "recipe.yaml"]
    environment = {**os.environ, "FINELINE_HOME": str(tmp_path / "home")}
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no server listens there" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def server(monkeypatch):
    if "FINELINE_TEST_POSTGRES_URL" not in os.environ:
        pytest.skip("FINELINE_TEST_POSTGRES_URL names no server")
    monkeypatch.setenv(postgres.VARIABLE, os.environ["FINELINE_TEST_POSTGRES_URL"])


@pytest.mark.postgres
def test_dagster_remembers_in_a_schema_of_the_recipe_and_the_address_is_written_nowhere(tmp_path, server, monkeypatch):
    address = os.environ[postgres.VARIABLE]
    for recipe in ("one-recipe", "another"):
        monkeypatch.setenv(postgres.VARIABLE, address)
        home = tmp_path / recipe
        home.mkdir()
        write_settings(home, recipe)
        write_settings(home, recipe)  # the environment is complete now, and may be so again
        with dg.DagsterInstance.from_config(str(home)) as instance:
            assert instance.get_dynamic_partitions("batches") == []
            instance.add_dynamic_partitions("batches", [f"{recipe}/1"])
            assert instance.get_dynamic_partitions("batches") == [f"{recipe}/1"]
        settings = (home / "dagster.yaml").read_text()
        assert address not in settings
        assert yaml.safe_load(settings)["storage"]["postgres"]["postgres_url"] == {"env": postgres.VARIABLE}
    engine = create_engine(address.replace("postgresql://", "postgresql+psycopg2://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for schema in ("fineline_one-recipe", "fineline_another"):
            connection.execute(text(f'DROP SCHEMA "{schema}" CASCADE'))
    engine.dispose()


@pytest.mark.postgres
def test_a_wrong_password_is_told_as_such(server, monkeypatch):
    user, _, rest = os.environ[postgres.VARIABLE].partition("@")
    monkeypatch.setenv(postgres.VARIABLE, f"{user.rpartition(':')[0]}:hidden@{rest}")
    with pytest.raises(StorageError, match="refuses the user or the password") as error:
        postgres.prepare("small")
    assert "hidden" not in str(error.value)
