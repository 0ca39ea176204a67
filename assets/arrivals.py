"""What comes from outside the graph: the batches that sensors and runs found in the sources."""

import dagster as dg

from fineline.assets.execution.definition import DATA_TEAM
from fineline.assets.execution.partitions import BATCHES
from fineline.data_contracts import catalog

# Nothing in the graph makes it: sensor and command line report what they found (schedules/arrivals.py).
arrivals = dg.AssetSpec(
    catalog.ARRIVALS.name,
    description="""A file, a commit, an increment or another batch of a source, as it arrived.

Guarantees: a batch is reported once for each version of its content; a renamed, touched or re-sent file is no new
version and no new batch.""",
    group_name=catalog.ARRIVALS.group,
    kinds={"source"},
    owners=[DATA_TEAM],
    partitions_def=BATCHES,
)
