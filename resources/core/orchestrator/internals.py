"""The private names of Dagster that Fineline relies on, each with its reason.

No other module imports ``dagster._…``: ruff forbids it. ``tests/architecture/test_upstream_pins.py`` pins the shape of
each name. The names of Dagster's SQL storage are in ``storage_internals``.
"""

from __future__ import annotations

import re

# The type of the graph that automation conditions and definitions hand over, for annotations.
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph as BaseAssetGraph

# How an automation condition names the batches that it requests.
from dagster._core.definitions.events import AssetKeyPartitionKey as AssetKeyPartitionKey

# What PipesSubprocessClient raises when the worker process fails; Fineline raises the worker's own error in its place.
from dagster._core.errors import DagsterPipesExecutionError as DagsterPipesExecutionError

# Where an instance of a class of one's own takes Dagster's defaults from.
from dagster._core.instance.ref import InstanceRef as InstanceRef

# What a run launcher answers run monitoring with. DefaultRunLauncher is public, but cannot answer.
from dagster._core.launcher import CheckRunHealthResult as CheckRunHealthResult
from dagster._core.launcher import WorkerStatus as WorkerStatus

# The history of a check is read by status: a skipped asset shows the last result that passed.
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus as AssetCheckExecutionRecordStatus,
)

# The statuses of runs that make something now or wait for their turn.
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES as NOT_FINISHED_STATUSES

# What a class that dagster.yaml names is constructed with, and how events and ticks are written as JSON.
from dagster._serdes import ConfigurableClassData as ConfigurableClassData
from dagster._serdes import deserialize_value as deserialize_value
from dagster._serdes import serialize_value as serialize_value

# Dagster's own reading of cron expressions: one that it accepts here, it accepts in a schedule.
from dagster._utils.schedules import is_valid_cron_string as is_valid_cron_string

# The message of the engine event by which DefaultRunLauncher records the process of a run, the only place that has it.
STARTED_PROCESS = re.compile(r"^Started process for run \(pid: (\d+)\)")
# How Dagster's message begins for each step that an earlier failure keeps from running; the console leaves it out.
SKIPPED_BY_FAILURE = "Dependencies for step"
# The classes of errors that a stored run knows by name alone: a failed blocking check, and Ctrl-C in a step.
CHECK_FAILED = "DagsterAssetCheckFailedError"
INTERRUPTED = "DagsterExecutionInterruptedError"
# Tags of runs: the first and the last batch, how often a failed run is retried, and whether it is going to be.
RANGE_START_TAG, RANGE_END_TAG = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
MAX_RETRIES_TAG, WILL_RETRY_TAG = "dagster/max_retries", "dagster/will_retry"
