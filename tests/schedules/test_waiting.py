import threading
from dataclasses import replace
from datetime import timedelta

import dagster as dg
import pytest
from support.memory_root import MemoryRoot

from fineline.resources.core.recipe.operations import Alerts
from fineline.resources.core.storage.holders import working_on
from fineline.schedules import waiting
from fineline.schedules.waiting import too_long, waiting_alerts

AT_ONCE, AN_HOUR = timedelta(0), timedelta(hours=1)


class Project:
    def __init__(self, storage):
        self.storage = storage


@pytest.fixture
def storage(tmp_path):
    class Storage:
        root = MemoryRoot(tmp_path)

    return Storage()


@pytest.fixture
def waits(storage):
    """A command that waits for a lock that a step of a run holds."""

    def wait():
        with working_on("fineline run", lambda _: None), storage.root.lock("splits"):
            pass

    waiter = threading.Thread(target=wait)
    with working_on("run 01234567, splits"), storage.root.lock("splits"):
        waiter.start()
        while not storage.root.waits():
            pass
        yield storage.root.waits()[0]
    waiter.join()


def tick(instance, storage, section, cursor=None):
    context = dg.build_sensor_context(instance, cursor=cursor, resources={"project": Project(storage)})
    done = waiting_alerts("small", section).evaluate_tick(context)
    return done.skip_message, done.cursor


def test_a_run_that_waits_to_start_is_told_with_the_time_since_when(instance, storage):
    run = instance.add_run(dg.DagsterRun(job_name="main", run_id="01234567-89", status=dg.DagsterRunStatus.NOT_STARTED))
    ((_, told),) = too_long(instance, storage.root, AT_ONCE)
    assert told.startswith(f"run {run.run_id[:8]} waits to start, since 20")
    assert [*too_long(instance, storage.root, AN_HOUR)] == []


def test_a_step_that_waits_for_its_pool_is_told_with_the_step_that_has_it(tmp_path, storage):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        events = instance.event_log_storage
        events.set_concurrency_slots("training", 1)
        assert events.claim_concurrency_slot("training", "11111111-1", "sft_model").is_claimed
        assert not events.claim_concurrency_slot("training", "22222222-2", "label_issues").is_claimed
        ((_, told),) = too_long(instance, storage.root, AT_ONCE)
        assert "run 22222222, label_issues waits for the pool 'training', which run 11111111, sft_model holds" in told
        assert [*too_long(instance, storage.root, AN_HOUR)] == []


def test_work_that_waits_for_a_lock_is_told_with_the_work_that_holds_it(instance, storage, waits):
    assert str(waits).startswith("fineline run (process ")
    assert "waits for the lock 'splits', which run 01234567, splits (process " in str(waits)
    assert [each.told for each in too_long(instance, storage.root, timedelta(seconds=-1))] == [str(waits)]
    assert [*too_long(instance, storage.root, AN_HOUR)] == []


@pytest.mark.parametrize("form", ["json", "slack"])
def test_what_waits_too_long_is_posted_once_and_shown_as_long_as_it_waits(instance, storage, waits, monkeypatch, form):
    posted = []
    monkeypatch.setattr(waiting, "post", lambda url, body: posted.append((url, str(body))))
    monkeypatch.setenv("HOOK", "https://hooks.example/secret")
    monkeypatch.setattr("fineline.resources.core.storage.holders.Holder.seconds", 3601.0)
    section = Alerts(webhook_variable="HOOK", format=form)
    said, cursor = tick(instance, storage, section)
    assert said == str(waits)
    ((url, body),) = posted
    assert url == "https://hooks.example/secret"
    assert "fineline run" in body
    assert tick(instance, storage, section, cursor)[0] == str(waits)
    assert len(posted) == 1


def test_what_waits_for_a_lock_is_not_posted_again_when_another_holds_it(instance, storage, waits, monkeypatch):
    posted = []
    monkeypatch.setattr(waiting, "post", lambda url, body: posted.append(body["waiting"]))
    monkeypatch.setenv("HOOK", "https://hooks.example/secret")
    monkeypatch.setattr("fineline.resources.core.storage.holders.Holder.seconds", 3601.0)
    section, cursor = Alerts(webhook_variable="HOOK"), None
    later = replace(waits.waiting, since="2026-01-01 00:00:00")
    holders = (waits.held_by, replace(waits.held_by, work="run 89abcdef, release"), None)
    for wait in (*(replace(waits, held_by=holder) for holder in holders), replace(waits, waiting=later)):
        monkeypatch.setattr(storage.root, "waits", lambda wait=wait: [wait])
        said, cursor = tick(instance, storage, section, cursor)
        assert said == str(wait)
    assert posted == [[str(waits)], [str(replace(waits, waiting=later))]]


def test_a_step_that_waits_for_a_pool_is_the_same_when_another_has_it(tmp_path, storage):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        events = instance.event_log_storage
        events.set_concurrency_slots("training", 1)
        for run in "123":
            events.claim_concurrency_slot("training", run * 8, "sft_model")
        *_, before = sorted(too_long(instance, storage.root, AT_ONCE))
        events.free_concurrency_slot_for_step("1" * 8, "sft_model")
        assert events.claim_concurrency_slot("training", "2" * 8, "sft_model").is_claimed
        (after,) = too_long(instance, storage.root, AT_ONCE)
        assert before.wait == after.wait
        assert (before.told, after.told) == (after.told.replace("2" * 8, "1" * 8), after.told)


def test_without_a_webhook_it_is_shown_at_the_tick_alone(instance, storage, waits, monkeypatch):
    monkeypatch.setattr(waiting, "post", None)
    assert tick(instance, storage, Alerts())[0] == "nothing waits too long"
    monkeypatch.setattr("fineline.resources.core.storage.holders.Holder.seconds", 3601.0)
    assert tick(instance, storage, Alerts())[0] == str(waits)
