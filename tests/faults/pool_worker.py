"""A worker that holds the only place of a pool, in a process of its own."""

import time

import dagster as dg

from fineline.resources.core.orchestrator.launcher import RUNNER_TAG, runner

POOL = "training"


@dg.op(pool=POOL, required_resource_keys={"begun", "for_ever"})
def train(context):
    context.resources.begun.set()
    while context.resources.for_ever:
        time.sleep(0.1)


def train_in_process(home, begun, for_ever):
    """What a worker does: a run of one step that takes the only place in the pool."""

    @dg.job(
        resource_defs={
            "begun": dg.ResourceDefinition.hardcoded_resource(begun),
            "for_ever": dg.ResourceDefinition.hardcoded_resource(for_ever),
        }
    )
    def training():
        train()

    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert training.execute_in_process(instance=instance, tags={RUNNER_TAG: runner()}).success
