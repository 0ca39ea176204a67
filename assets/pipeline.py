"""The assets that a recipe asks for, each with its part of the recipe in its code version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from inspect import getdoc
from typing import TYPE_CHECKING, Any

import dagster as dg

from fineline.assets import (
    audit,
    corpus,
    curation,
    datasets,
    duplicates,
    evaluation,
    forgetting,
    ledger,
    models,
    quality,
    release,
    retraining,
    splits,
)
from fineline.assets.execution.definition import Definition
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

MODULES = (
    *(corpus, duplicates, quality, curation, splits, ledger),
    *(models, datasets, retraining, evaluation, release, forgetting, audit),
)
DEFINITIONS = {
    each.entry.name: each for module in MODULES for each in vars(module).values() if isinstance(each, Definition)
}


def pipeline_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """The assets of a recipe, in the order in which data flows. Those that it does not ask for are left out."""
    built: list[dg.AssetsDefinition] = []
    for name, entry in recipe_graph(recipe).items():
        if catalog.is_trained_model(name):
            built.append(_trained_model(recipe, entry))
        elif name == catalog.CURATED_CORPUS.name:
            built.append(DEFINITIONS[name].build(recipe, entry, outside=_evaluation_sets(recipe)))
        elif name == catalog.AUDIT_REPORT.name:
            versions = {spec.key.to_user_string(): str(spec.code_version) for each in built for spec in each.specs}
            given = {"recipe": recipe, "code_versions": versions}
            built.append(DEFINITIONS[name].build(recipe, entry, given=given))
        elif entry.grain is not catalog.Grain.EXTERNAL:
            built.append(DEFINITIONS[name].build(recipe, entry))
    return built


def recipe_graph(recipe: Recipe) -> Mapping[str, Asset]:
    """The entries of the catalogue that a recipe asks for, by name, each with its upstream."""
    return catalog.graph(recipe.datasets.names, {stage.name: stage.dataset.name for stage in recipe.training.stages})


def nodes(graph: BaseAssetGraph[Any]) -> list[Node]:
    """What a run of the whole graph makes, as planning sees it: each asset after everything it is made from."""
    found: dict[str, Node] = {}
    for key in graph.toposorted_asset_keys:
        name, node = key.to_user_string(), graph.get(key)
        entry = catalog.entry(name)
        if node.is_materializable and not entry.governs:
            upstream = sorted({parent.to_user_string() for parent in node.parent_keys} & found.keys())
            found[name] = Node(replace(entry, upstream=tuple(upstream)), str(node.code_version))
    return list(found.values())


def _trained_model(recipe: Recipe, entry: Asset) -> dg.AssetsDefinition:
    definition = DEFINITIONS[catalog.TRAINED_MODEL.name]
    stage = recipe.training.stage(catalog.stage_of(entry.name))
    _, guarantees = (getdoc(definition.body) or "").split("\n\n", 1)
    description = f"{method_of(stage).makes}, as adapter and as merged weights.\n\n{guarantees}"
    return definition.build(recipe, entry, given={"stage": stage}, description=description)


def _evaluation_sets(recipe: Recipe) -> dict[str, str] | str:
    """The content of the evaluation sets, which are no assets; one that cannot be read is reported by the run."""
    try:
        return {
            f"{source.name}/{batch.name}": digest(source, batch.content)
            for source in recipe.decontaminate.against
            for batch in connector(source).batches(source)
        }
    # Stores have no common class of errors, and definitions load whatever a store answers.
    except Exception as error:  # noqa: BLE001
        return str(error) if isinstance(error, SourceError) else type(error).__name__
