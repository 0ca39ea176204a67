"""Named selections of assets that are run together."""

import dagster as dg

from fineline.assets.execution.definition import GOVERNANCE
from fineline.resources.governance.forgetting.errors import CERTIFICATES

main = dg.define_asset_job(
    "main",
    selection=dg.AssetSelection.all() - dg.AssetSelection.groups(GOVERNANCE),
    description="The whole graph of the recipe, from raw corpora to an evaluated release.",
)

audit = dg.define_asset_job(
    "audit",
    selection=dg.AssetSelection.assets("audit_report"),
    description="Every promise checked again on what is stored; changes nothing.",
)

forget = dg.define_asset_job(
    "forget",
    selection=dg.AssetSelection.assets(CERTIFICATES),
    description="Carries out requests to forget that wait under the storage root, as `fineline forget` writes them. "
    "The run's configuration holds at most the id of one.",
)
