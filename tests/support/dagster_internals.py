"""The private names of Dagster that only tests use, each with its reason."""

# What a launcher writes beside the message that names a run's process.
# What a sensor and its tick are stored as.
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.events import EngineEventData
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorTick,
    SensorInstigatorData,
    TickData,
    TickStatus,
)

# The daemon's rounds, run one at a time instead of in a process that waits between them.
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring.concurrency import execute_concurrency_slots_iteration
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration
from dagster._utils.error import SerializableErrorInfo

__all__ = [
    "EmptyWorkspaceTarget",
    "EngineEventData",
    "InstigatorState",
    "InstigatorStatus",
    "InstigatorTick",
    "InstigatorType",
    "RegisteredCodeLocationOrigin",
    "RemoteInstigatorOrigin",
    "RemoteRepositoryOrigin",
    "SensorInstigatorData",
    "SerializableErrorInfo",
    "TickData",
    "TickStatus",
    "create_test_daemon_workspace_context",
    "execute_concurrency_slots_iteration",
    "execute_run_monitoring_iteration",
]
