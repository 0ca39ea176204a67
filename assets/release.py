"""A model that passed the promotion gate, packed with everything that is known of it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fineline.assets.evaluation import test_rows
from fineline.assets.execution.definition import MODEL_TEAM, asset
from fineline.assets.execution.folders import FolderRun
from fineline.data_contracts import catalog
from fineline.resources.models import exposure
from fineline.resources.models.release.card_facts import CheckFacts
from fineline.resources.models.release.tasks import MergeCheck, MergeChecked
from fineline.resources.models.release.version import VERSION


@asset(
    catalog.RELEASE,
    version=VERSION,
    kinds={"huggingface", "safetensors"},
    owner=MODEL_TEAM,
    reads={"tolerance": "promotion.merge_tolerance", "threads": "training.threads"},
    checks={
        "served_equals_tested": "Adapter and merged weights give held-out rows the same loss within "
        "promotion.merge_tolerance, and every file has the checksum that SHA256SUMS names."
    },
)
def release(run: FolderRun, tolerance: float, threads: int | None) -> None:
    """A model that passed the promotion gate: merged weights, adapter, checksums, lineage and model card.

    Guarantees: it is made only after the evaluation's and the ledger's checks passed; the merged weights
    are those that were tested.
    """
    candidate = run.asset.upstream[0]
    with run.storage.new_folder(run.name) as output:
        compared = _compare(run, output, threads)
        agrees = CheckFacts(
            name="served_equals_tested",
            passed=compared.mean_difference <= tolerance,
            finding=f"held-out losses of adapter and merged weights differ by {compared.mean_difference:.4f} nats; "
            f"{tolerance} may be, and the adapter itself changes it by {compared.adapter_effect:.4f}",
        )
        files = _assemble(run, output / "release", agrees)
        found = f"{agrees.finding}; {files} files have the checksums that SHA256SUMS names"
        run.check(agrees.name, agrees.passed, found)
        run.store(output, {"release": "release"}, compared, exposed=partial(exposure.read, run.storage, candidate))


def _compare(run: FolderRun, output: Path, threads: int | None) -> MergeChecked:
    candidate, before, judged, *_ = run.asset.upstream
    rows = output / "rows.parquet"
    test_rows(run, judged).select("record_id", "prompt", "completion").collect().write_parquet(rows)
    task = MergeCheck(
        output=str(output),
        model=str(run.path(before)),
        adapter=str(run.path(candidate, "adapter")),
        merged=str(run.path(candidate)),
        rows=str(rows),
        threads=threads,
    )
    return run.work(task)


def _assemble(run: FolderRun, output: Path, agrees: CheckFacts) -> int:
    """Write the release; returns how many of its files were read back and have the right checksum."""
    from fineline.resources.models.release.card import model_card
    from fineline.resources.models.release.card_facts import card_facts
    from fineline.resources.models.release.package import assemble, lineage, verify

    accounted = CheckFacts(name="sums_close", passed=True, finding="every raw record stands in the ledger once")
    facts = card_facts(run.storage, run.recipe_name, [accounted, agrees])
    candidate = run.asset.upstream[0]
    known = lineage(run.storage, run.recipe_text)
    model, adapter = run.path(candidate), run.path(candidate, "adapter")
    assemble(model, adapter, model_card(facts), known, output)
    return verify(output)
