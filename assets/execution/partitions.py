"""The batch partitions, the one launch configuration, and the owners that definitions share."""

from __future__ import annotations

import warnings

import dagster as dg
from pydantic import Field

# backfill_policy is "beta" in Dagster; the pinned version is tested, and users need no notice.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=dg.BetaWarning)

BATCHES = dg.DynamicPartitionsDefinition(name="batches")
ALL_MISSING_IN_ONE_STEP = dg.BackfillPolicy.single_run()


class Launch(dg.Config):
    """What a person may choose when launching an asset by hand."""

    force: bool = Field(False, description="Make the asset again although nothing that it is made from has changed.")
    batches: list[str] = Field(
        [],
        description="Make only these of the selected partitions, and leave what is stored of the others as it is; an "
        "empty list stands for all of them.",
    )


def batch_keys(instance: dg.DagsterInstance) -> list[str]:
    """All batches that have arrived, sorted, so that nothing depends on the order of arrival."""
    return sorted(instance.get_dynamic_partitions(str(BATCHES.name)))
