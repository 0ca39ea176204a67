import dagster as dg
import pytest

from fineline.schedules.automation import ON_DATA_CHANGE


@pytest.fixture
def tick(instance):
    """A two-asset graph: materialize the first with given bytes, then ask what would run now."""
    version = ["a"]

    @dg.asset(check_specs=[dg.AssetCheckSpec("good", asset="rows", blocking=True)])
    def rows():
        yield dg.MaterializeResult(
            data_version=dg.DataVersion(version[0]),
            check_results=[dg.AssetCheckResult(check_name="good", passed=version[0] != "bad")],
        )

    @dg.asset(deps=[rows], automation_condition=ON_DATA_CHANGE)
    def model():
        return dg.MaterializeResult(data_version=dg.DataVersion(f"model of {version[0]}"))

    definitions = dg.Definitions(assets=[rows, model])
    dg.materialize([rows, model], instance=instance)
    cursor = [dg.evaluate_automation_conditions(definitions, instance).cursor]

    def tick(bytes_now):
        version[0] = bytes_now
        dg.materialize([rows], instance=instance, raise_on_error=False)
        result = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor[0])
        cursor[0] = result.cursor
        return result.get_num_requested(dg.AssetKey("model"))

    return tick


def test_the_same_bytes_make_nothing_again(tick):
    assert tick("a") == 0


def test_other_bytes_make_what_follows_again_and_only_once(tick):
    assert tick("b") == 1
    assert tick("b") == 0


def test_nothing_follows_a_failed_blocking_check(tick):
    assert tick("bad") == 0
