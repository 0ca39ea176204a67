"""What Dagster shows of an asset's table: its columns with their descriptions, where each comes from, and the code."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from fineline.data_contracts import catalog
from fineline.data_contracts.catalog import Asset
from fineline.data_contracts.columns import DESCRIPTIONS

# Code references are "beta" in Dagster; the pinned version is tested, and users need no notice.
warnings.filterwarnings("ignore", message="Class `LocalFileCodeReference`", category=dg.BetaWarning)
warnings.filterwarnings("ignore", message="Class `CodeReferencesMetadataValue`", category=dg.BetaWarning)


def table_metadata(asset: Asset, recipe_name: str) -> dict[str, Any]:
    """The definition metadata of an asset that has a table."""
    return {
        "contract": asset.schema.__name__,
        "dagster/column_schema": column_schema(asset),
        "dagster/column_lineage": column_lineage(asset),
        "dagster/table_name": f"{recipe_name}.{asset.name}",
        "dagster/storage_kind": "parquet",
    }


def column_schema(asset: Asset) -> dg.TableSchema:
    """The columns of an asset's contract, with types and descriptions."""
    schema = asset.schema
    types = schema.create_empty().schema
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                type=str(types[name]),
                description=DESCRIPTIONS[name],
                constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=schema.primary_key() == [name]),
            )
            for name, column in schema.columns().items()
        ]
    )


def column_lineage(asset: Asset) -> dg.TableColumnLineage:
    """Each column's upstream: the columns of the same name, for a name has one meaning in all contracts."""
    tables = [each for each in map(catalog.entry, asset.upstream) if each.contract]
    return dg.TableColumnLineage(
        {
            name: [
                dg.TableColumnDep(dg.AssetKey(each.name), name) for each in tables if name in each.schema.column_names()
            ]
            for name in asset.schema.column_names()
        }
    )


def code_reference(body: Callable[..., Any]) -> dict[str, Any]:
    """Where a body stands, so that the UI can open it in an editor."""
    _, line = inspect.getsourcelines(body)
    file = Path(inspect.getsourcefile(body) or "")
    reference = dg.LocalFileCodeReference(file_path=str(file), line_number=line, label=file.name)
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}
