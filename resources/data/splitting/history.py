"""The memory of splits: where every record that was ever assigned stood, and what a new assignment owes to it."""

from typing import NamedTuple

import polars as pl

from fineline.data_contracts.curation import SplitHistory
from fineline.resources.data.splitting.groups import TIES, components

# In the order in which a split counts where old records of a group stand in several.
ORDER = {"train": 0, "test": 1, "validation": 2}
NAMES = {code: name for name, code in ORDER.items()}

TIES_SPLITS = "ties_splits"
GROUP_CAME_APART = "group_came_apart"


class Recalled(NamedTuple):
    """Keyed records (see ``split_keys.keyed``) after looking at what is remembered.

    ``records`` may be placed; they have ``component`` and ``split``, null for a component that is new.
    ``held_out`` may not be in any split: record_id, source, batch, rule, detail.
    """

    records: pl.DataFrame
    excluded: pl.DataFrame


def recall(keyed: pl.DataFrame, memory: pl.DataFrame | None) -> Recalled:
    """Give old records the split that they had, new ones that of what they are tied to, and hold ties out.

    A new record that ties what stands in different splits is held out of all of them, as are new records
    that do so together. Where old records of a group stand in different splits (the recipe changed what a
    group is), those in train stay, the others are held out.
    """
    rows = _with_what_stood(keyed, SplitHistory.create_empty() if memory is None else memory)
    new = pl.col("own").is_null()
    direct = (new & (pl.col("low") != pl.col("high"))).fill_null(False)
    torn = (~new & (pl.col("own") != pl.min_horizontal(f"{key}_old" for key in TIES))).fill_null(False)
    excluded = [
        _excluded(rows.filter(direct), TIES_SPLITS, "would tie groups that are in different splits"),
        _excluded(rows.filter(torn), GROUP_CAME_APART, "others of its group or with its prompt are in another split"),
    ]
    rows = rows.filter(~direct & ~torn)
    rows = rows.with_columns(component=components(rows), stands=pl.coalesce("own", "low"))
    parted = pl.min("stands").over("component") != pl.max("stands").over("component")
    # What can still part a component are links among new records alone.
    link = pl.any_horizontal(pl.col(f"{key}_low").is_null() & (pl.len().over(_tied_by(key)) > 1) for key in TIES)
    chained = (new & parted & link).fill_null(False)
    excluded.append(_excluded(rows.filter(chained), TIES_SPLITS, "would tie, with other new records, different splits"))
    rows = rows.filter(~chained)
    # Without what tied them, groups are apart again.
    rows = rows.with_columns(component=components(rows))
    split = pl.min("stands").over("component").replace_strict(NAMES, return_dtype=pl.String)
    return Recalled(rows.select(*keyed.columns, "component", split=split), pl.concat(excluded).sort("record_id"))


def _with_what_stood(keyed: pl.DataFrame, memory: pl.DataFrame) -> pl.DataFrame:
    """With ``own``, the split (see ``ORDER``) that a record had itself, ``low`` and ``high`` of all it is tied to.

    For each tie: ``<key>_old``, the lowest split of the records here that were assigned before, ``<key>_low``
    that of the remembered ones too. All are null where there is none.
    """
    code = pl.col("split").cast(pl.String).replace_strict(ORDER, return_dtype=pl.Int8)
    known = memory.with_columns(code=code)
    rows = keyed
    for key in ("record_id", "identity", "prompt_key"):
        stood = known.drop_nulls(key).group_by(key).agg(low=pl.min("code"), high=pl.max("code"))
        stood = stood.rename({"low": f"{key}_known_low", "high": f"{key}_known_high"})
        rows = rows.join(stood, on=key, how="left", maintain_order="left")
    own = pl.col("record_id_known_low")
    rows = rows.with_columns(
        # Clusters and families are named anew with each batch.
        *(
            pl.lit(None, pl.Int8).alias(f"{key}_known_{end}")
            for key in ("cluster", "family")
            for end in ("low", "high")
        ),
        own=pl.when(own == pl.col("record_id_known_high")).then(own),
    )
    for key in TIES:
        tied = _tied_by(key)
        old = pl.min("own").over(tied)
        rows = rows.with_columns(
            old.alias(f"{key}_old"),
            pl.min_horizontal(old, f"{key}_known_low").alias(f"{key}_low"),
            pl.max_horizontal(pl.max("own").over(tied), f"{key}_known_high").alias(f"{key}_high"),
        )
    return rows.with_columns(
        low=pl.min_horizontal("record_id_known_low", *(f"{key}_low" for key in TIES)),
        high=pl.max_horizontal("record_id_known_high", *(f"{key}_high" for key in TIES)),
    )


def remember(now: pl.DataFrame, before: pl.DataFrame | None) -> pl.DataFrame:
    """The memory after an assignment, by record_id: what is assigned now, and all that was before.

    A record that leaves the corpus keeps its place here: should it come back, it goes where it was.
    """
    if before is not None:
        now = pl.concat([now, before.join(now, on="record_id", how="anti")])
    return now.sort("record_id")


def follow_clusters(memory: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    """The memory with records that have since become duplicates replaced by what stands for them.

    Without this a longer near-duplicate of a record that was in train would be new, and could go to test. A
    representative that was assigned itself keeps its own split; one that stands for records of different
    splits has a row for each, and will be held out.
    """
    stands_for = clusters.select("record_id", "cluster").unique()
    followed = (
        memory.join(stands_for, on="record_id", how="left")
        .with_columns(own=pl.col("cluster").fill_null(pl.col("record_id")) == pl.col("record_id"))
        .with_columns(record_id=pl.col("cluster").fill_null(pl.col("record_id")))
    )
    return (
        followed.filter(pl.col("own") | ~pl.col("own").any().over("record_id"))
        .select(SplitHistory.column_names())
        .unique()
        .sort(SplitHistory.column_names())
    )


def _tied_by(key: str) -> pl.Expr:
    """The key, or the record alone where it has none."""
    return pl.col(key).fill_null(pl.col("record_id"))


def _excluded(rows: pl.DataFrame, rule: str, detail: str) -> pl.DataFrame:
    return rows.select("record_id", "source", "batch", rule=pl.lit(rule), detail=pl.lit(detail))
