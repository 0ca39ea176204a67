"""Leak-free splits: groups stay whole, strata keep their proportions, nothing moves once it is placed."""

import hashlib
import json
from collections.abc import Callable

import polars as pl

from fineline.data_contracts.curation import SplitAssignment
from fineline.resources.components import tie
from fineline.resources.placement import Group, Placement, round_shares
from fineline.resources.recipe_data import Split


def assign(curated: pl.DataFrame, section: Split, previous: pl.DataFrame | None = None) -> pl.DataFrame:
    """Assign records to splits, one ``SplitAssignment`` row each, sorted by record_id.

    A group is what has the same source and ``group`` (a record without one is its own group), together with
    what shares its near-duplicate cluster or family. Groups that ``previous`` (an earlier ``SplitAssignment``) holds
    keep their split, whatever the recipe says now. The others are placed the largest first, then by hash
    of their name and the seed, so that strata get the asked shares (see ``Placement``). A group that is larger
    than validation or test may still get goes to train.

    A group is known by its name, not by its members, so its growth moves nothing. Where new records tie groups
    that stand in different splits, the old records stay where they are, and new ones that belong to neither
    go to train; the leakage check sees such a tie. What ``previous`` does not hold is forgotten.
    """
    grouped = _with_splits_of(previous, _grouped(curated, section))
    held = pl.col("held")
    placed = grouped.with_columns(
        split=pl.when(held.drop_nulls().n_unique().over("component") <= 1)
        .then(held.drop_nulls().first().over("component"))
        .when(held.drop_nulls().n_unique().over("identity") == 1)
        .then(held.drop_nulls().first().over("identity"))
        .otherwise(pl.coalesce("own", pl.lit("train"))),
    )
    fresh = _place(placed, section)
    return (
        placed.join(fresh, on="component", how="left", suffix="_fresh")
        .with_columns(split=pl.coalesce("split", "split_fresh"))
        # What was tied too late is apart, and its group is called so.
        .with_columns(split_group=pl.min("identity").over("component"))
        .with_columns(
            split_group=pl.when(pl.col("split").n_unique().over("component") == 1)
            .then("split_group")
            .otherwise(pl.format("{}/{}", "split_group", "split"))
        )
        .select(SplitAssignment.column_names())
        .cast(SplitAssignment.create_empty().schema)
        .sort("record_id")
    )


def follow_clusters(previous: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    """The previous assignment with records that have since become duplicates replaced by what stands for them.

    Without this a longer near-duplicate of a record that was in train would be new, and could go to test.
    Where several records of a cluster were assigned, the representative's own split counts, then train.
    """
    stands_for = clusters.select("record_id", "cluster").unique()
    return (
        previous.join(stands_for, on="record_id", how="left")
        .with_columns(own=pl.col("cluster").fill_null(pl.col("record_id")) == pl.col("record_id"))
        .with_columns(record_id=pl.col("cluster").fill_null(pl.col("record_id")))
        .sort("record_id", pl.col("own"), pl.col("split") == "train", descending=[False, True, True])
        .unique("record_id", keep="first", maintain_order=True)
        .select(SplitAssignment.column_names())
    )


def proportions(assignment: pl.DataFrame, section: Split) -> pl.DataFrame:
    """How each stratum is divided: stratum, split, records, share, expected share, gap = share - expected."""
    shares = _shares(section)
    asked = pl.DataFrame({"split": list(shares), "expected": list(shares.values())})
    counts = assignment.group_by("stratum", pl.col("split").cast(pl.String)).len("records")
    return (
        assignment.select(pl.col("stratum").unique())
        .join(asked, how="cross")
        .join(counts, on=["stratum", "split"], how="left")
        .with_columns(pl.col("records").fill_null(0))
        .with_columns(share=pl.col("records") / pl.sum("records").over("stratum"))
        .with_columns(gap=pl.col("share") - pl.col("expected"))
        .select("stratum", "split", "records", "share", "expected", "gap")
        .sort("stratum", "split")
    )


def group_identity(source: str, group: str | None, record_id: str) -> str:
    """A group's name as 32 hexadecimal digits: of source and group, or of the record where it has no group."""
    name = [source, group] if group is not None else [source, None, record_id]
    return hashlib.blake2b(json.dumps(name).encode(), digest_size=16).hexdigest()


def _grouped(curated: pl.DataFrame, section: Split) -> pl.DataFrame:
    """record_id, source, stratum, identity (of the own group) and component (what must stay together)."""
    names = [pl.col(column).cast(pl.String).fill_null("none") for column in section.stratify_by]
    stratum = pl.concat_str(names, separator="/") if names else pl.lit("all")
    identity = [group_identity(*row) for row in curated.select("source", "group", "record_id").iter_rows()]
    grouped = curated.select("record_id", "source", "cluster", "family", stratum=stratum).with_columns(
        identity=pl.Series(identity, dtype=pl.String)
    )
    return grouped.with_columns(component=tie(grouped["identity"], grouped["cluster"], grouped["family"]))


def _with_splits_of(previous: pl.DataFrame | None, grouped: pl.DataFrame) -> pl.DataFrame:
    """With ``own``, the split a record had, and ``held``, the one that it or its group had; null where new."""
    before = SplitAssignment.create_empty() if previous is None else previous
    split = pl.col("split").cast(pl.String)
    records = before.select("record_id", own=split)
    groups = before.select(identity="split_group", of_group=split).unique("identity")
    return (
        grouped.join(records, on="record_id", how="left")
        .join(groups, on="identity", how="left")
        .with_columns(held=pl.coalesce("own", "of_group"))
    )


def _place(placed: pl.DataFrame, section: Split) -> pl.DataFrame:
    """The split of each component that has none yet: component, split."""
    uniform = _uniform(section.seed)
    totals = placed.group_by("stratum").len().iter_rows()
    shares = _shares(section)
    placement = Placement({name: round_shares(total, shares, uniform(name)) for name, total in totals})
    for split, stratum, records in placed.drop_nulls("split").group_by("split", "stratum").len().iter_rows():
        placement.put({stratum: records}, split)
    fresh = (
        placed.filter(pl.col("split").is_null())
        .group_by("component", "stratum")
        .agg(records=pl.len(), identity=pl.min("identity"))
        .sort("stratum")
        .group_by("component", maintain_order=True)
        .agg("stratum", "records", identity=pl.min("identity"), size=pl.sum("records"))
        .with_columns(uniform=pl.col("identity").map_elements(uniform, pl.Float64))
        # By name, not by the drawn number: in the order of their numbers the first groups would all be held out.
        .sort("size", "identity", descending=[True, False])
    )
    groups = [
        Group(dict(zip(strata, records, strict=True)), number)
        for strata, records, number in fresh.select("stratum", "records", "uniform").iter_rows()
    ]
    return fresh.select("component", split=pl.Series(placement.place(groups), dtype=pl.String))


def _uniform(seed: int) -> Callable[[str], float]:
    """A number in [0, 1) of a name and the seed alone."""

    def draw(name: str) -> float:
        digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64

    return draw


def _shares(section: Split) -> dict[str, float]:
    train = 1.0 - section.validation - section.test
    return {"train": train, "validation": section.validation, "test": section.test}
