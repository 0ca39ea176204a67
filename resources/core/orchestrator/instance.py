"""Dagster's instance, which redacts every event and every tick of a sensor or schedule before it is stored."""

from __future__ import annotations

import json
from typing import Any, TypeVar, cast

import dagster as dg

from fineline.resources.core.orchestrator.internals import InstanceRef, deserialize_value, serialize_value
from fineline.resources.core.redaction import redacted

T = TypeVar("T")


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

    def handle_new_event(self, event: Any, **options: Any) -> None:
        """Store an event of a run, or of none."""
        super().handle_new_event(_redacted(event), **options)

    def create_tick(self, tick_data: Any) -> Any:
        """Store a tick that begins."""
        return super().create_tick(_redacted(tick_data))

    def update_tick(self, tick: Any) -> Any:
        """Store how a tick ended."""
        return super().update_tick(_redacted(tick))


def _redacted(stored: T) -> T:
    """A value of Dagster with each of its texts redacted."""
    value: Any = stored
    before = json.loads(serialize_value(value))
    after = _in_texts(before)
    return stored if after == before else cast("T", deserialize_value(json.dumps(after)))


def _in_texts(value: Any) -> Any:
    match value:
        case str():
            return redacted(value)
        case dict():
            return {redacted(name): _in_texts(each) for name, each in value.items()}
        case list():
            return [_in_texts(each) for each in value]
    return value
