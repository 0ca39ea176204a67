"""The living service, ``fineline ui``, in processes of its own: started, asked, killed piece by piece."""

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import dagster as dg
import psutil
import yaml
from support.batches import SECRET, key
from support.corpus import write_corpus

from fineline.resources.core.orchestrator import postgres
from fineline.resources.core.orchestrator.internals import STARTED_PROCESS

RECIPE = """\
name: faults
maximum_quarantine: 0.05
sources:
  - {{name: colours, kind: files, path: {corpus}, licence: CC0-1.0, columns: {{prompt: question, completion: answer}}}}
scrub: {{workers: 1, ner: spacy, canaries_per_entity: 2, minimum_recall: 0.5}}
labels: {{folds: 2, features: words}}
"""
BATCHES = tuple(sorted(map(key, ("colours/first.jsonl", "colours/second.jsonl"))))
LAUNCH = """mutation ($run: ExecutionParams!) {
  launchRun(executionParams: $run) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}"""
LOCATIONS = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { daemonType healthy } } } }"
RUNS = "{ runsOrError { ... on Runs { results { runId status } } } }"


def make_undisturbed(folder):
    """A corpus and a recipe in a folder, and all that a run makes of them when nothing happens to it."""
    write_corpus(folder / "corpus")
    # The place of the corpus counts as a part of it: a copy of this folder has the same one.
    (folder / "recipe.yaml").write_text(RECIPE.format(corpus=folder / "corpus"))
    World(folder).command("run")


def environment_in(folder, **more):
    """The environment of a process whose storage root is in a folder."""
    home = {"FINELINE_HOME": str(folder / "home"), "FINELINE_PSEUDONYM_KEY": SECRET, "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **home, **more}


def run_command(world, *arguments):
    """A command of fineline for the recipe of a world, run to its end."""
    line = [sys.executable, "-m", "fineline.jobs.cli.main", *arguments, "--recipe", str(world.folder / "recipe.yaml")]
    return subprocess.run(line, env=world.environment, capture_output=True, text=True, check=False)


class World:
    """A corpus, a recipe, and what an undisturbed run made of it."""

    def __init__(self, folder, **environment):
        self.folder, self.environment = folder, environment_in(folder, **environment)
        self.undisturbed = self.versions()

    def command(self, *arguments):
        done = run_command(self, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def root(self):
        return self.folder / "home" / "faults"

    def versions(self):
        """The data version of each table, from the manifests."""
        manifests = [json.loads(path.read_text()) for path in self.root.glob("assets/**/manifest.json")]
        return {(m["asset"], m["batch"]): m["data_version"] for m in manifests}

    def let_run_at_once(self, runs):
        """Change our settings as a user may, who then keeps the file."""
        path = self.root / "dagster" / "dagster.yaml"
        settings = yaml.safe_load(path.read_text())
        settings["concurrency"]["runs"]["max_concurrent_runs"] = runs
        settings["run_queue"] |= {"dequeue_use_threads": True, "dequeue_num_workers": runs}
        path.write_text(yaml.safe_dump(settings))

    def empty(self):
        """Take all tables away, so that there is work again."""
        shutil.rmtree(self.root / "assets")
        shutil.rmtree(self.root / "cache")


class Service:
    """A running ``fineline ui`` and the processes that it started."""

    def __init__(self, world):
        self.world = world
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = world.folder / f"ui-{self.port}.log"
        line = [sys.executable, "-m", "fineline.jobs.cli.main", "ui", "--port", str(self.port)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*line, "--recipe", str(world.folder / "recipe.yaml")],
                env=world.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started = {psutil.Process(self.process.pid)}
        self.wait(lambda: self._is_up(), 120, "the service to answer")
        # Known from now on, also when the one that started them is gone.
        self.processes()

    def processes(self, words=""):
        """All processes of the service whose command line holds the words."""
        for known in list(self.started):
            try:
                self.started.update(known.children(recursive=True))
            except psutil.NoSuchProcess:
                continue
        found = []
        for process in self.started:
            try:
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    line = " ".join(process.cmdline())
                    found += [process] if words in line else []
            except psutil.NoSuchProcess:
                continue
        return found

    def kill(self, words=""):
        """kill -9 of the processes whose command line holds the words; all of them without."""
        victims = self.processes(words)
        assert victims, f"no process with {words!r}"
        for process in victims:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        return victims

    def stop(self):
        for process in self.processes():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait(timeout=30)

    def ask(self, query, **variables):
        """The answer of the webserver to a GraphQL query."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["data"]

    def launch(self, *assets):
        """Put a run into the queue, of all batches of all assets or of some; returns its id."""
        (repository,) = self.ask(LOCATIONS)["repositoriesOrError"]["nodes"]
        tags = {"dagster/asset_partition_range_start": BATCHES[0], "dagster/asset_partition_range_end": BATCHES[-1]}
        run = {
            "selector": {
                "repositoryName": repository["name"],
                "repositoryLocationName": repository["location"]["name"],
                "jobName": "main",
                **({"assetSelection": [{"path": [asset]} for asset in assets]} if assets else {}),
            },
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        answer = self.ask(LAUNCH, run=run)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return answer["run"]["runId"]

    def runs(self):
        """All runs, newest first, as the webserver tells them."""
        return self.ask(RUNS)["runsOrError"]["results"]

    def wait(self, condition, seconds, what):
        """Wait until a condition holds; returns how long that took."""
        begun = time.monotonic()
        while not condition():
            waited = time.monotonic() - begun
            assert waited < seconds, f"waited {seconds} s for {what}\n{self.log.read_text()[-6000:]}"
            time.sleep(0.2)
        return time.monotonic() - begun

    def _is_up(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            daemons = self.ask(DAEMONS)["instance"]["daemonHealth"]["allDaemonStatuses"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        return bool(daemons) and bool(self.ask(LOCATIONS)["repositoriesOrError"]["nodes"])


class History:
    """What Dagster recorded of a world."""

    def __init__(self, world, instance):
        self.world, self.instance = world, instance

    def status(self, run_id):
        return self.instance.get_run_by_id(run_id).status

    def retry_of(self, run_id):
        """The run by which the daemon tried that one again, or None."""
        runs = self.instance.get_runs(dg.RunsFilter(tags={"dagster/parent_run_id": run_id}))
        return runs[0].run_id if runs else None

    def last_try_succeeded(self, run_id):
        while (again := self.retry_of(run_id)) is not None:
            run_id = again
        return self.status(run_id) == dg.DagsterRunStatus.SUCCESS

    def is_over(self, run_id):
        return self.instance.get_run_by_id(run_id).is_finished

    def most_at_once(self, runs):
        """How many of the runs were under way at one time."""
        records = [self.instance.get_run_record_by_id(run) for run in runs]
        changes = [(each.start_time, 1) for each in records] + [(each.end_time, -1) for each in records]
        return max(itertools.accumulate(change for _, change in sorted(changes)))

    def is_at(self, run_id, step):
        """Whether a run is in the middle of a step."""
        kinds = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SUCCESS}
        events = [entry for entry in self.instance.all_logs(run_id, of_type=kinds) if entry.step_key == step]
        assert len(events) < 2, f"{step} was over before it could be disturbed"
        return bool(events)

    def worker(self, run_id):
        """The process that carries out a run."""
        for entry in self.instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            found = STARTED_PROCESS.match(entry.message or "")
            if found:
                return psutil.Process(int(found[1]))
        raise AssertionError("no process of the run is known")


@contextmanager
def history(world):
    """Dagster's record of a world, read beside the service."""
    before = dict(os.environ)
    os.environ.update({name: world.environment[name] for name in world.environment if name.startswith("FINELINE_")})
    try:
        if postgres.VARIABLE in os.environ:
            postgres.prepare("faults")
        with dg.DagsterInstance.from_config(str(world.root / "dagster")) as instance:
            yield History(world, instance)
    finally:
        os.environ.clear()
        os.environ.update(before)
