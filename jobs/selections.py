"""Named selections of assets that are run together."""

import dagster as dg
from fineline.assets.common import BATCHES

main = dg.define_asset_job(
    "main",
    selection=dg.AssetSelection.all(),
    partitions_def=BATCHES,
    description="The whole graph of the recipe, from raw corpora to an evaluated release.",
)
