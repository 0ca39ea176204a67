"""Which way imports go: the contracts of pyproject.toml hold, and each breaks on an arrow that it forbids."""

from copy import deepcopy
from pathlib import Path

import grimp
import pytest
from importlinter.api import read_configuration
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract

CONFIGURATION = read_configuration(str(Path(__file__).resolve().parent.parent.parent / "pyproject.toml"))
CONTRACTS = {options["id"]: options for options in CONFIGURATION["contracts_options"]}
KINDS = {"layers": LayersContract, "forbidden": ForbiddenContract, "acyclic_siblings": AcyclicSiblingsContract}
# For each contract arrows that must break it: (importer, imported), both under fineline.
FORBIDDEN = {
    "project": [("data_contracts.catalog", "resources.core.keys"), ("assets.corpus", "schedules.alerts")],
    "resources": [
        ("resources.governance.audit.promises", "resources.planning.plan"),
        ("resources.planning.plan", "resources.governance.audit.promises"),
        ("resources.models.exposure", "resources.planning.plan"),
        ("resources.core.keys", "resources.project"),
    ],
    "data": [
        ("resources.data.sources.files", "resources.data.ingestion.scan"),
        ("resources.data.quality.rules", "resources.data.curation.curate"),
        ("resources.data.pii.finder", "resources.data.scrubbing.scrubber"),
        ("resources.data.deduplication.clusters", "resources.data.splitting.assignment"),
    ],
    "reading": [("resources.data.sources.files", "resources.data.quality.rules")],
    "scrubbing": [("resources.data.scrubbing.scrubber", "resources.data.sources.kinds")],
    "curation": [("resources.data.splitting.groups", "resources.data.pii.spans")],
    "curation-alone": [("resources.data.curation.curate", "resources.data.deduplication.clusters")],
    "models": [
        ("resources.models.worker.protocol", "resources.models.training.loop"),
        ("resources.models.evaluation.measure", "resources.models.training.loop"),
        ("resources.models.base.folders", "resources.models.release.package"),
    ],
    "governance": [
        ("resources.governance.forgetting.journal", "resources.governance.audit.promises"),
        ("resources.governance.forgetting.journal", "resources.governance.accounting.ledger"),
        ("resources.governance.accounting.ledger", "resources.governance.forgetting.tombstones"),
    ],
    "circles": [("resources.data.pii.spans", "resources.data.pii.finder")],
    "dagster": [("resources.data.ingestion.scan", "dagster")],
    "heavy": [("assets.corpus", "torch"), ("resources.data.scrubbing.scrubber", "spacy")],
}


@pytest.fixture(scope="module")
def graph():
    packages = CONFIGURATION["session_options"]["root_packages"]
    return grimp.build_graph(*packages, include_external_packages=True, cache_dir=None)


def is_kept(contract, graph):
    options = CONTRACTS[contract]
    checker = KINDS[options["type"]](options["name"], CONFIGURATION["session_options"], options)
    return checker.check(deepcopy(graph), verbose=False).kept


@pytest.mark.parametrize("contract", CONTRACTS)
def test_imports_keep_the_contract(contract, graph):
    assert is_kept(contract, graph), "make lint names the imports"


@pytest.mark.parametrize(
    ("contract", "importer", "imported"), [(name, *arrow) for name, arrows in FORBIDDEN.items() for arrow in arrows]
)
def test_a_forbidden_import_breaks_the_contract(contract, importer, imported, graph):
    changed = deepcopy(graph)
    imported = f"fineline.{imported}" if "." in imported else imported
    assert {f"fineline.{importer}", imported} <= changed.modules
    changed.add_import(importer=f"fineline.{importer}", imported=imported)
    assert not is_kept(contract, changed)


def test_every_contract_is_broken_by_a_test():
    assert set(FORBIDDEN) == set(CONTRACTS)
