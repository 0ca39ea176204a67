"""The assets of the definitions as planning sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fineline.assets.execution.definition import GOVERNANCE
from fineline.resources.planning.plan import Node

if TYPE_CHECKING:
    from fineline.resources.core.orchestrator.internals import BaseAssetGraph


def nodes(graph: BaseAssetGraph[Any]) -> list[Node]:
    """What can be made, each after all that it is made from; assets about the pipeline are left out."""
    every = [(key, graph.get(key)) for key in graph.toposorted_asset_keys]
    made = [key for key, node in every if node.is_materializable and node.group_name != GOVERNANCE]
    return [
        Node(
            key.to_user_string(),
            tuple(sorted(parent.to_user_string() for parent in graph.get(key).parent_keys if parent in made)),
            str(graph.get(key).code_version),
        )
        for key in made
    ]
