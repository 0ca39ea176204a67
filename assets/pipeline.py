"""The assets that a recipe asks for, each with its part of the recipe in its code version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from inspect import getdoc
from typing import TYPE_CHECKING, Any

import dagster as dg

from fineline.assets.audit import audit_report
from fineline.assets.corpus import raw_corpus, scrubbed_corpus
from fineline.assets.curation import curated_corpus
from fineline.assets.datasets import preference_dataset, pretraining_dataset, sft_dataset
from fineline.assets.duplicates import duplicate_clusters, minhash_signatures
from fineline.assets.evaluation import evaluation
from fineline.assets.execution.definition import Definition
from fineline.assets.forgetting import forgetting_certificates
from fineline.assets.ledger import record_ledger
from fineline.assets.models import base_model, trained_model
from fineline.assets.quality import label_issues, record_quality
from fineline.assets.release import release
from fineline.assets.retraining import retrain_decision
from fineline.assets.splits import splits
from fineline.data_contracts import catalog
from fineline.data_contracts.catalog import Asset
from fineline.resources.core.recipe.base import digest
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.data.formats.rows import SourceError
from fineline.resources.data.sources.kinds import connector
from fineline.resources.models.training.methods import method_of
from fineline.resources.planning.plan import Node

if TYPE_CHECKING:
    from fineline.resources.core.orchestrator.internals import BaseAssetGraph

DEFINITIONS: Sequence[Definition] = (
    raw_corpus,
    scrubbed_corpus,
    minhash_signatures,
    duplicate_clusters,
    record_quality,
    label_issues,
    curated_corpus,
    splits,
    record_ledger,
    base_model,
    pretraining_dataset,
    sft_dataset,
    preference_dataset,
    retrain_decision,
    trained_model,
    evaluation,
    release,
    forgetting_certificates,
    audit_report,
)


def pipeline_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """The assets of a recipe, in the order in which data flows. Those that it does not ask for are left out."""
    by_entry = {each.asset.name: each for each in DEFINITIONS}
    built: list[dg.AssetsDefinition] = []
    for name, asset in recipe_graph(recipe).items():
        if asset.grain is catalog.Grain.EXTERNAL:
            continue
        if catalog.is_trained_model(name):
            built.append(_trained_model(recipe, asset))
        else:
            unversioned = _unversioned(name, recipe, built)
            outside = _evaluation_sets(recipe) if name == catalog.CURATED_CORPUS.name else None
            built.append(by_entry[name].build(recipe, asset, unversioned=unversioned, outside=outside))
    return built


def recipe_graph(recipe: Recipe) -> Mapping[str, Asset]:
    """The entries of the catalogue that a recipe asks for, by name, each with its upstream."""
    return catalog.graph(recipe.datasets.names, recipe.training.planned)


def nodes(graph: BaseAssetGraph[Any]) -> list[Node]:
    """What a run of the whole graph makes, as planning sees it: each asset after everything it is made from."""
    every = {key.to_user_string(): graph.get(key) for key in graph.toposorted_asset_keys}
    made = {name: node for name, node in every.items() if node.is_materializable and not catalog.entry(name).governs}
    found = []
    for name, node in made.items():
        upstream = sorted(parent.to_user_string() for parent in node.parent_keys)
        asset = replace(catalog.entry(name), upstream=tuple(parent for parent in upstream if parent in made))
        found.append(Node(asset, str(node.code_version)))
    return found


def _trained_model(recipe: Recipe, asset: Asset) -> dg.AssetsDefinition:
    stage = recipe.training.stage(catalog.stage_of(asset.name))
    _, guarantees = (getdoc(trained_model.body) or "").split("\n\n", 1)
    description = f"{method_of(stage).makes}, as adapter and as merged weights.\n\n{guarantees}"
    return trained_model.build(recipe, asset, sections={"stage": stage}, description=description)


def _unversioned(name: str, recipe: Recipe, built: Sequence[dg.AssetsDefinition]) -> dict[str, Any]:
    """The parameters of those bodies that read more than sections of the recipe."""
    if name == catalog.AUDIT_REPORT.name:
        specs = [spec for each in built for spec in each.specs]
        versions = {each.key.to_user_string(): str(each.code_version) for each in specs}
        return {"recipe": recipe, "code_versions": versions}
    return {}


def _evaluation_sets(recipe: Recipe) -> dict[str, str] | str:
    """The content of the evaluation sets, which are no assets; one that cannot be read is reported by the run."""
    try:
        against = recipe.decontaminate.against
        return {
            f"{source.name}/{batch.name}": digest(source, batch.content)
            for source in against
            for batch in connector(source).batches(source)
        }
    except SourceError as error:
        return str(error)
