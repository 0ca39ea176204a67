"""The private names of Dagster that only tests use, each with its reason."""

# What a launcher writes beside the message that names a run's process.
from dagster._core.events import EngineEventData

# The daemon's rounds, run one at a time instead of in a process that waits between them.
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring.concurrency import execute_concurrency_slots_iteration
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

__all__ = [
    "EmptyWorkspaceTarget",
    "EngineEventData",
    "create_test_daemon_workspace_context",
    "execute_concurrency_slots_iteration",
    "execute_run_monitoring_iteration",
]
