"""The password in a source's address is filled in from the environment, and neither stored nor shown."""

import fsspec
import pytest
from support.mailbox import row

from fineline.resources.core import redaction
from fineline.resources.core.recipe.loading import parse_recipe
from fineline.resources.core.storage.store import Storage
from fineline.resources.data.ingestion.scan import scan_sources
from fineline.resources.data.sources.files import FilesConnector
from fineline.resources.data.sources.locations import files_at

PASSWORD = "open-sesame"


@pytest.fixture
def store(monkeypatch):
    monkeypatch.setattr(redaction, "_read", set())
    monkeypatch.setenv("PASSWORD", PASSWORD)
    store = fsspec.filesystem("memory")
    yield store
    store.store.clear()
    store.pseudo_dirs[:] = [""]


def mail(tmp_path, **more):
    text = "{name: mail, kind: files, licence: MIT, path: memory://ann:$PASSWORD@bucket/in"
    text += "".join(f", {name}: {value}" for name, value in more.items()) + "}"
    return parse_recipe(f"name: r\nsources:\n  - {text}\n", tmp_path / "recipe.yaml").sources[0]


@pytest.mark.outcome(
    "leaks", "`ftp://user:$PASSWORD@…` in a recipe", "stored and shown without who asks and without its query"
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.xyz", None])
@pytest.mark.parametrize("more", [{}, {"join": "{path: 'memory://ann:$PASSWORD@bucket/other.jsonl', key: id}"}])
def test_nothing_that_is_stored_or_shown_of_a_source_holds_its_password(store, tmp_path, name, more):
    if name:
        store.pipe(f"/ann:{PASSWORD}@bucket/in/{name}", row("So.").encode())
    if name == "a.jsonl":
        store.pipe(f"/ann:{PASSWORD}@bucket/other.jsonl", b'{"id": 1, "x": 2}\n')
    source, storage = mail(tmp_path, **more), Storage(tmp_path / "root")
    for now in (2e9, 2e9 + 10):
        found = scan_sources(storage, [source], now=now)
    shown = f"{found} {found.notes} {source} {source.model_dump_json()} {FilesConnector().settings(source)}"
    stored = b"".join(path.read_bytes() for path in (tmp_path / "root").rglob("*") if path.is_file())
    assert bool(found.versions) == (name == "a.jsonl")
    assert bool(found.obstacles) == (name != "a.jsonl")
    for each in (PASSWORD, "$PASSWORD"):
        assert each not in str(found.obstacles)
        assert each.encode() not in stored
    assert PASSWORD not in shown


def test_the_name_of_a_file_at_a_url_ends_before_its_query(monkeypatch):
    class Web:
        def invalidate_cache(self):
            pass

        def isfile(self, path):
            return True

        def info(self, path):
            return {"name": path, "size": 3, "type": "file", "ETag": "1"}

    monkeypatch.setattr("fsspec.url_to_fs", lambda url: (Web(), url))
    [file] = files_at("https://h.example/a.jsonl?sig=hunter2")
    assert file.name == "a.jsonl"
