import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support.mailbox import answers_of, key_for

from fineline.resources.core.recipe.sources import HuggingFace
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.formats.rows import SourceError
from fineline.resources.data.ingestion.scan import require_batches, scan_sources


class Hub:
    """A server that knows the commits of one branch, as the hub does."""

    def __init__(self):
        hub = self
        self.commit, self.status, self.asked = "a" * 40, 200, []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                hub.asked.append(self.path)
                body = json.dumps({"id": "me/data", "sha": hub.commit, "siblings": []}).encode()
                self.send_response(hub.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def hub(monkeypatch):
    hub = Hub()
    monkeypatch.setattr("huggingface_hub.hf_api.ENDPOINT", hub.url, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    hub.thread.start()
    yield hub
    hub.server.shutdown()
    hub.thread.join()
    hub.server.server_close()


def followed(**options):
    given = {"id": "me/data", "follow": "main"} | options
    return HuggingFace(name="web", kind="huggingface", licence="MIT", **given)


def test_each_commit_of_a_followed_branch_is_a_batch_that_is_read_at_that_commit(tmp_path, hub, monkeypatch):
    storage = Storage(tmp_path)
    scan_sources(storage, [followed()])
    hub.commit = "b" * 40
    found = scan_sources(storage, [followed()])
    assert {found.names[key] for key in found.versions} == {"web/train@aaaaaaaaaaaa", "web/train@bbbbbbbbbbbb"}
    assert scan_sources(storage, [followed()]).versions == found.versions
    assert "/api/datasets/me/data/revision/main" in hub.asked
    asked = []
    monkeypatch.setattr("datasets.load_dataset", lambda _, **given: asked.append(given["revision"]) or loaded())
    assert len(answers_of(storage, followed(), key_for(storage, "web", "train@aaaaaaaaaaaa"))) == 1
    assert asked == ["a" * 40]


def loaded():
    from datasets import Dataset

    return Dataset.from_list([{"question": "Why?", "answer": "Because."}])


def test_a_hub_that_cannot_be_reached_keeps_its_batches_and_stops_only_a_run_without_any(tmp_path, hub):
    storage = Storage(tmp_path)
    hub.status = 404
    found = scan_sources(storage, [followed()])
    with pytest.raises(SourceError, match="web: the hub does not give the branch main of me/data"):
        require_batches(found)
    hub.status = 200
    before = scan_sources(storage, [followed()]).versions
    hub.status = 500
    found = scan_sources(storage, [followed()])
    assert found.versions == before
    assert "web" in found.obstacles
    require_batches(found)


def test_a_hub_that_is_not_there_is_told(tmp_path, hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    assert "the hub cannot be reached" in scan_sources(Storage(tmp_path), [followed()]).obstacles["web"]


def test_a_hub_that_must_not_be_asked_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in scan_sources(Storage(tmp_path), [followed()]).obstacles["web"]


def test_a_folder_has_no_branch_to_follow(tmp_path):
    assert "remove follow" in scan_sources(Storage(tmp_path / "root"), [followed(id=str(tmp_path))]).obstacles["web"]


def test_a_source_is_pinned_or_followed():
    with pytest.raises(ValueError, match="not both"):
        followed(revision="v1")
