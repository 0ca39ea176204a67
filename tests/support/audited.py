"""What an audit of the small storage is made with, and ways to spoil what it audits."""

import json

from support.places import asset_folder

from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.manifest import Manifest
from fineline.resources.governance.audit.evidence import Evidence
from fineline.resources.governance.audit.promises import audit

RECIPE = Recipe.model_validate(
    {
        "name": "small",
        "sources": [{"name": "notes", "kind": "files", "path": "notes", "licence": "CC0-1.0"}],
        "scrub": {"entities": ["EMAIL_ADDRESS", "SECRET"], "canaries_per_entity": 2, "workers": 1},
        "datasets": {"sft": {}},
        "training": {"stages": [{"method": "sft"}]},
        "decontaminate": {"ngram": 5},
    }
)
KEY = PseudonymKey(b"k" * 32)


def evidence(storage):
    return Evidence(storage, RECIPE, KEY, code_versions={})


def audited(storage, code_versions=None, log=lambda _: None):
    return audit(storage, RECIPE, KEY, code_versions or {}, log)


def commit_folder(storage, asset, make, inputs=None, **parts):
    """Store a folder that ``make`` fills; ``parts`` are the paths inside it by role."""
    with storage.new_folder(asset) as folder:
        make(folder)
        made = {"data_version": "", "code_version": "1", "inputs": inputs or {}, "files": {}, "run_id": "r"}
        return storage.commit_folder(Manifest(asset=asset, batch=None, **made), folder, parts)


def edit_manifest(storage, asset, batch=None, **values):
    path = asset_folder(storage, asset, batch) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def rewrite(path, content):
    path.unlink()
    path.write_bytes(content)
