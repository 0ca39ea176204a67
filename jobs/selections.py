"""Named selections of assets that are run together."""

import dagster as dg

from fineline.data_contracts import catalog
from fineline.resources.governance.forgetting.request import JOB

main = dg.define_asset_job(
    "main",
    selection=dg.AssetSelection.all() - dg.AssetSelection.groups(catalog.AUDIT_REPORT.group),
    description="The whole graph of the recipe, from raw corpora to an evaluated release.",
)

audit = dg.define_asset_job(
    "audit",
    selection=dg.AssetSelection.assets(catalog.AUDIT_REPORT.name),
    description="Checks every promise again on what is stored; changes nothing.",
)

forget = dg.define_asset_job(
    JOB,
    selection=dg.AssetSelection.assets(catalog.FORGETTING_CERTIFICATES.name),
    description="Carries out one request to forget, which `fineline forget` has written under the storage root and the "
    "run's configuration names. No other run carries out a request.",
)
