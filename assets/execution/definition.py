"""What every asset definition shares: batch partitions, standing checks, contracts shown as columns."""

import warnings
from typing import Any

import dagster as dg
import dataframely as dy

# backfill_policy is "beta" in Dagster; the pinned version is tested, and users need no notice.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=dg.BetaWarning)

BATCHES = dg.DynamicPartitionsDefinition(name="batches")
ALL_MISSING_IN_ONE_STEP = dg.BackfillPolicy.single_run()
OWNERS = ["team:data-engineering"]
# The group of assets that are about the pipeline; no run of the graph makes them.
GOVERNANCE = "governance"
TABLE_CHECKS = {
    "accounted_for": "Rows in = rows kept + dropped by a named rule + in quarantine.",
    "under_contract": "No more rows broke the contract than the recipe allows (maximum_quarantine).",
}


def checks(asset: str, **more: str) -> list[dg.AssetCheckSpec]:
    """The two blocking checks that every table has, and further blocking ones by name and description."""
    described = {**TABLE_CHECKS, **more}
    return [dg.AssetCheckSpec(name, asset=asset, description=text, blocking=True) for name, text in described.items()]


def contract(schema: type[dy.Schema], *recipe_parts: str) -> dict[str, Any]:
    """Definition metadata: an asset's contract, its columns, and the parts of the recipe that it reads."""
    columns = [
        dg.TableColumn(name, type=str(kind), constraints=dg.TableColumnConstraints(nullable=column.nullable))
        for (name, kind), column in zip(schema.create_empty().schema.items(), schema.columns().values(), strict=True)
    ]
    return {
        "contract": schema.__name__,
        "recipe parts": list(recipe_parts),
        "dagster/column_schema": dg.TableSchema(columns=columns),
    }
