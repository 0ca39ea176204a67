"""Audits that measure again: personal data, duplicates, leaks, and what a release was promoted on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import polars as pl

from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.files import file_digest
from fineline.resources.core.storage.store import Manifest
from fineline.resources.governance.audit.evidence import Evidence, Finding, NotCheckable, NothingThere, listed

# Scrubbed records in which personal data that has a pattern is looked for again.
SAMPLE = 1_000
# Found by a model, not by pattern.
_BY_MODEL = ("PERSON", "LOCATION", "NRP", "DATE_TIME", "STREET_ADDRESS")


def scrubbed(stored: Evidence, recipe: Recipe, key: PseudonymKey) -> Finding:
    """Canaries planted anew, and patterns of personal data looked for in records that were scrubbed."""
    from fineline.resources.data.scrubbing.canaries import measure
    from fineline.resources.data.scrubbing.scrubber import Scrubber

    curated = stored.current("curated_corpus")
    stored.scan_batches(curated, "scrubbed_corpus")  # scrubbed as the recipe says today
    section = recipe.scrub
    with Scrubber(section, key=key) as scrubber:
        report = measure(scrubber, section)
    planted = int(report.by_entity["planted"].sum())
    missed = planted - int(report.by_entity["replaced"].sum())
    low = report.recall < section.minimum_recall
    told = [
        f"{report.recall:.1%} of {planted} planted values are replaced, at least {section.minimum_recall:.1%} must be"
    ]
    sample = stored.scan(curated).sort("record_id").head(SAMPLE).collect()
    # Pseudonyms look like what they stand for, and names need a model: neither can be told from what survived.
    patterns = [name for name in section.entities if name not in {*section.replacement, *_BY_MODEL}]
    found: dict[str, int] = {}
    if patterns and sample.height:
        with Scrubber(section.model_copy(update={"entities": patterns, "workers": 1}), key=key) as scrubber:
            spans = scrubber.with_placeholders().scrub(sample).entities
        found = dict(spans.group_by("entity").agg(pl.col("spans").sum()).sort("entity").iter_rows())
    told += [f"{count} {entity} in {sample.height} curated records" for entity, count in found.items()]
    told += [] if found else [f"none with a pattern in {sample.height} curated records"]
    return Finding(planted + sample.height, (missed if low else 0) + sum(found.values()), "; ".join(told))


def duplicates(stored: Evidence, recipe: Recipe) -> Finding:
    """A sample of removed near-duplicates compared again."""
    from fineline.resources.data.deduplication.spot_check import SAMPLE as VERIFIED
    from fineline.resources.data.deduplication.spot_check import unverified

    merged = stored.current("duplicate_clusters")
    clusters = stored.scan(merged).collect()
    near = clusters.filter(pl.col("reason") == "near_duplicate").height
    wrong = unverified(stored.scan_batches(merged, "scrubbed_corpus"), clusters, recipe.deduplicate)
    checked = min(near, VERIFIED)
    told = f"{wrong} of {checked} removed near-duplicates have no similar member in their cluster"
    # A corpus without near-duplicates has nothing to verify, and that is looked at.
    return Finding(checked or clusters.height, wrong, told)


def leaks(stored: Evidence, recipe: Recipe) -> Finding:
    """Leaks between splits measured again, against the memory of where records stood too."""
    from fineline.resources.data.splitting.leakage import measure_leakage, repeated_prompts

    manifest = stored.current("splits")
    assignment, drops = stored.scan(manifest).collect(), stored.scan(manifest, "drops").collect()
    curated = stored.scan(stored.usable("curated_corpus")).collect()
    memory = stored.scan(manifest, "history").collect() if "history" in manifest.files else None
    leaks = dataclasses.asdict(
        measure_leakage(
            curated.join(assignment, on="record_id", how="semi"),
            assignment,
            recipe.deduplicate,
            stored.scan_batches(manifest, "minhash_signatures").collect(),
            memory,
            prompts=recipe.split.keep_equal_prompts_together,
        )
    )
    if recipe.decontaminate.held_out_prompts:
        held_out = drops.filter(pl.col("rule") != "contaminated")
        texts = curated.join(held_out, on="record_id", how="anti")
        leaks["repeated prompts"] = repeated_prompts(texts, assignment, recipe.decontaminate)
    told = [f"{count} {name.replace('_', ' ')}" for name, count in leaks.items() if count]
    return Finding(assignment.height, sum(leaks.values()), listed(told) or f"{assignment.height:,} records in splits")


def release(stored: Evidence, recipe: Recipe) -> Finding:
    """Checksums, the promotion gate on the stored losses, and the weights that were tested."""
    from fineline.resources.models.evaluation.promotion import decide
    from fineline.resources.models.release.package import SUMS, verify
    from fineline.resources.models.worker.protocol import ModelError

    manifest = stored.manifests.get("release")
    if manifest is None:
        raise NothingThere("release is not made")
    folder = stored.storage.file(manifest, "release")
    if not (folder / SUMS).is_file():
        return Finding(1, 1, f"the release has no {SUMS}")
    problems, told = [], []
    try:
        files = verify(folder)
        told.append(f"{files} files with their checksums")
    except ModelError as error:
        files = 1
        problems.append(error.message)
    trained = [stage.model for stage in recipe.training.stages]
    try:
        model, evaluation = _evidence(stored, trained)
    except (NotCheckable, NothingThere) as reason:
        return Finding(files, len(problems), listed([*problems, *told, f"its evidence was not checked: {reason}"]))
    losses = stored.scan(evaluation).collect()
    decision = decide(losses, model.asset, "base_model", recipe.promotion, recipe.evaluation)
    problems += [] if decision.promote else ["the stored losses do not show that it is better"]
    weights = stored.storage.file(model, "model")
    tested = sorted(weights.glob("*.safetensors"))
    other = [path.name for path in tested if file_digest(path) != file_digest(folder / path.name)]
    problems += [f"{name} is not what was tested" for name in other]
    return Finding(files + decision.table.height, len(problems), listed([*problems, *told]))


def _evidence(stored: Evidence, trained: Sequence[str]) -> tuple[Manifest, Manifest]:
    """The model that is released, and its evaluation. Raises NotCheckable, NothingThere."""
    stored.current("release")
    if not trained:
        raise NothingThere("the recipe trains nothing any more")
    return stored.usable(trained[-1]), stored.current("evaluation")
