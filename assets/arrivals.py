"""What comes in from outside: the batches that sensors and runs found in the sources."""

import dagster as dg

from fineline.assets.execution.definition import BATCHES, OWNERS

# Nothing here makes it: sensor and command line report what they found (schedules/arrivals.py).
arrivals = dg.AssetSpec(
    "arrivals",
    description="""A file, a commit, an increment or another batch of a source, as it arrived.

Guarantees: a batch is reported once for each version of its content; a renamed, touched or re-sent file is no new
version and no new batch.""",
    group_name="corpus",
    kinds={"source"},
    owners=OWNERS,
    partitions_def=BATCHES,
)
