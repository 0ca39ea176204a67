"""Assets follow their data: made again when the content of what they are made from changed."""

import dagster as dg

_AC = dg.AutomationCondition

_blocked = _AC.any_deps_match(_AC.any_checks_match(_AC.check_failed() | _AC.execution_failed(), blocking_only=True))

# Dagster's own eager() fires on any upstream materialization, also of the same bytes; this one follows data
# versions. The blocking checks of partitioned inputs are asked for one by one, because
# all_deps_blocking_checks_passed() overlooks them where the follower is not partitioned.
ON_DATA_CHANGE = (
    (  # type: ignore[misc]  # Dagster annotates since_last_handled for fewer kinds of keys than it works for
        _AC.any_deps_match(_AC.data_version_changed()) | _AC.newly_missing() | _AC.code_version_changed()
    ).since_last_handled()
    & ~_AC.any_deps_missing()
    & ~_AC.any_deps_in_progress()
    & ~_AC.in_progress()
    & ~_blocked
).with_label("on data change")

follow_data = dg.AutomationConditionSensorDefinition(
    "follow_data",
    target=dg.AssetSelection.all(),
    description="Makes assets again when the content of what they are made from changed. Off until turned on.",
)
