import pytest
from pydantic import ValidationError

from fineline.resources.core.recipe.operations import Alerts, Automation, Freshness, Retention


def test_nothing_acts_by_itself_by_default():
    section = Automation()
    assert (section.follow_data, section.refresh, section.audit, section.prune) == (False, None, None, None)
    assert Alerts().webhook_variable is None
    assert (Freshness().corpus_hours, Freshness().release_hours) == (None, None)
    assert Retention().batches_days is None


@pytest.mark.parametrize("value", ["0 3 * * *", "*/5 * * * 1-5", "@daily"])
def test_cron_expressions_are_taken(value):
    assert Automation(refresh=value).refresh == value


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"refresh": "nightly"}, "'nightly' is no cron expression"),
        ({"audit": "99 3 * * *"}, "no cron expression"),
        ({"timezone": "Mars/Phobos"}, "'Mars/Phobos' is no time zone"),
        ({"timezone": "../etc/passwd"}, "no time zone"),
    ],
)
def test_a_wrong_time_says_what_was_expected(values, says):
    with pytest.raises(ValidationError, match=says):
        Automation(**values)


def test_the_name_of_a_variable_is_no_url():
    with pytest.raises(ValidationError):
        Alerts(webhook_variable="https://hooks.example/secret")
