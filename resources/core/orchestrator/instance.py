"""Dagster's instance: in what it stores of an event, or of a tick of a sensor or schedule, no text is secret or acts.

Each process of Dagster loads this module, so that its log is redacted as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import dagster as dg

from fineline.resources.core.orchestrator.internals import InstanceRef, deserialize_value, serialize_value
from fineline.resources.core.presentation.inert import inert_lines
from fineline.resources.core.presentation.output import quieten_output
from fineline.resources.core.redaction import redacted

T = TypeVar("T")

# Fields of Dagster's objects by which it finds other objects: another name would be another sensor, asset or batch.
_IDENTIFYING = re.compile(
    "^__|^logging_tags$|(?:^|_)(?:ids?|keys?|names?|origin|handle|selector|selection|partitions?|subsets?|target)$"
)
# Fields that only the program reads that wrote them.
_EXACT = re.compile("^cursor$|^serialized_|_data$")
# A key of a JSON object that is a word, and so no secret.
_NAME = re.compile("[A-Za-z_./-]{1,200}")

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
    """A value of Dagster with each of its free texts redacted and inert; what it knows others by stays as it is."""
    value: Any = stored
    before = json.loads(serialize_value(value))
    after = _in_texts(before)
    return stored if after == before else cast("T", deserialize_value(json.dumps(after)))


def _in_texts(value: Any) -> Any:
    match value:
        case str():
            return inert_lines(value)
        case dict():
            of_dagster = "__class__" in value
            return {_key(name): _in_field(of_dagster, name, each) for name, each in value.items()}
        case list():
            return [_in_texts(each) for each in value]
    return value


def _in_field(of_dagster: bool, name: str, value: Any) -> Any:
    if name.lstrip(".").startswith("dagster/") or (of_dagster and _IDENTIFYING.search(name)):
        return _in_identifiers(value)
    if of_dagster and isinstance(value, str) and _EXACT.search(name):
        return value if redacted(value) == value else inert_lines(value)
    return _in_texts(value)


def _in_identifiers(value: Any) -> Any:
    match value:
        case str():
            return value if value.isprintable() and "://" not in value else inert_lines(value)
        case dict():
            return {_key(name): _in_identifiers(each) for name, each in value.items()}
        case list():
            return [_in_identifiers(each) for each in value]
    return value


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else inert_lines(name)
