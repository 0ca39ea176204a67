"""Dagster's settings for a storage root: how runs are started, watched, retried and queued, and where it remembers."""

from __future__ import annotations

import os
from pathlib import Path

from fineline.resources.core.orchestrator import postgres
from fineline.resources.core.storage.files import write_atomically

# A file that begins so is ours, and written anew at each start.
HEADER = "# Dagster's settings for this storage root."

SETTINGS = f"""\
{HEADER}
# Written anew at each start of fineline; to keep settings of your own, take these two lines out.
telemetry:
  enabled: false
nux:
  enabled: false

# A run whose process was killed is noticed within 20 seconds and tried again from the step that it was at. A step
# that failed by itself is not: what may pass is tried again within its run, the rest would fail again.
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
  # At most one step of a pool at a time; the pool "training" holds what needs all of a machine's memory.
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
# The address is read from the environment whenever Dagster starts and is written nowhere, for it may hold a password.
storage:
  postgres:
    postgres_url:
      env: {postgres.VARIABLE}
"""


def write_settings(home: Path, recipe: str) -> None:
    """Write ``dagster.yaml``, unless there is one that a user wrote.

    Where FINELINE_POSTGRES_URL is set, Dagster remembers there what it did, in a schema of the recipe's name.

    Raises:
        StorageError: the PostgreSQL server cannot be used; the message says what to do.
    """
    with_postgres = postgres.VARIABLE in os.environ
    if with_postgres:
        postgres.prepare(recipe)
    path = home / "dagster.yaml"
    content = (SETTINGS + POSTGRES if with_postgres else SETTINGS).encode()
    if not path.exists():
        write_atomically(path, content)
        return
    before = path.read_bytes()
    if before != content and before.startswith(HEADER.encode()):
        write_atomically(path, content)
