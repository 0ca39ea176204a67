"""What failed in a run, in words that hold nothing of a record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from fineline.resources.core.orchestrator.internals import CHECK_FAILED

LONGEST = 300  # characters of a reason

# Fineline's errors by class: their messages say what to do, and hold nothing of a record.
OWN_ERRORS = {
    "SourceError",
    "ScrubError",
    "ModelError",
    "RecipeError",
    "StorageError",
    "ForgettingError",
    "NeedsConfirmation",
    "NotMaterialized",
    "Blocked",
    "Damaged",
    "NoRoom",
    "EmbeddingError",
}


@dataclass(frozen=True)
class Failures:
    """The reason of each failed step of a run, and the failed checks as ``asset: check``."""

    steps: dict[str, str]
    checks: list[str]


def failures(instance: dg.DagsterInstance, run_id: str) -> Failures:
    """The failures of a run. Of an error that is not Fineline's own only the class is given."""
    wanted = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    steps: dict[str, str] = {}
    checks: list[str] = []
    for entry in instance.all_logs(run_id, of_type=wanted):
        event = entry.get_dagster_event()
        if event.is_step_failure:
            steps[str(event.step_key)] = _reason(event.step_failure_data.error)
        else:
            result = event.asset_check_evaluation_data
            if not result.passed and result.severity == dg.AssetCheckSeverity.ERROR:
                checks.append(f"{result.asset_key.to_user_string()}: {result.check_name}")
    return Failures(steps, checks)


def most_telling_error(error: dg.SerializableErrorInfo | None) -> tuple[str, str, bool]:
    """The class and message of the most telling error in a chain of causes, and whether it is one of Fineline's own.

    That is the first of Fineline's own errors, else the innermost error.
    """
    chain = list(_chain(error))
    chosen = next((each for each in chain if each.cls_name in OWN_ERRORS), chain[-1] if chain else None)
    if chosen is None:
        return "Error", "", False
    message = re.sub(rf"^[\w.]*{chosen.cls_name}: ", "", chosen.message.strip())
    return str(chosen.cls_name), message, chosen.cls_name in OWN_ERRORS


def _chain(error: dg.SerializableErrorInfo | None) -> Iterator[dg.SerializableErrorInfo]:
    while error is not None:
        yield error
        error = error.cause


def _reason(error: dg.SerializableErrorInfo | None) -> str:
    name, message, own = most_telling_error(error)
    if name == CHECK_FAILED:
        return "a blocking check failed"
    first = message.splitlines()[0] if message else ""
    return f"{name}: {first[:LONGEST]}" if own else name
