"""Leak-free assignment: groups stay whole, strata keep their shares, and no assigned record moves."""

import hashlib
from typing import NamedTuple

import polars as pl

from fineline.data_contracts.curation import SplitAssignment, SplitHistory
from fineline.resources.core.recipe.curation import Split
from fineline.resources.data.splitting.groups import keyed
from fineline.resources.data.splitting.history import recall
from fineline.resources.data.splitting.placement import Group, Placement, round_shares


class Assigned(NamedTuple):
    """Splits of records.

    ``records`` has one ``SplitAssignment`` row for each record in a split, sorted by record_id. ``excluded`` has the
    other records: record_id, source, batch, rule, detail. ``history`` (``SplitHistory``) describes ``records`` for the
    next assignment.
    """

    records: pl.DataFrame
    excluded: pl.DataFrame
    history: pl.DataFrame


def assign(curated: pl.DataFrame, section: Split, history: pl.DataFrame | None = None) -> Assigned:
    """Assign curated records to splits.

    Records that share a group (of one source), a near-duplicate cluster, a family or a prompt stay together. A record
    in ``history`` keeps its split, even if the recipe has changed, and records that are tied to it follow; a new record
    that would tie groups of different splits is excluded. The others are placed with the largest group first, then by
    hash of their name and the seed, so that strata get the asked shares (see ``Placement``). A group that exceeds what
    validation and test still need goes to train.
    """
    placed, excluded = recall(keyed(curated, section), history)
    assigned = (
        placed.join(_place(placed, section), on="component", how="left", suffix="_fresh")
        .with_columns(split=pl.coalesce("split", "split_fresh"), split_group=pl.min("identity").over("component"))
        .sort("record_id")
    )
    return Assigned(
        assigned.select(SplitAssignment.column_names()).cast(SplitAssignment.create_empty().schema),
        excluded,
        assigned.select(SplitHistory.column_names()).cast(SplitHistory.create_empty().schema),
    )


def asked_shares(section: Split) -> dict[str, float]:
    """The share of each split that the recipe asks for."""
    train = 1.0 - section.validation - section.test
    return {"train": train, "validation": section.validation, "test": section.test}


def _place(placed: pl.DataFrame, section: Split) -> pl.DataFrame:
    """The split of each component that has none yet: component, split."""
    totals = placed.group_by("stratum").len().iter_rows()
    shares = asked_shares(section)
    placement = Placement({name: round_shares(total, shares, _uniform(section.seed, name)) for name, total in totals})
    for split, stratum, records in placed.drop_nulls("split").group_by("split", "stratum").len().iter_rows():
        placement.put({stratum: records}, split)
    fresh = (
        placed.filter(pl.col("split").is_null())
        .group_by("component", "stratum")
        .agg(records=pl.len(), identity=pl.min("identity"))
        .sort("stratum")
        .group_by("component", maintain_order=True)
        .agg("stratum", "records", identity=pl.min("identity"), size=pl.sum("records"))
        .with_columns(uniform=pl.col("identity").map_elements(lambda name: _uniform(section.seed, name), pl.Float64))
        # Not sorted by the drawn number: the first groups would all go to validation and test.
        .sort("size", "identity", descending=[True, False])
    )
    groups = [
        Group(dict(zip(strata, records, strict=True)), number)
        for strata, records, number in fresh.select("stratum", "records", "uniform").iter_rows()
    ]
    return fresh.select("component", split=pl.Series(placement.place(groups), dtype=pl.String))


def _uniform(seed: int, name: str) -> float:
    """A number in [0, 1) that depends on the seed and the name alone."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
