"""The command line: run, ui, check, schema."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

from fineline.jobs import preflight
from fineline.resources.project import Project, current_project
from fineline.resources.recipe import RecipeError, json_schema, recipe_path


def main() -> None:
    """Entry point of the ``fineline`` command."""
    arguments = _parser().parse_args()
    os.environ["FINELINE_RECIPE"] = str(recipe_path(arguments.recipe))
    if arguments.home:
        os.environ["FINELINE_HOME"] = arguments.home
    try:
        {"run": _run, "ui": _ui, "plan": _plan, "schema": _schema}[arguments.command](arguments)
    except KeyboardInterrupt:
        print("\nStopped. What is complete is kept: run the same command again to go on.", file=sys.stderr)
        raise SystemExit(130) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("fineline", description="Fine-tune language models from data you can account for.")
    parser.add_argument(
        "command",
        choices=["run", "plan", "ui", "schema"],
        help="make what is missing or changed; say what would be made; open the UI; print the recipe's JSON schema",
    )
    parser.add_argument(
        "--recipe",
        help="recipe file, or the name of a shipped one (default: FINELINE_RECIPE, else quickstart)",
    )
    parser.add_argument("--home", help="storage root (default: FINELINE_HOME, else .fineline)")
    parser.add_argument("--port", type=int, default=3000, help="port of the UI")
    return parser


def _project() -> Project:
    try:
        return current_project()
    except RecipeError as error:
        raise SystemExit(f"fineline: {error}") from error


def _run(_arguments: argparse.Namespace) -> None:
    started = time.monotonic()
    project = _project()
    # Imported here, as in the commands below: a mistake in the recipe is told before Dagster is loaded.
    from fineline.jobs import readiness, report, run
    from fineline.resources.sources.reader import SourceError
    from fineline.resources.storage import StorageError

    preflight.stop_with(readiness.problems(project))
    try:
        with run.only_runner(project.storage):
            made, skipped = run.make_recipe(project)
    except (run.RunFailed, StorageError, SourceError) as error:
        raise SystemExit(f"\nfineline stopped.\n{error}") from error
    print(report.summary(project, made, skipped, seconds=time.monotonic() - started))


def _plan(_arguments: argparse.Namespace) -> None:
    project = _project()
    from fineline.jobs import run

    for task in run.plan_recipe(project):
        print(f"{'make' if task.reason else 'skip':<5} {task.label}: {task.reason or 'up to date'}")


def _ui(arguments: argparse.Namespace) -> None:
    project = _project()
    from fineline.jobs import run
    from fineline.resources.storage import StorageError

    preflight.stop_with(preflight.check_port(arguments.port))
    try:
        run.prepare_home(project)
    except StorageError as error:
        raise SystemExit(f"fineline: {error}") from error
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-m",
        "fineline.jobs.definitions",
        "-p",
        str(arguments.port),
    ]
    os.execv(sys.executable, command)


def _schema(_arguments: argparse.Namespace) -> None:
    print(json.dumps(json_schema(), indent=2))


if __name__ == "__main__":
    main()
