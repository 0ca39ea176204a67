"""The recipe's sections about what happens by itself: automation, freshness, alerts, retention."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from fineline.resources.core.recipe.base import Section


def _cron(value: str) -> str:
    # Imported here: a recipe without schedules is read without it.
    from fineline.resources.core.orchestrator.internals import is_valid_cron_string

    if not is_valid_cron_string(value):
        raise ValueError(
            f"{value!r} is no cron expression: minute, hour, day of month, month, day of week, such as "
            "'0 3 * * *' (every night at three) or '0 5 * * 0' (Sundays at five)"
        )
    return value


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is no time zone; names are like UTC or Europe/Berlin") from error
    return value


Cron = Annotated[str, AfterValidator(_cron)]


class Automation(Section):
    """What runs by itself while Dagster's daemon runs, as it does under the UI. All of it is off by default."""

    follow_data: bool = Field(
        False, description="Make assets again when the content of what they are made from changed."
    )
    refresh: Cron | None = Field(None, description="When the whole graph is brought up to date, as cron.")
    audit: Cron | None = Field(None, description="When every promise is checked again on what is stored, as cron.")
    prune: Cron | None = Field(None, description="When what `retention` no longer keeps is removed, as cron.")
    timezone: Annotated[str, AfterValidator(_timezone)] = Field("UTC", description="Of the three times above.")


class Freshness(Section):
    """How old assets may become before the UI marks them; null marks nothing."""

    corpus_hours: int | None = Field(
        None, ge=1, description="Since raw_corpus and curated_corpus were last made or found up to date."
    )
    release_hours: int | None = Field(None, ge=1, description="Since the release was.")


class Alerts(Section):
    """Where failed runs, and what waits too long, are reported; nothing is sent by default."""

    webhook_variable: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Environment variable that holds the webhook's URL, which is a secret.",
    )
    format: Literal["json", "slack"] = Field("json", description="What is posted: plain JSON, or what Slack takes.")
    link: str = Field(
        "http://localhost:3000", pattern=r"^https?://", description="Address of the UI, for links to runs."
    )
    waiting_minutes: int = Field(
        60, ge=1, description="Minutes after which is reported what waits: a run to start, a step for its pool, a lock."
    )


class Retention(Section):
    """What the job `prune` keeps. Whatever stored assets were made by or are made from is always kept."""

    checkpoints: int = Field(1, ge=0, description="Unfinished trainings of each model whose checkpoints are kept.")
    runs_days: int = Field(90, ge=1, description="Days for which Dagster's records of runs are kept.")
    batches_days: int | None = Field(
        None, ge=1, description="Days for which tables of a batch are kept that its source no longer offers."
    )
