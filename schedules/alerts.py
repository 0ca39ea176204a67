"""The sensor that reports failed runs to the webhook that the recipe names."""

from typing import Any

import dagster as dg

from fineline.resources.core.orchestrator.internals import WILL_RETRY_TAG
from fineline.resources.core.presentation.inert import inert, unlinked
from fineline.resources.core.recipe.operations import Alerts
from fineline.resources.core.redaction import secret
from fineline.resources.core.webhook import post
from fineline.schedules.failures import Failures, failures

_LONGEST_TEXT = 2_900  # characters; Slack takes 3,000


def failure_alerts(recipe: str, section: Alerts) -> dg.SensorDefinition:
    """The sensor that reports failed runs of a recipe; it is off if the recipe names no webhook."""
    variable = section.webhook_variable

    @dg.run_failure_sensor(
        name="failure_alerts",
        description="Posts the failures of a run, with a link to it, to the webhook that the recipe names in alerts.",
        # Includes runs of the command line, which have no code location.
        monitor_all_code_locations=True,
        default_status=dg.DefaultSensorStatus.RUNNING if variable else dg.DefaultSensorStatus.STOPPED,
    )
    def failure_alerts(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        if variable is None:
            return dg.SkipReason("the recipe's alerts.webhook_variable is not set")
        url = secret(variable)
        if not url:
            return dg.SkipReason(f"the environment variable {variable} is not set where Dagster runs")
        run = context.dagster_run
        if run.tags.get(WILL_RETRY_TAG) == "true":
            return dg.SkipReason("Dagster tries the run again; only its last failure is reported")
        post(url, message(recipe, run.job_name, run.run_id, failures(context.instance, run.run_id), section))
        return None

    return failure_alerts


def message(recipe: str, job: str, run_id: str, failed: Failures, section: Alerts) -> dict[str, Any]:
    """The body that is posted for a failed run, in the format that the recipe asks for."""
    link = f"{section.link.rstrip('/')}/runs/{run_id}"
    if section.format == "json":
        return {
            "event": "run_failed",
            "recipe": recipe,
            "job": job,
            "run_id": run_id,
            "link": link,
            "failed_steps": [{"step": step, "reason": inert(reason)} for step, reason in failed.steps.items()],
            "failed_checks": failed.checks,
        }
    lines = [f"• check {check}" for check in failed.checks]
    lines += [f"• step {step}: {reason}" for step, reason in failed.steps.items()]
    text = "\n".join(lines) or "No step failed: the run itself ended."
    return in_slack(f"{recipe}: {job} failed", text, link, f"Open run {run_id[:8]}")


def in_slack(title: str, text: str, link: str, what: str) -> dict[str, Any]:
    """The body by which Slack shows a title, a text, and a link named ``what``."""
    return {
        "text": _escaped(title),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": title}},
            {"type": "section", "text": {"type": "mrkdwn", "text": _escaped(text)[:_LONGEST_TEXT], "verbatim": True}},
            {"type": "section", "text": {"type": "mrkdwn", "text": f"<{link}|{what}>"}},
        ],
    }


def _escaped(text: str) -> str:
    """Text without addresses and without Slack's control characters.

    They are three: https://docs.slack.dev/messaging/formatting-message-text.
    """
    return unlinked(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
