"""Places in which secrets and personal data are planted, each with what goes wrong there; a program goes through all.

``python -m support.leaks FOLDER`` runs each place as an asset of Dagster, as a run does, with FOLDER as storage root. A
place raises, logs, warns, prints, stores, or returns a text for people. A mark stands where the secret would.
"""

import contextlib
import json
import logging
import os
import sqlite3
import sys
import threading
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import polars as pl
from support.dagster_internals import InstigatorType, SerializableErrorInfo, TickData, TickStatus

from fineline.resources.core import keys, webhook
from fineline.resources.core.compute.processes import Processes
from fineline.resources.core.orchestrator import postgres
from fineline.resources.core.orchestrator.console import plain_console
from fineline.resources.core.orchestrator.settings import write_settings
from fineline.resources.core.presentation.output import quieten_output, say
from fineline.resources.core.recipe.loading import parse_recipe
from fineline.resources.core.recipe.operations import Alerts
from fineline.resources.core.redaction import expanded, secret
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.curation.contamination import evaluation_ngrams
from fineline.resources.data.formats.rows import SourceError
from fineline.resources.data.ingestion.scan import scan_sources
from fineline.resources.data.sources.kinds import connector
from fineline.resources.data.sources.locations import file_at
from fineline.resources.data.sources.reading import read_apart
from fineline.resources.models.worker.protocol import ModelError
from fineline.schedules.alerts import message
from fineline.schedules.failures import failures

PLACES = {}
# Marks stand in the environment under these names.
VARIABLES = {
    "the secret of an object store": "AWS_SECRET_ACCESS_KEY",
    "the token of the hub": "HF_TOKEN",
    "the password that libpq reads": "PGPASSWORD",
}
# What stands in the error that ends the program.
LAST = "Zq99hunter"


def place(name):
    """Add a place; its function is given the mark, and a folder of its own."""
    return lambda function: PLACES.setdefault(name, function)


def mark_of(name):
    """The mark that is planted in a place, a word that stands nowhere else."""
    return f"Zq{list(PLACES).index(name):02d}hunter"


def source_of(folder, **fields):
    """A source of a recipe that names what is given."""
    fields = {"name": "planted", "kind": "files", "licence": "MIT"} | fields
    return parse_recipe(json.dumps({"name": "r", "sources": [fields]}), folder / "recipe.yaml").sources[0]


def in_address(mark, url):
    """A URL with the variable that holds the mark in the place of PASSWORD."""
    os.environ[f"PLANTED_{mark[2:4]}"] = mark
    return url.replace("PASSWORD", f"${{PLANTED_{mark[2:4]}}}")


def reasons_of(folder, name, content, **fields):
    """What is said of the rows of a file: an error, or why they are in quarantine."""
    (folder / "in").mkdir()
    (folder / "in" / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    source = source_of(folder, path=str(folder / "in"), **fields)
    return said_of(source)


def said_of(source):
    """Why rows of a source are in quarantine."""
    batches = connector(source).batches(source)
    parts = [part for batch in batches for part in read_apart(source, "planted/0a", batch)]
    return str([part.unreadable["reason"].to_list() for part in parts])


def address_place(name, url, **more):
    """A place in the address of a source."""

    @place(name)
    def _(mark, folder):
        fields = {key: json.loads(in_address(mark, json.dumps(each))) for key, each in {"path": url, **more}.items()}
        (folder / "in.jsonl").write_text('{"text": "So."}\n')
        source = source_of(folder, **fields)
        return said_of(source)


address_place("the password of an address that nobody answers at", "ftp://ann:PASSWORD@127.0.0.1:1/in")
address_place("the password of an address of an unknown kind", "nosuch://ann:PASSWORD@host/in")
address_place("the query of an address", "https://127.0.0.1:1/in.jsonl?sig=PASSWORD")
address_place("the password in a chain of addresses", "zip://a.csv::ftp://ann:PASSWORD@127.0.0.1:1/a.zip")
address_place("the password of an address with nothing at it", "memory://ann:PASSWORD@nowhere/in.jsonl")
address_place(
    "the password of a joined file", "in.jsonl", join={"path": "memory://ann:PASSWORD@b/x.jsonl", "key": "id"}
)
address_place("the query of a file of services", "in.jsonl", services="memory://b/x.json?sig=PASSWORD")


@place("the password in the registry of what has arrived")
def _(mark, folder):
    url = in_address(mark, "memory://ann:PASSWORD@nowhere/registered")
    found = scan_sources(Storage(folder), [source_of(folder, path=url)], now=2e9)
    return f"{found} {found.notes}"


@place("the password and the query of an address that a store quotes alone")
def _(mark, folder):
    expanded(in_address(f"{mark}1", "ftp://ann:PASSWORD@host/in"), with_secrets=True)
    expanded(in_address(f"{mark}2", "memory://b/in?sig=PASSWORD"), with_secrets=True)
    raise OSError(f"530 refused: {mark}1, {mark}2")


@place("a recipe with a password in an address")
def _(mark, folder):
    source_of(folder, path=f"ftp://ann:{mark}@host/in")


@place("a recipe with a key in a query")
def _(mark, folder):
    source_of(folder, path=f"https://host/in.jsonl?X-Amz-Signature={mark}")


@place("a recipe that is no YAML")
def _(mark, folder):
    parse_recipe(f"name: r\nsources:\n - path: ftp://ann:{mark}@host: in\n   password: {mark}: x", folder / "a.yaml")


@place("a value of a recipe that does not fit")
def _(mark, folder):
    source_of(folder, kind="sql", uri_variable=f"mysql-{mark}", query="SELECT 1")


def database_place(name, address, query="SELECT 1 AS text", statements=()):
    """A place in a database, or in its address."""

    @place(name)
    def _(mark, folder):
        with contextlib.closing(sqlite3.connect(folder / "a.db")) as database:
            for statement in statements:
                database.execute(statement.replace("MARK", mark))
            database.commit()
        os.environ["DATABASE"] = address.format(mark=mark, folder=folder)
        return said_of(source_of(folder, kind="sql", uri_variable="DATABASE", query=query))


database_place("the password of a database without a driver", "oracle://ann:{mark}@host/db")
database_place("the password of an address that is not understood", "postgresql://ann:x{mark}:{mark}@host:{mark}/db")
database_place("the password of a database that refuses", "postgresql+psycopg2://ann:{mark}@127.0.0.1:1/db")
database_place("the path of a database that is not there", "sqlite:////nowhere/{mark}/a.db")
database_place(
    "a value that a database quotes",
    "sqlite:///{folder}/a.db",
    "SELECT * FROM texts WHERE texts MATCH (SELECT * FROM words)",
    ["CREATE VIRTUAL TABLE texts USING fts5(text)", "CREATE TABLE words AS SELECT 'MARK:x' AS word"],
)
database_place(
    "a value that a table cannot hold",
    "sqlite:///{folder}/a.db",
    "SELECT text FROM texts",
    ["CREATE TABLE texts (text)", "INSERT INTO texts VALUES (1), ('MARK'), (x'ff')"],
)


@place("the password of Dagster's own database")
def _(mark, folder):
    os.environ[postgres.VARIABLE] = f"postgresql://ann:{mark}@127.0.0.1:1/runs"
    try:
        postgres.prepare("r")
    finally:
        del os.environ[postgres.VARIABLE]


@place("a key of pseudonyms that is too short")
def _(mark, folder):
    os.environ[keys.VARIABLE] = mark
    try:
        keys.load_key(Storage(folder).root)
    finally:
        del os.environ[keys.VARIABLE]


def variable_place(name):
    """A place in a variable that libraries read."""

    @place(name)
    def _(mark, folder):
        logging.getLogger("library").warning("asked with %s", mark)
        raise RuntimeError(f"refused: {mark}")


for each in VARIABLES:
    variable_place(each)


@place("a webhook that does not answer")
def _(mark, folder):
    webhook.post(f"http://127.0.0.1:1/services/{mark}?key={mark}", {}, pause=0.01)


@place("a webhook whose address is not well formed")
def _(mark, folder):
    webhook.post(f"https://[{mark}/services", {}, pause=0.01)


# Personal data of rows and names.

ROW = '{"question": "Why?", "answer": "So."}\n'
for _name, _file, _content, _fields in [
    ("the first row of a table without a header", "a.csv", "MARK,hunter\nann,b\n", {}),
    ("a header that holds a name twice", "a.csv", "MARK,MARK\na,b\n", {}),
    ("names of columns in JSON Lines", "a.jsonl", '{"MARK": "a", "b": "c"}\n', {}),
    ("columns beside those of the recipe", "a.jsonl", '{"MARK": "a"}\n', {"columns": {"text": "body"}}),
    ("a broken line of JSON", "a.jsonl", ROW + '{"question": MARK}\n', {}),
    ("a broken array of JSON", "a.json", '[{"text": "a"}, {"text": MARK}]', {}),
    ("a row of CSV with too many fields", "a.csv", "text,label\na,b,MARK\n", {}),
    ("a row of CSV with an open quote", "a.csv", 'text,label\na,"MARK\n', {}),
    ("a text that is not UTF-8", "a.txt", b"MARK \xff\n", {}),
    ("a damaged Parquet file", "a.parquet", b"PAR1MARK" * 40 + b"\x08\x00\x00\x00PAR1", {}),
    ("a damaged Arrow file", "a.arrow", b"ARROW1\x00\x00" + b"MARK" * 50 + b"ARROW1", {}),
    ("the name in a damaged archive", "a.jsonl.gz", b"\x1f\x8b\x08\x08\0\0\0\0\0\0MARK\x00MARK", {}),
    (
        "a label",
        "a.jsonl",
        '{"text": "a", "label": {"MARK": "MARK"}}\n',
        {"columns": {"text": "text", "label": "label"}},
    ),
    ("a group", "a.jsonl", '{"text": "a", "group": ["MARK"]}\n', {"columns": {"text": "text", "group": "group"}}),
    ("the role of a message", "a.jsonl", '{"messages": [{"role": "MARK", "content": "MARK"}]}\n', {}),
    ("a call of a tool", "a.jsonl", '{"messages": [{"role": "assistant", "tool_calls": [{"MARK": 1}]}]}\n', {}),
    ("half a surrogate pair", "a.jsonl", '{"text": "MARK \\ud83d"}\n', {}),
    ("a row that is too deep", "a.jsonl", '{"text": ' + "[" * 600 + '"MARK"' + "]" * 600 + "}\n", {}),
    ("what follows a file's name", "a.MARK", "x", {}),
]:

    @place(_name)
    def _(mark, folder, name=_file, content=_content, fields=_fields):
        content = (
            content.replace(b"MARK", mark.encode()) if isinstance(content, bytes) else content.replace("MARK", mark)
        )
        return reasons_of(folder, name.replace("MARK", mark), content, **fields)


@place("names of columns in a table")
def _(mark, folder):
    pl.DataFrame({mark: ["a"], "b": ["c"]}).write_parquet(folder / "a.parquet")
    return reasons_of(folder, "a.parquet", (folder / "a.parquet").read_bytes())


@place("a key of a joined file that stands there twice")
def _(mark, folder):
    (folder / "other.jsonl").write_text(f'{{"id": "{mark}"}}\n' * 2)
    join = {"path": str(folder / "other.jsonl"), "key": "id"}
    return reasons_of(folder, "a.jsonl", f'{{"id": "{mark}", "text": "a"}}\n', join=join)


@place("a file of services that is none")
def _(mark, folder):
    (folder / "services.json").write_text(f'[{{"service_name": "{mark}"}}, {mark}]')
    return reasons_of(folder, "a.jsonl", ROW, services=str(folder / "services.json"), columns={"tools": "t"})


@place("a dataset that cannot be read")
def _(mark, folder):
    (folder / "set").mkdir()
    (folder / "set" / "train.jsonl").write_text(f'{{"text": "a"}}\n{{"text": {mark}}}\n')
    (folder / "set" / "README.md").write_text(f"---\nconfigs: [{mark}\n---\n")
    return said_of(source_of(folder, kind="huggingface", id=str(folder / "set")))


@place("the name of a link in a dataset")
def _(mark, folder):
    (folder / "set").mkdir()
    (folder / "set" / f"{mark}.jsonl").symlink_to("/etc/hosts")
    source = source_of(folder, kind="huggingface", id=str(folder / "set"))
    connector(source).batches(source)


@place("the name of a link in a folder")
def _(mark, folder):
    (folder / "in").mkdir()
    (folder / "in" / f"{mark}.jsonl").symlink_to("/etc/hosts")
    source = source_of(folder, path=str(folder / "in"))
    connector(source).batches(source)


@place("the name of a file of an evaluation set")
def _(mark, folder):
    (folder / "in").mkdir()
    (folder / "in" / f"{mark}.json").write_text(f"[{mark}")
    evaluation_ngrams(source_of(folder, path=str(folder / "in")), 13)


@place("the name of a file that is gone")
def _(mark, folder):
    file_at(folder, f"{mark}.jsonl", "planted/0a")


# Messages, whoever writes them.


def address(mark):
    """An address as a library may quote it."""
    return f"ftp://ann:{mark}@host.example/a.csv?sig={mark}"


@place("the arguments of a log record")
def _(mark, folder):
    logging.getLogger("library").warning("reads %s and %r", address(mark), {"at": address(mark)})


@place("a header in a log record")
def _(mark, folder):
    logging.getLogger("library").warning("library: headers: %s", {"Authorization": f"Basic {mark}"})


@place("the error in a log record")
def _(mark, folder):
    try:
        raise OSError(2, "gone", address(mark))
    except OSError:
        logging.getLogger("library").exception("failed")


@place("a warning")
def _(mark, folder):
    warnings.warn(f"reads {address(mark)}", UserWarning, stacklevel=1)


@place("the error of a thread")
def _(mark, folder):
    def fail():
        raise ValueError(address(mark))

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()


@place("an error that nobody can catch")
def _(mark, folder):
    class Fails:
        def __del__(self):
            raise ValueError(address(mark))

    Fails()


@place("the cause of an error")
def _(mark, folder):
    raise RuntimeError("reading failed") from FileNotFoundError(2, "gone", address(mark))


@place("what was handled when an error was raised")
def _(mark, folder):
    try:
        raise KeyError(address(mark))
    except KeyError:
        raise RuntimeError("reading failed")  # noqa: B904


@place("the note of an error")
def _(mark, folder):
    error = RuntimeError("reading failed")
    error.add_note(address(mark))
    raise error


@place("a group of errors")
def _(mark, folder):
    raise ExceptionGroup(address(mark), [ValueError(address(mark))])


@place("the message and the fix of a worker's error")
def _(mark, folder):
    raise ModelError(address(mark), f"Read {address(mark)}.")


@place("the error of a process of the engine")
def _(mark, folder):
    engine = Processes(1)
    try:
        list(engine.each(Failing, [mark]))
    finally:
        engine.close()


class Failing:
    """Warns, logs and fails in a process of the engine."""

    def __call__(self, mark):
        warnings.warn(address(mark), UserWarning, stacklevel=1)
        logging.getLogger("library").warning("reads %s", address(mark))
        raise KeyError(address(mark))


@place("an error that is printed")
def _(mark, folder):
    print(SourceError(address(mark)))


@place("what is printed for people")
def _(mark, folder):
    say(f"reads {address(mark)}")
    say(f"reads {address(mark)}", sys.stderr)


@place("a secret that was read once, beside marks of Markdown")
def _(mark, folder):
    os.environ["PLANTED"] = f"_{mark}*~"
    secret("PLANTED")
    return f"it was {os.environ['PLANTED']}"


@place("a secret as it stands in addresses")
def _(mark, folder):
    os.environ["PLANTED"] = f"{mark}/@?"
    secret("PLANTED")
    return f"at {mark}%2F%40%3F and {mark}/@?"


# What Dagster stores.


@place("the tags and the configuration of a run")
def _(mark, folder):
    with dg.DagsterInstance.get() as instance:
        job = dg.define_asset_job("any").resolve(asset_graph=dg.Definitions([nothing]).resolve_asset_graph())
        given = {"ops": {"nothing": {"config": address(mark)}}}
        run = instance.create_run_for_job(job, tags={"at": address(mark)}, run_config=given)
        instance.add_run_tags(run.run_id, {"also": address(mark)})
        instance.report_engine_event(address(mark), run)
        instance.report_run_failed(run, message=address(mark))


@place("a tick of a sensor, its error and its cursor")
def _(mark, folder):
    with dg.DagsterInstance.get() as instance:
        error = SerializableErrorInfo(address(mark), [address(mark)], "KeyError", cause=None)
        tick = instance.create_tick(TickData("s", "alerts", InstigatorType.SENSOR, TickStatus.STARTED, timestamp=1.0))
        instance.update_tick(tick.with_status(TickStatus.FAILURE, error=error).with_cursor(address(mark)))


@place("metadata, descriptions and checks")
def _(mark, folder):
    with dg.DagsterInstance.get() as instance:
        text = address(mark)
        metadata = {"text": text, "link": dg.MetadataValue.url(text), "list": dg.MetadataValue.json([{text: [text]}])}
        instance.report_runless_asset_event(dg.AssetMaterialization("nothing", description=text, metadata=metadata))
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(dg.AssetKey("nothing"), "any", passed=False, description=text, metadata=metadata)
        )


@place("the text of a recipe in a release")
def _(mark, folder):
    from fineline.resources.models.release.package import lineage

    return str(lineage(Storage(folder), f"path: {address(mark)}"))


@dg.asset
def nothing():
    """Nothing."""


# The process that goes through the places.


def as_asset(number, name):
    """The asset that goes through a place: its text goes where texts for people go."""
    mark, folder = mark_of(name), Path(os.environ["DAGSTER_HOME"]).parent / "places" / str(number)

    @dg.asset(name=f"place_{number}")
    def asset(context: dg.AssetExecutionContext):
        folder.mkdir(parents=True)
        said = PLACES[name](mark, folder)
        if said is not None:
            say(said)
            context.log.info(said)
            context.log.info("%s", said)
            context.add_output_metadata({"said": said})

    return asset


@contextlib.contextmanager
def posted_to(path):
    """The address of a webhook; what is posted is added to a file."""

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            with path.open("ab") as file:
                file.write(self.rfile.read(int(self.headers["Content-Length"])) + b"\n")
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def main(folder):
    """Go through all places, report the failures to a webhook, and end with an error."""
    quieten_output()
    os.umask(0o077)
    home = folder / "dagster"
    home.mkdir(parents=True)
    os.environ["DAGSTER_HOME"] = str(home)
    write_settings(home, "leaks")
    assets = [as_asset(number, name) for number, name in enumerate(PLACES)]
    definitions = dg.Definitions(
        assets, jobs=[dg.define_asset_job("all")], executor=dg.in_process_executor, loggers={"console": plain_console}
    )
    with dg.DagsterInstance.get() as instance, posted_to(folder / "posted") as url:
        result = definitions.resolve_job_def("all").execute_in_process(
            instance=instance, run_config={"loggers": {"console": {}}}, raise_on_error=False
        )
        from fineline.jobs.runner import RunFailed, explain

        say(explain(result))
        for form in ("json", "slack"):
            found = failures(instance, result.run_id)
            webhook.post(url, message("leaks", "all", result.run_id, found, Alerts(format=form)))
        ended = {event.step_key.removeprefix("place_") for event in result.get_step_success_events()}
    (folder / "ended").write_text("\n".join(list(PLACES)[int(number)] for number in ended if number != "nothing"))
    try:
        raise KeyError(address(LAST))
    except KeyError as error:
        raise RunFailed(address(LAST)) from error


if __name__ == "__main__":
    main(Path(sys.argv[1]))
