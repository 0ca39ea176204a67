"""Named selections of assets that are run together."""

import dagster as dg

from fineline.assets.forgetting import forgetting_certificates

main = dg.define_asset_job(
    "main",
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets(forgetting_certificates),
    description="The whole graph of the recipe, from raw corpora to an evaluated release.",
)

forget = dg.define_asset_job(
    "forget",
    selection=dg.AssetSelection.assets(forgetting_certificates),
    description="Carries out a request to forget that waits under the storage root, as `fineline forget` writes it. "
    "The run's configuration holds only the id of the request.",
)
