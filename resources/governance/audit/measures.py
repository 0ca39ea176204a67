"""Checks that repeat a measurement: personal data, duplicates, leaks, and the evidence for a release.

The first line of a check's docstring is its promise, which the UI shows.
"""

from __future__ import annotations

import dataclasses

import polars as pl

from fineline.data_contracts import catalog
from fineline.resources.core.storage.files import file_digest
from fineline.resources.governance.audit.evidence import Evidence, Finding, NothingThere, Unchecked, listed

# Scrubbed records that are searched again for personal data that has a pattern.
SAMPLE = 1_000
# Entities that a model finds, not a pattern.
_BY_MODEL = ("PERSON", "LOCATION", "NRP", "DATE_TIME", "STREET_ADDRESS")


def personal_data_stays_replaced(stored: Evidence) -> Finding:
    """Planted values are still replaced, and curated records hold no personal data that has a pattern."""
    from fineline.resources.data.scrubbing.canaries import measure
    from fineline.resources.data.scrubbing.scrubber import Scrubber

    curated = stored.current(catalog.CURATED_CORPUS.name)
    stored.scan_batches(curated, catalog.SCRUBBED_CORPUS.name)  # raises if another recipe scrubbed it
    section, key = stored.recipe.scrub, stored.key
    with Scrubber(section, key=key) as scrubber:
        report = measure(scrubber, section)
    planted = int(report.by_entity["planted"].sum())
    missed = planted - int(report.by_entity["replaced"].sum())
    low = report.recall < section.minimum_recall
    details = [
        f"{report.recall:.1%} of {planted} planted values are replaced, at least {section.minimum_recall:.1%} must be"
    ]
    sample = stored.storage.scan(curated).sort("record_id").head(SAMPLE).collect()
    # A pseudonym looks like the value it replaces, and a name needs a model: neither shows what survived.
    patterns = [name for name in section.entities if name not in {*section.replacement, *_BY_MODEL}]
    found: dict[str, int] = {}
    if patterns and sample.height:
        with Scrubber(section.model_copy(update={"entities": patterns, "workers": 1}), key=key) as scrubber:
            spans = scrubber.scrub(sample, measuring=True).entities
        found = dict(spans.group_by("entity").agg(pl.col("spans").sum()).sort("entity").iter_rows())
    details += [f"{count} {entity} in {sample.height} curated records" for entity, count in found.items()]
    details += [] if found else [f"none with a pattern in {sample.height} curated records"]
    return Finding(planted + sample.height, (missed if low else 0) + sum(found.values()), "; ".join(details))


def duplicates_stay_verified(stored: Evidence) -> Finding:
    """Each removed near-duplicate of a sample has a similar member in its cluster."""
    from fineline.resources.data.deduplication.spot_check import SAMPLE as VERIFIED
    from fineline.resources.data.deduplication.spot_check import unverified

    merged = stored.current(catalog.DUPLICATE_CLUSTERS.name)
    clusters = stored.storage.scan(merged).collect()
    near = clusters.filter(pl.col("reason") == "near_duplicate").height
    records = stored.scan_batches(merged, catalog.SCRUBBED_CORPUS.name)
    wrong = unverified(records, clusters, stored.recipe.deduplicate)
    checked = min(near, VERIFIED)
    detail = f"{wrong} of {checked} removed near-duplicates have no similar member in their cluster"
    # A corpus without near-duplicates has none to verify; its clusters were checked for that.
    return Finding(checked or clusters.height, wrong, detail)


def splits_do_not_leak(stored: Evidence) -> Finding:
    """No group, cluster, prompt or near-duplicate pair crosses splits; no training record repeats a held-out prompt.

    Nor does a record stand in another split than in an earlier assignment.
    """
    from fineline.resources.data.splitting.leakage import measure_leakage, repeated_prompts

    recipe, storage = stored.recipe, stored.storage
    manifest = stored.current(catalog.SPLITS.name)
    assignment, drops = storage.scan(manifest).collect(), storage.scan(manifest, "drops").collect()
    curated = storage.scan(stored.usable(catalog.CURATED_CORPUS.name)).collect()
    history = storage.scan(manifest, "history").collect() if "history" in manifest.roles else None
    leaks = dataclasses.asdict(
        measure_leakage(
            curated.join(assignment, on="record_id", how="semi"),
            assignment,
            recipe.deduplicate,
            stored.scan_batches(manifest, catalog.MINHASH_SIGNATURES.name).collect(),
            history,
            prompts=recipe.split.keep_equal_prompts_together,
        )
    )
    if recipe.decontaminate.held_out_prompts:
        excluded = drops.filter(pl.col("rule") != "contaminated")
        texts = curated.join(excluded, on="record_id", how="anti")
        leaks["repeated prompts"] = repeated_prompts(texts, assignment, recipe.decontaminate)
    found = [f"{count} {name.replace('_', ' ')}" for name, count in leaks.items() if count]
    return Finding(assignment.height, sum(leaks.values()), listed(found) or f"{assignment.height:,} records in splits")


def release_has_evidence(stored: Evidence) -> Finding:
    """A release has its checksums and the tested weights, and the stored losses show again that it is better."""
    from fineline.resources.models.evaluation.promotion import judge
    from fineline.resources.models.release.package import SUMS, verify
    from fineline.resources.models.worker.protocol import ModelError

    manifest = stored.manifests.get(catalog.RELEASE.name)
    if manifest is None:
        raise NothingThere(f"{catalog.RELEASE.name} is not materialized")
    folder = stored.storage.file(manifest, "release")
    if not (folder / SUMS).is_file():
        return Finding(1, 1, f"the release has no {SUMS}")
    problems, details = [], []
    try:
        files = verify(folder)
        details.append(f"{files} files with their checksums")
    except ModelError as error:
        files = 1
        problems.append(error.message)
    recipe = stored.recipe
    try:
        stored.current(catalog.RELEASE.name)
        if not recipe.training.stages:
            raise NothingThere("the recipe trains nothing any more")
        model = stored.usable(recipe.training.stages[-1].model)
        evaluation = stored.current(catalog.EVALUATION.name)
    except Unchecked as reason:
        return Finding(files, len(problems), listed([*problems, *details, f"its evidence was not checked: {reason}"]))
    losses = stored.storage.scan(evaluation).collect()
    verdict = judge(losses, model.asset, catalog.BASE_MODEL.name, recipe.promotion, recipe.evaluation)
    problems += [] if verdict.promote else ["the stored losses do not show that it is better"]
    weights = stored.storage.file(model, "model")
    tested = sorted(weights.glob("*.safetensors"))
    other = [path.name for path in tested if file_digest(path) != file_digest(folder / path.name)]
    problems += [f"{name} is not the file that was tested" for name in other]
    return Finding(files + verdict.table.height, len(problems), listed([*problems, *details]))
