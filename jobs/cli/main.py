"""The command line: run, plan, ui, trace, forget, models, schema.

Modules that load Dagster are imported inside the commands: a mistake in the recipe is reported before they load, and
commands that only read what is stored never load them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fineline.jobs.cli import forget as forgetting
from fineline.jobs.cli import preflight
from fineline.resources.core.presentation.inert import inert_lines
from fineline.resources.core.presentation.output import quieten_output, say
from fineline.resources.core.recipe.loading import RecipeError, load_recipe, recipe_path, storage_root
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.files import StorageError, no_room
from fineline.resources.core.storage.holders import working_on
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.formats.rows import SourceError

if TYPE_CHECKING:
    from fineline.resources.project import Project


def main() -> None:
    """Entry point of the ``fineline`` command."""
    quieten_output()
    os.umask(0o077)  # Also what libraries write is its owner's alone.
    arguments = _parser().parse_args()
    os.environ["FINELINE_RECIPE"] = str(recipe_path(arguments.recipe))
    if arguments.home:
        os.environ["FINELINE_HOME"] = arguments.home
    try:
        with working_on(arguments.work):
            arguments.function(arguments)
    except (RecipeError, SourceError, StorageError) as error:
        raise SystemExit(inert_lines(f"fineline: {error}")) from error
    except Exception as error:
        # Dagster and other libraries write to the disk too.
        from fineline.resources.core.storage.faults import is_no_room

        if not is_no_room(error):
            raise
        raise SystemExit(inert_lines(f"fineline: {no_room(_storage().local.folder, None)}")) from error
    except KeyboardInterrupt:
        say("\nStopped. What is complete is kept: run the same command again to go on.", sys.stderr)
        raise SystemExit(130) from None


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    recipe = "recipe file, or the name of a shipped one (default: FINELINE_RECIPE, else quickstart)"
    shared.add_argument("--recipe", help=recipe)
    shared.add_argument("--home", help="storage root (default: FINELINE_HOME, else .fineline)")
    parser = argparse.ArgumentParser("fineline", description="Fine-tune language models from data you can account for.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, function: Callable[[argparse.Namespace], None], summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, parents=[shared], help=summary, description=summary)
        added.set_defaults(function=function, work=f"fineline {name}")
        return added

    command("run", _run, "make what is missing or changed")
    command("plan", _plan, "list what a run would make, and why")
    ui = command("ui", _ui, "open the UI")
    ui.add_argument("--port", type=int, default=3000, help="port of the UI")
    ui.add_argument("--host", default="127.0.0.1", help="address to listen on; beyond this machine, with a token")
    ui.add_argument("--name", action="append", default=[], help="host name by which people reach it, such as a proxy's")
    ui.add_argument("--read-only", action="store_true", help="show everything, change nothing; starts no daemon")
    trace = command("trace", _trace, "show where a record is, what it became, and which datasets and models saw it")
    wanted = trace.add_mutually_exclusive_group(required=True)
    wanted.add_argument("record_id", nargs="?", type=_record_id, help="32 hexadecimal digits")
    wanted.add_argument("--text", help="all records that contain this text; - reads it from standard input")
    trace.add_argument("--json", action="store_true", help="print JSON")
    forgetting.add_arguments(
        command("forget", _forget, "remove records, a text, a source or a batch from everything stored")
    )
    command("models", _models, "list the stored models, with the number of records that each saw, and their flags")
    command("schema", _schema, "print the recipe's JSON schema")
    return parser


def _record_id(value: str) -> str:
    if re.fullmatch("[0-9a-f]{32}", value) is None:
        raise argparse.ArgumentTypeError("a record_id has 32 hexadecimal digits; to look for a text, use --text")
    return value


def _project() -> Project:
    from fineline.resources.project import current_project

    return current_project()


def _storage() -> Storage:
    return Storage(storage_root(load_recipe(recipe_path())))


def _run(_arguments: argparse.Namespace) -> None:
    started = time.monotonic()
    project = _project()
    from fineline.jobs import runner
    from fineline.jobs.cli import readiness
    from fineline.jobs.cli.summary import summary
    from fineline.jobs.definitions import build
    from fineline.resources.data.ingestion.batches import with_names

    preflight.stop_with(readiness.problems(project))
    try:
        with runner.only_runner(project) as instance:
            made, skipped = runner.make(project, build(), instance)
    except (runner.RunFailed, StorageError, SourceError) as error:
        raise SystemExit(with_names(project.storage, f"\nfineline stopped.\n{error}")) from error
    say(with_names(project.storage, summary(project, made, skipped, seconds=time.monotonic() - started)))


def _plan(_arguments: argparse.Namespace) -> None:
    project = _project()
    from fineline.jobs.runner import plan_recipe
    from fineline.resources.data.ingestion.batches import with_names

    lines = []
    for task in plan_recipe(project):
        verb = "make" if task.reason else "wait" if task.waits else "skip"
        lines.append(f"{verb:<5} {task.label}: {task.reason or task.waits or 'up to date'}")
    say(with_names(project.storage, "\n".join(lines)))


def _ui(arguments: argparse.Namespace) -> None:
    project = _project()
    from fineline.jobs.runner import prepare_home
    from fineline.jobs.ui.service import open_ui
    from fineline.jobs.ui.serving import Serving

    preflight.stop_with(preflight.check_port(arguments.port, arguments.host))
    prepare_home(project)
    open_ui(Serving(arguments.host, arguments.port, tuple(arguments.name), arguments.read_only))


def _trace(arguments: argparse.Namespace) -> None:
    storage = _storage()
    from fineline.jobs.cli.trace import record_report, text_report
    from fineline.resources.data.ingestion.registry import registry_of
    from fineline.resources.governance.accounting.trace import trace, trace_text

    shown = registry_of(storage).shown
    if arguments.text is None:
        found = trace(storage, arguments.record_id)
        any_found, answer, report = found.found, asdict(found), record_report(found, shown)
    else:
        text = sys.stdin.read() if arguments.text == "-" else arguments.text
        mentioned = trace_text(storage, text)
        any_found, answer = bool(mentioned.rows_by_batch), asdict(mentioned)
        report = text_report(mentioned, shown)
    if arguments.json:
        # Each text by itself: JSON as a whole is escaped, and nothing in it may change any more.
        print(json.dumps(_mapped(answer, lambda text: inert_lines(shown(text))), indent=1), flush=True)
    else:
        say(report)
    if not any_found:
        raise SystemExit(1)


def _mapped(value: Any, shown: Callable[[str], str]) -> Any:
    """A JSON value with each of its strings as it is shown."""
    match value:
        case str():
            return shown(value)
        case dict():
            return {shown(name): _mapped(each, shown) for name, each in value.items()}
        case list():
            return [_mapped(each, shown) for each in value]
    return value


def _forget(arguments: argparse.Namespace) -> None:
    project = _project()
    from fineline.jobs.runner import RunFailed
    from fineline.resources.data.ingestion.batches import with_names

    try:
        say(with_names(project.storage, forgetting.forget(project, arguments)))
    except (RunFailed, StorageError) as error:
        raise SystemExit(with_names(project.storage, f"fineline: {error}")) from error


def _models(_arguments: argparse.Namespace) -> None:
    from fineline.jobs.cli.trace import models_report
    from fineline.resources.models.exposure import model_registry

    say(models_report(model_registry(_storage())))


def _schema(_arguments: argparse.Namespace) -> None:
    say(json.dumps(Recipe.model_json_schema(), indent=2))


if __name__ == "__main__":
    main()
