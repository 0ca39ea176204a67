"""Assets follow their data: made again when the content of what they are made from changed."""

from typing import Any

import dagster as dg

from fineline.resources.forgetting import CERTIFICATES
from fineline.resources.lineage import FOLLOWS_MODELS
from fineline.resources.recipe import Recipe
from fineline.resources.retraining import DECISION, STAGE_OF

_AC = dg.AutomationCondition[Any]
# The decision to train, the models, and what is known of them; not the base model and the data sets.
AFTER_MODELS = dg.AssetSelection.groups("models", "evaluation")
# How often a decision is looked at again that waits for time to pass.
EVERY_QUARTER = "*/15 * * * *"


def condition(asset: str, recipe: Recipe) -> dg.AutomationCondition[Any] | None:
    """When an asset of a recipe is made without being asked for.

    Tables follow what they are made from. Models follow the decision to train, evaluation and release the
    models; neither follows the data sets, which change with every batch.
    """
    if asset == CERTIFICATES:
        return None  # Made by requests alone.
    any_input = _AC.any_deps_match(_AC.data_version_changed())
    if asset in STAGE_OF:
        return _made_on(any_input.allow(AFTER_MODELS), "on a decision to train")
    # newly_missing() would leave out all that was missing when the daemon started; what failed is not tried
    # again and again, but when something about it changes.
    changes = (_AC.missing() & ~_AC.execution_failed()) | _AC.code_version_changed()
    if asset in FOLLOWS_MODELS:
        return _made_on(any_input.allow(AFTER_MODELS) | changes, "on a new model")
    if asset == DECISION and (recipe.retrain.cooldown_hours or recipe.retrain.maximum_per_week):
        return _made_on(any_input | changes | _AC.cron_tick_passed(EVERY_QUARTER), "on data change or time")
    return _made_on(any_input | changes, "on data change")


def _made_on(changes: dg.AutomationCondition[Any], label: str) -> dg.AutomationCondition[Any]:
    """After such changes, once all that the asset is made from is there, at rest, and passed its blocking checks.

    Dagster's own eager() fires on any upstream materialization, also of the same bytes; this one follows data
    versions. The blocking checks of partitioned inputs are asked for one by one, because
    all_deps_blocking_checks_passed() overlooks them where the follower is not partitioned.
    """
    blocked = _AC.any_deps_match(_AC.any_checks_match(_AC.check_failed() | _AC.execution_failed(), blocking_only=True))
    return (
        changes.since_last_handled()
        & ~_AC.any_deps_missing()
        & ~_AC.any_deps_in_progress()
        & ~_AC.in_progress()
        & ~blocked
    ).with_label(label)


follow_data = dg.AutomationConditionSensorDefinition(
    "follow_data",
    target=dg.AssetSelection.all(),
    minimum_interval_seconds=10,
    description="Makes assets again when the content of what they are made from changed. Off until turned on.",
)
