"""Dagster's instance: in what it stores of an event, or of a tick of a sensor or schedule, no text is secret or acts.

Each process of Dagster loads this module, so that its log is redacted as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import dagster as dg

from fineline.resources.core.orchestrator.internals import InstanceRef, deserialize_value, serialize_value
from fineline.resources.core.presentation.inert import inert_lines
from fineline.resources.core.presentation.output import quieten_output

T = TypeVar("T")

quieten_output()


class RedactingInstance(dg.DagsterInstance):
    """The one way by which messages, metadata, errors and their traces come into Dagster's storage."""

    @staticmethod
    def config_schema() -> dict[str, Any]:
        """No settings of its own."""
        return {}

    @staticmethod
    def config_defaults(base_dir: str) -> Any:
        """Dagster's own."""
        return InstanceRef.config_defaults(base_dir)

    def create_run(self, **options: Any) -> dg.DagsterRun:
        """Store a new run with its tags and configuration."""
        return super().create_run(**_given(options))

    def create_run_for_job(self, *job: Any, **options: Any) -> dg.DagsterRun:
        """The same for a run of this process."""
        return super().create_run_for_job(*job, **_given(options))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a new run, of which people give the configuration and the tags."""
    return options | {name: _in_texts(options[name]) for name in ("run_config", "tags") if name in options}


def _redacting(name: str) -> Callable[..., Any]:
    method: Callable[..., Any] = getattr(dg.DagsterInstance, name)

    def redacting(self: RedactingInstance, *values: Any, **options: Any) -> Any:
        return method(self, *map(_redacted, values), **options)

    return wraps(method)(redacting)


# Events; tags of runs; sensors and schedules with their cursors; backfills; errors of the daemon.
for _name in (
    *("handle_new_event", "add_run", "add_run_tags", "create_tick", "update_tick"),
    *("add_instigator_state", "update_instigator_state", "add_backfill", "update_backfill", "add_daemon_heartbeat"),
):
    setattr(RedactingInstance, _name, _redacting(_name))


def _redacted(stored: T) -> T:
    """A value of Dagster with each of its texts redacted and inert."""
    value: Any = stored
    before = json.loads(serialize_value(value))
    after = _in_texts(before)
    return stored if after == before else cast("T", deserialize_value(json.dumps(after)))


def _in_texts(value: Any) -> Any:
    match value:
        case str():
            return inert_lines(value)
        case dict():
            return {inert_lines(name): _in_texts(each) for name, each in value.items()}
        case list():
            return [_in_texts(each) for each in value]
    return value
