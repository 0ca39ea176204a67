"""How old the corpus and the release may be before Dagster marks them as overdue."""

from datetime import timedelta

import dagster as dg

from fineline.resources.core.recipe.operations import Freshness

CORPUS = ("raw_corpus", "curated_corpus")
RELEASE = ("release",)


def freshness_policy(asset: str, section: Freshness) -> dg.FreshnessPolicy | None:
    """The policy of an asset; None for one of which the recipe says nothing.

    Dagster counts from the last materialization, also from one that only found the asset up to date.
    """
    hours = section.corpus_hours if asset in CORPUS else section.release_hours if asset in RELEASE else None
    return None if hours is None else dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=hours))
