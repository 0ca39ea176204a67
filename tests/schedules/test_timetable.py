import dagster as dg
import pytest

from fineline.resources.core.recipe.operations import Automation
from fineline.schedules.timetable import refresh, schedules


def named(section):
    return {schedule.name: schedule for schedule in schedules(section)}


def test_every_schedule_is_off_by_default_and_shown():
    shown = named(Automation())
    assert set(shown) == {"refresh", "audit", "prune"}
    assert {schedule.default_status for schedule in shown.values()} == {dg.DefaultScheduleStatus.STOPPED}


@pytest.mark.parametrize("name", ["refresh", "audit", "prune"])
def test_a_time_in_the_recipe_turns_on_just_that_schedule(name):
    shown = named(Automation(**{name: "30 4 * * *", "timezone": "Europe/Berlin"}))
    on = [each.name for each in shown.values() if each.default_status == dg.DefaultScheduleStatus.RUNNING]
    assert on == [name]
    assert shown[name].cron_schedule == "30 4 * * *"
    assert shown[name].execution_timezone == "Europe/Berlin"


def test_a_refresh_names_all_batches_from_the_first_to_the_last():
    assert refresh(["b/1", "a/2", "a/1"]).tags == {
        "dagster/asset_partition_range_start": "b/1",
        "dagster/asset_partition_range_end": "a/1",
    }


def test_a_refresh_without_batches_says_why_nothing_runs():
    assert "no batch has arrived yet" in refresh([]).skip_message


def test_a_refresh_makes_every_batch_and_what_follows_in_one_run():
    batches = dg.DynamicPartitionsDefinition(name="batches")
    made = []

    @dg.asset(partitions_def=batches, backfill_policy=dg.BackfillPolicy.single_run())
    def rows(context) -> None:
        made.append(list(context.partition_keys))

    @dg.asset(deps=[rows])
    def table() -> None:
        made.append("table")

    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("batches", ["b/1", "a/2", "a/1"])
        job = dg.define_asset_job("main")
        definitions = dg.Definitions(assets=[rows, table], jobs=[job], schedules=schedules(Automation())[:1])
        schedule = definitions.resolve_schedule_def("refresh")
        with dg.build_schedule_context(instance) as context:
            (request,) = schedule.evaluate_tick(context).run_requests
        result = definitions.resolve_job_def("main").execute_in_process(instance=instance, tags=request.tags)
        assert result.success
        assert made == [["b/1", "a/2", "a/1"], "table"]
