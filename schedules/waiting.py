"""The sensor that reports what has waited too long: runs to start, steps for their pool, and work for a lock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import dagster as dg

from fineline.resources.core.presentation.inert import inert
from fineline.resources.core.recipe.operations import Alerts
from fineline.resources.core.redaction import secret
from fineline.resources.core.storage.root import Root
from fineline.resources.core.webhook import post
from fineline.resources.project import Project
from fineline.schedules.alerts import in_slack

_TO_START = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING]


class Late(NamedTuple):
    """What has waited too long: who waits for what since when, and all that is known, with whoever holds it now."""

    wait: str
    told: str


def waiting_alerts(recipe: str, section: Alerts) -> dg.SensorDefinition:
    """The sensor that shows what waits too long at its tick, and posts it once, if the recipe names a webhook."""

    @dg.sensor(
        name="waiting_alerts",
        description="Shows what has waited longer than the recipe's alerts.waiting_minutes, for what and since when; "
        "posts it once to the webhook that the recipe names in alerts.",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def waiting_alerts(context: dg.SensorEvaluationContext, project: dg.ResourceParam[Project]) -> dg.SkipReason:
        found = sorted(too_long(context.instance, project.storage.root, timedelta(minutes=section.waiting_minutes)))
        told = json.loads(context.cursor or "[]")
        fresh = [each.told for each in found if each.wait not in told]
        url = secret(section.webhook_variable) if section.webhook_variable else None
        if fresh and url:
            if section.format == "json":
                body = {"event": "waits_too_long", "recipe": recipe, "waiting": fresh, "link": section.link}
            else:
                body = in_slack(f"{recipe}: what waits too long", "\n".join(fresh), section.link, "Open the UI")
            post(url, body)
            context.update_cursor(json.dumps([each.wait for each in found]))
        return dg.SkipReason("; ".join(each.told for each in found) or "nothing waits too long")

    return waiting_alerts


def too_long(instance: dg.DagsterInstance, root: Root, bound: timedelta) -> Iterator[Late]:
    """What has waited longer than a bound, each with for what and since when."""
    before = datetime.now(UTC) - bound
    for record in instance.get_run_records(dg.RunsFilter(statuses=_TO_START, created_before=before)):
        run = f"run {record.dagster_run.run_id[:8]} waits to start{_since(record.create_timestamp)}"
        yield Late(run, run)
    events = instance.event_log_storage
    for pool in sorted(events.get_concurrency_keys()) if events.supports_global_concurrency_limits else []:
        of_pool = events.get_concurrency_info(pool)
        holders = ", ".join(sorted(f"run {slot.run_id[:8]}, {slot.step_key}" for slot in of_pool.claimed_slots))
        for step in of_pool.pending_steps:
            if step.assigned_timestamp is None and step.enqueued_timestamp.astimezone(UTC) < before:
                waits = f"run {step.run_id[:8]}, {step.step_key} waits for the pool {pool!r}"
                since = _since(step.enqueued_timestamp)
                yield Late(inert(waits + since), inert(f"{waits}, which {holders} holds{since}"))
    for wait in root.waits():
        if wait.waiting.seconds > bound.total_seconds():
            yield Late(inert(str(replace(wait, held_by=None))), inert(str(wait)))


def _since(time: datetime) -> str:
    return f", since {time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
