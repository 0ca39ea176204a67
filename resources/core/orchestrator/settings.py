"""Dagster's settings for a storage root: how runs are started, watched, retried and queued, and Dagster's storage."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from fineline.resources.core.orchestrator import postgres
from fineline.resources.core.storage.files import StorageError, write_atomically

# A file that begins with this line is Fineline's, and is rewritten at each start.
HEADER = "# Dagster's settings for this storage root."

INSTANCE_CLASS = """\
instance_class:
  module: fineline.resources.core.orchestrator.instance
  class: RedactingInstance
"""
SETTINGS = f"""\
{HEADER}
# Fineline rewrites this file at each start; to keep settings of your own, delete these two lines.
telemetry:
  enabled: false
nux:
  enabled: false

# What Dagster stores holds no secret, whatever an error or a log line quotes.
{INSTANCE_CLASS}
# A run whose process was killed is noticed within 20 seconds and retried from the step that was interrupted. A step
# that failed is not retried here: transient errors are retried within the run, and others would fail again.
run_launcher:
  module: fineline.resources.core.orchestrator.launcher
  class: HealthCheckedRunLauncher
  config: {{}}
run_monitoring:
  enabled: true
  poll_interval_seconds: 20
  start_timeout_seconds: 100
  cancel_timeout_seconds: 60
  max_resume_run_attempts: 0
  free_slots_after_run_end_seconds: 10
run_retries:
  enabled: true
  max_retries: 2
  retry_on_asset_or_op_failure: false

run_queue:
  dequeue_interval_seconds: 1
concurrency:
  runs:
    max_concurrent_runs: 2
  # At most one step of a pool at a time; steps that need all of a machine's memory are in the pool "training".
  pools:
    granularity: op
    default_limit: 1

retention:
  schedule:
    purge_after_days: 90
  sensor:
    purge_after_days: {{skipped: 1, started: 7, success: 30, failure: 90}}
  auto_materialize:
    purge_after_days: {{skipped: 1, started: 7, success: 30, failure: 90}}
"""

POSTGRES = f"""
# Dagster reads the address from the environment when it starts; it is written nowhere, as it may hold a password.
storage:
  postgres:
    postgres_url:
      env: {postgres.VARIABLE}
"""


def write_settings(home: Path, recipe: str) -> None:
    """Write ``dagster.yaml``, unless a user wrote one.

    If FINELINE_POSTGRES_URL is set, Dagster's storage is on that server, in a schema named after the recipe.

    Raises:
        StorageError: the PostgreSQL server cannot be used, or a user's settings would store secrets; the message states
            what to do.
    """
    with_postgres = postgres.VARIABLE in os.environ
    if with_postgres:
        postgres.prepare(recipe)
    path = home / "dagster.yaml"
    content = (SETTINGS + POSTGRES if with_postgres else SETTINGS).encode()
    before = path.read_bytes() if path.exists() else HEADER.encode()
    if not before.startswith(HEADER.encode()):
        if (yaml.safe_load(before) or {}).get("instance_class") != yaml.safe_load(INSTANCE_CLASS)["instance_class"]:
            raise StorageError(
                f"{path} is your own, and with it Dagster would store the secrets that errors and log lines quote. Add "
                f"to it:\n{INSTANCE_CLASS}"
            )
    elif before != content:
        write_atomically(path, content)
