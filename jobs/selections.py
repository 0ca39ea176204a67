"""Named selections of assets that are run together."""

import dagster as dg

main = dg.define_asset_job(
    "main",
    selection=dg.AssetSelection.all(),
    description="The whole graph of the recipe, from raw corpora to an evaluated release.",
)
