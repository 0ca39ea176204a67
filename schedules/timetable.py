"""The schedules: refresh of the graph, audit, and removal of what retention no longer keeps."""

from collections.abc import Sequence

import dagster as dg

from fineline.assets.execution.partitions import BATCHES
from fineline.resources.core.orchestrator.runs import range_tags
from fineline.resources.core.recipe.operations import Automation


def schedules(section: Automation) -> list[dg.ScheduleDefinition]:
    """The three schedules; each is on from the start if the recipe gives its time, else off.

    The usual times are shown in the UI, and count for a schedule that is turned on there without a time in the recipe.
    """
    brings = "Brings the whole graph up to date, all batches in one run; unchanged assets are skipped."
    return [
        _schedule("refresh", section, "0 3 * * *", brings),
        _schedule("audit", section, "0 5 * * 0", "Checks every promise again on what is stored."),
        _schedule("prune", section, "0 7 * * 0", "Removes what the recipe's retention no longer keeps."),
    ]


def _schedule(name: str, section: Automation, usual: str, description: str) -> dg.ScheduleDefinition:
    cron = getattr(section, name)
    by_recipe = "By the recipe." if cron else f"Off: automation.{name} is not set in the recipe."

    @dg.schedule(
        name=name,
        job_name="main" if name == "refresh" else name,
        cron_schedule=cron or usual,
        execution_timezone=section.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING if cron else dg.DefaultScheduleStatus.STOPPED,
        description=f"{description} {by_recipe}",
    )
    def at_its_time(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if name != "refresh":
            return dg.RunRequest()
        return refresh(context.instance.get_dynamic_partitions(str(BATCHES.name)))

    return at_its_time


def refresh(batches: Sequence[str]) -> dg.RunRequest | dg.SkipReason:
    """One run of the whole graph over all batches, in Dagster's order of them: the only set that a run can name."""
    if not batches:
        return dg.SkipReason("no batch has arrived yet; put files into the folders of the recipe's sources")
    return dg.RunRequest(tags=range_tags(batches))
