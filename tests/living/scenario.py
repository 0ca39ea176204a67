"""A pipeline that lives, stage by stage, as docs/living.md tells it."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
from faults.service import Service, environment_in, history, run_command
from living.letters import MENDED, PERSON, files
from support.batches import key
from support.tiny_model import make_tiny_model

from fineline.resources.core.storage.store import Storage

RECIPE = """\
name: living
maximum_quarantine: 0.05
sources:
  - name: letters
    kind: files
    path: inbox
    licence: CC0-1.0
    columns: {prompt: question, completion: answer, group: topic}
scrub: {workers: 1, ner: spacy, canaries_per_entity: 4, minimum_recall: 0.5}
labels: {folds: 2, features: words}
deduplicate: {threshold: 0.9}
split: {validation: 0.1, test: 0.2}
datasets: {sft: {maximum_tokens: 200}}
base_model: {kind: folder, path: model}
training:
  dtype: float32
  stages:
    - {method: sft, steps: 45, batch_size: 16, learning_rate: 0.01, maximum_tokens: 200, lora: {rank: 16, alpha: 64}}
retrain: {minimum_new_records: 250}
evaluation: {loss_rows: 24, generated_rows: 2, new_tokens: 4, bootstrap_samples: 500}
promotion: {maximum_slice_regression: 5.0}
automation: {follow_data: true}
alerts: {webhook_variable: FINELINE_TEST_WEBHOOK}
"""
# A tick of each sensor, the start of a run and its work, on a machine that has other things to do.
PATIENCE = 480


class Scenario:
    """The recipe in a folder, the service that runs it, and what a webhook heard."""

    def __init__(self, folder):
        self.folder, self.heard = folder, []
        make_tiny_model(folder / "model", initializer_range=0.2)
        (folder / "recipe.yaml").write_text(RECIPE)
        self.inbox = folder / "inbox"
        self.inbox.mkdir()
        self.webhook = HTTPServer(("127.0.0.1", 0), _hears(self.heard))
        threading.Thread(target=self.webhook.serve_forever, daemon=True).start()
        webhook = f"http://127.0.0.1:{self.webhook.server_port}/hook"
        self.environment = environment_in(folder, FINELINE_TEST_WEBHOOK=webhook)
        self.root = folder / "home" / "living"
        self.storage = Storage(self.root)
        self.service = Service(self)

    def close(self):
        self.service.stop()
        self.webhook.shutdown()
        self.webhook.server_close()

    def drop(self, *names):
        """Put files into the inbox."""
        for name in names:
            (self.inbox / name).write_text(files()[name])

    def until(self, condition, what):
        self.service.wait(condition, PATIENCE, what)

    def rows(self, asset="record_ledger"):
        manifest = self.storage.manifest(asset)
        return None if manifest is None or manifest.failed_checks else manifest.rows

    def decision(self):
        manifest = self.storage.manifest("retrain_decision")
        return "" if manifest is None else manifest.facts["sentence"]

    def versions(self, asset):
        """The data versions that Dagster recorded of an asset, each once, oldest first."""
        with history(self) as told:
            records = told.instance.fetch_materializations(dg.AssetKey(asset), limit=100).records
        versions = [record.asset_materialization.tags["dagster/data_version"] for record in reversed(records)]
        return list(dict.fromkeys(versions))

    def is_at_rest(self):
        return all(run["status"] in ("SUCCESS", "FAILURE") for run in self.service.runs())

    def first_step_of(self, asset, batch):
        """Seconds since 1970 at which the first step for a batch began."""
        with history(self) as told:
            run = told.instance.get_run_by_id(self.storage.require(asset, batch).run_id)
            events = told.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_START)
        return min(event.timestamp for event in events)

    def empty(self):
        """1. The inbox is empty: only what needs no data is made."""
        self.until(lambda: self.storage.manifest("base_model") is not None, "the base model")
        assert self.rows() is None

    def three_files(self):
        """2. Three files arrive: the tables fill, and the decision waits for more."""
        dropped = time.time()
        self.drop("first.jsonl", "second.jsonl", "third.jsonl")
        self.until(lambda: self.rows() == 300 and "wait" in self.decision(), "300 records in the ledger")
        waited = (
            min(self.first_step_of("raw_corpus", key(f"letters/{name}.jsonl")) for name in ("first", "second"))
            - dropped
        )
        assert waited < 60, f"{waited:.0f} s from arrival to the first step"
        assert self.storage.manifest("sft_model") is None

    def duplicates(self):
        """3. A fourth file repeats the first, with ten records more."""
        self.drop("fourth.jsonl")
        self.until(lambda: self.rows() == 410, "410 records in the ledger")
        self.until(self.is_at_rest, "rest")
        assert self.rows("curated_corpus") == 310

    def poisoned(self):
        """4. A file breaks its contract: nothing follows it, and the webhook is told."""
        self.drop("poisoned.jsonl")
        self.until(lambda: self.heard, "the alert")
        self.until(self.is_at_rest, "rest")
        assert "raw_corpus: under_contract" in json.dumps(self.heard)
        assert self.storage.manifest("raw_corpus", key("letters/poisoned.jsonl")).failed_checks == ["under_contract"]
        assert self.rows() == 410

    def mended(self):
        """5. The file is mended, under its name: what waited goes on."""
        (self.inbox / "poisoned.jsonl").write_text(MENDED)
        self.until(lambda: self.rows() == 420, "420 records in the ledger")
        self.until(self.is_at_rest, "rest")
        assert self.storage.manifest("sft_model") is None

    def person(self):
        """6. A file names a person, and brings enough records: a model is trained and released."""
        self.drop("person.jsonl")
        self.until(lambda: self.storage.manifest("release") is not None, "a release")
        self.until(self.is_at_rest, "rest")
        assert len(self.versions("sft_model")) == 1
        told = run_command(self, "trace", "--text", PERSON)
        assert told.returncode == 0, told.stderr
        assert "sft_model" in told.stdout

    def forgotten(self):
        """7. The person is forgotten: every file is clean, and one training follows, and only one."""
        done = run_command(self, "forget", "--request", "R-1", "--reason", "asked to be erased", "--text", PERSON)
        assert done.returncode == 0, done.stdout + done.stderr
        self.until(lambda: len(self.versions("release")) == 2 and self.is_at_rest(), "another release")
        # Two ticks in which nothing more is asked for.
        time.sleep(25)
        self.until(self.is_at_rest, "rest")
        assert len(self.versions("sft_model")) == 2
        assert len(self.versions("release")) == 2
        assert run_command(self, "trace", "--text", PERSON).returncode == 1

    def stages(self):
        return [
            self.empty,
            self.three_files,
            self.duplicates,
            self.poisoned,
            self.mended,
            self.person,
            self.forgotten,
        ]


def _hears(heard):
    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    return Webhook
