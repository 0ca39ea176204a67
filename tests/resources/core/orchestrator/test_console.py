import logging

import dagster as dg
import pytest

from fineline.resources.core.orchestrator.console import plain_console


@pytest.fixture
def said(instance, capsys):
    """What the console says of a run of two steps, the first of which fails or not."""

    def said(*, fails):
        @dg.asset
        def first(context: dg.AssetExecutionContext):
            context.log.info("half way")
            if fails:
                raise ValueError("no")

        @dg.asset(deps=[first])
        def second():
            return None

        definitions = dg.Definitions(assets=[first, second], loggers={"console": plain_console})
        job = definitions.resolve_implicit_global_asset_job_def()
        config = {"loggers": {"console": {}}}
        job.execute_in_process(instance=instance, run_config=config, raise_on_error=False)
        return capsys.readouterr().err

    return said


def test_messages_and_ends_of_steps_are_said_and_no_bookkeeping(said):
    lines = said(fails=False).splitlines()
    assert [line.split(maxsplit=2)[1] for line in lines] == ["first", "first", "second"]
    assert lines[0].endswith("half way")


def test_steps_that_a_failure_kept_from_running_are_not_listed(said):
    text = said(fails=True)
    assert "half way" in text
    assert "second" not in text


def test_it_is_a_logger_of_its_own():
    assert isinstance(plain_console.logger_fn(dg.build_init_logger_context()), logging.Logger)
