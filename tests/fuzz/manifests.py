"""Manifests with odd parts: each stands for what is stored, or for nothing, and never for files of another place."""

import json
import tempfile
from contextlib import suppress
from pathlib import Path

from fuzz.throwing import Case, Target, damaged, edited
from hypothesis import strategies as st

from fineline.resources.core.storage import layout
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.core.storage.store import Damaged, Storage

WHOLE = Manifest(
    asset="splits",
    batch=None,
    data_version="v",
    code_version="1",
    inputs={"curated_corpus": "v"},
    rows=1,
    files={"train": "train.jsonl", "model": "model/merged"},
    files_by_batch={"data": {"b/1": "data.parquet"}},
    run_id="r",
)
NAMES = st.sampled_from(
    ["", ".", "..", "/", "/etc/passwd", "../manifest.json", "model/../../../x", "train.jsonl", "model/", "\x00"]
)


def check(case):
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(Path(folder) / "root")
        (Path(folder) / "x").write_text("of another place")
        for name in ("train.jsonl", "data.parquet", "model/merged"):
            storage.root.put(f"{layout.folder('splits')}/{name}", b"stored")
        storage.root.put(layout.manifest("splits"), case.content)
        with suppress(Damaged):
            storage.last_stored("splits")
        manifest = storage.manifest("splits")
        if manifest is not None:
            home = Path(storage.root.location(layout.folder("splits"))).resolve()
            for role in manifest.roles:
                for key in storage.keys(manifest, role).values():
                    assert Path(storage.root.location(key)).resolve().is_relative_to(home)
            assert Manifest.parsed(manifest.content) == manifest


CONTENT = edited(json.loads(WHOLE.content)) | edited(json.loads(WHOLE.content), NAMES)
MANIFESTS = Target(
    damaged(CONTENT.map(lambda value: json.dumps(value).encode())).map(lambda content: Case("a.json", content)),
    check,
    80,
)
