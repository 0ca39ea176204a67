import dagster as dg
import pytest

from fineline.resources.core.recipe.operations import Alerts
from fineline.resources.core.storage.store import Blocked
from fineline.schedules import alerts
from fineline.schedules.alerts import failure_alerts, message
from fineline.schedules.failures import Failures, failures

SECTION = Alerts(webhook_variable="HOOK", link="http://ui.example:3000/")
FAILED = Failures({"splits": "Blocked: raw_corpus[a<b>] failed its check"}, ["splits: nothing_leaks"])


@dg.asset(check_specs=[dg.AssetCheckSpec("good", asset="table", blocking=True)])
def table():
    yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="good", passed=False)])


@dg.asset
def ours():
    raise Blocked("raw_corpus failed its check accounted_for\nsecond line")


@dg.asset
def theirs():
    raise ValueError("margaret.thompson@example.org is not a number")


@pytest.fixture
def posted(monkeypatch):
    sent = []
    monkeypatch.setattr(alerts, "post", lambda url, body: sent.append((url, body)))
    return sent


def failed_run(instance, *assets, tags=None):
    result = dg.materialize(list(assets), instance=instance, raise_on_error=False, tags=tags)
    assert not result.success
    return result


def tick(instance, result, section=SECTION):
    context = dg.build_run_status_sensor_context(
        "failure_alerts", result.get_run_failure_event(), instance, result.dagster_run
    ).for_run_failure()
    return failure_alerts("small", section)(context)


def test_our_own_errors_are_told_by_their_first_line_and_others_by_their_class(instance):
    found = failures(instance, failed_run(instance, ours, theirs).run_id)
    assert found.steps == {"ours": "Blocked: raw_corpus failed its check accounted_for", "theirs": "ValueError"}


def test_a_failed_blocking_check_is_told_by_its_name(instance):
    found = failures(instance, failed_run(instance, table).run_id)
    assert found == Failures({"table": "a blocking check failed"}, ["table: good"])


def test_a_failed_run_is_posted_with_its_recipe_and_a_link(instance, posted, monkeypatch):
    monkeypatch.setenv("HOOK", "https://hooks.example/secret")
    result = failed_run(instance, theirs)
    tick(instance, result)
    ((url, body),) = posted
    assert url == "https://hooks.example/secret"
    assert body == {
        "event": "run_failed",
        "recipe": "small",
        "job": result.dagster_run.job_name,
        "run_id": result.run_id,
        "link": f"http://ui.example:3000/runs/{result.run_id}",
        "failed_steps": [{"step": "theirs", "reason": "ValueError"}],
        "failed_checks": [],
    }


def test_nothing_is_posted_where_the_variable_or_its_name_is_not_set(instance, posted, monkeypatch):
    monkeypatch.delenv("HOOK", raising=False)
    result = failed_run(instance, theirs)
    assert "HOOK is not set" in tick(instance, result).skip_message
    assert "alerts.webhook_variable" in tick(instance, result, Alerts()).skip_message
    assert posted == []


def test_a_run_that_is_tried_again_is_not_told(instance, posted, monkeypatch):
    monkeypatch.setenv("HOOK", "https://hooks.example/secret")
    result = failed_run(instance, theirs, tags={"dagster/will_retry": "true"})
    assert "tries the run again" in tick(instance, result).skip_message
    assert posted == []


def test_the_sensor_runs_just_where_the_recipe_names_a_webhook():
    assert failure_alerts("small", SECTION).default_status == dg.DefaultSensorStatus.RUNNING
    assert failure_alerts("small", Alerts()).default_status == dg.DefaultSensorStatus.STOPPED


def test_slack_gets_a_title_the_failures_and_a_link_with_its_marks_escaped():
    body = message("small", "main", "0123456789", FAILED, SECTION.model_copy(update={"format": "slack"}))
    assert body["text"] == "small: main failed"
    texts = [block["text"]["text"] for block in body["blocks"]]
    assert texts[0] == "small: main failed"
    assert texts[1].splitlines() == [
        "• check splits: nothing_leaks",
        "• step splits: Blocked: raw_corpus[a&lt;b&gt;] failed its check",
    ]
    assert texts[2] == "<http://ui.example:3000/runs/0123456789|Open run 01234567>"


def test_what_slack_gets_fits_its_limit_whatever_failed():
    many = Failures({f"step_{n}": "x" * 300 for n in range(50)}, [])
    body = message("small", "main", "0" * 36, many, SECTION.model_copy(update={"format": "slack"}))
    assert all(len(block["text"]["text"]) <= 3000 for block in body["blocks"])


def test_a_webhook_that_does_not_answer_makes_a_failed_tick_without_its_address(instance, monkeypatch):
    monkeypatch.setenv("HOOK", "http://127.0.0.1:9/T0PS3CRET")
    sensor = failure_alerts("small", SECTION)
    with dg.build_sensor_context(instance, definitions=dg.Definitions(sensors=[sensor])) as context:
        sensor.evaluate_tick(context)
        cursor = context.cursor
    failed_run(instance, theirs)
    with dg.build_sensor_context(instance, cursor=cursor, definitions=dg.Definitions(sensors=[sensor])) as context:
        (reaction,) = sensor.evaluate_tick(context).dagster_run_reactions
    assert reaction.error.cls_name == "WebhookError"
    assert "T0PS3CRET" not in reaction.error.to_string()
