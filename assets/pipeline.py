"""The assets that a recipe asks for, each with its part of the recipe in its code version."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import dagster as dg

from fineline.assets.audit import audit_report
from fineline.assets.corpus import raw_corpus, scrubbed_corpus
from fineline.assets.datasets import dataset_assets
from fineline.assets.duplicates import duplicate_clusters, minhash_signatures
from fineline.assets.evaluation import evaluation_assets
from fineline.assets.forgetting import forgetting_certificates
from fineline.assets.models import model_assets
from fineline.assets.quality import curated_corpus, label_issues, record_quality
from fineline.assets.retraining import decision_assets
from fineline.assets.splits import record_ledger, splits
from fineline.resources.core.recipe.base import digest
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.data.sources.reader import SourceError, list_batches

DATA_HALF = [
    raw_corpus,
    scrubbed_corpus,
    minhash_signatures,
    duplicate_clusters,
    record_quality,
    label_issues,
    curated_corpus,
    splits,
    record_ledger,
]


def pipeline_assets(recipe: Recipe) -> Sequence[dg.AssetsDefinition]:
    """The assets of a recipe, in the order in which data flow. Stages that it does not name are not there."""
    assets = [
        *DATA_HALF,
        *dataset_assets(recipe),
        *decision_assets(recipe),
        *model_assets(recipe),
        *evaluation_assets(recipe),
        forgetting_certificates,
    ]
    made = _with_its_parts(assets, recipe)
    return [*made, *_with_its_parts([audit_report(made)], recipe)]


def _with_its_parts(assets: Sequence[dg.AssetsDefinition], recipe: Recipe) -> list[dg.AssetsDefinition]:
    return list(dg.map_asset_specs(lambda spec: _with_recipe(spec, recipe), assets))


def _with_recipe(spec: dg.AssetSpec, recipe: Recipe) -> dg.AssetSpec:
    """A changed recipe changes the code version of just those assets that read the changed part."""
    parts = spec.metadata.get("recipe parts", [])
    values = [_part(recipe, part) for part in parts]
    if "decontaminate" in parts:
        values.append(_evaluation_sets(recipe))
    if "contract" in spec.metadata:
        values.append(recipe.maximum_quarantine)
    return spec.replace_attributes(code_version=f"{spec.code_version}-{digest(*values)}")


def _part(recipe: Recipe, path: str) -> Any:
    """The part of a recipe at a key path; a training stage is found by its name."""
    if path.startswith("training.stages."):
        return recipe.training.stage(path.removeprefix("training.stages."))
    return attrgetter(path)(recipe)


def _evaluation_sets(recipe: Recipe) -> dict[str, str] | str:
    """The content of the evaluation sets, which are no assets; one that cannot be read is told in the run."""
    try:
        against = recipe.decontaminate.against
        return {batch.key: digest(source, batch.fingerprint) for source in against for batch in list_batches(source)}
    except SourceError as error:
        return str(error)
