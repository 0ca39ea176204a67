"""The history of splits: the split of every record that was ever assigned, and how it binds new assignments."""

import polars as pl

from fineline.data_contracts.curation import SplitHistory
from fineline.resources.data.splitting.groups import TIES, components

# The order in which a split prevails where earlier records of a component are in several.
ORDER = {"train": 0, "test": 1, "validation": 2}
NAMES = {code: name for name, code in ORDER.items()}

TIES_SPLITS = "ties_splits"
GROUP_CAME_APART = "group_came_apart"


def recall(keyed: pl.DataFrame, history: pl.DataFrame | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give earlier records their split, new ones that of their component, and exclude those that tie splits.

    Returns the rows of ``keyed`` that may be in a split, with ``component`` and ``split``, null for a component that is
    new; and the excluded ones: record_id, source, batch, rule, detail.

    A new record that ties records of different splits is excluded, as are new records that do so together. Where
    earlier records of a group are in different splits, because the recipe now groups otherwise, those in train stay
    and the others are excluded.
    """
    rows = _with_earlier_splits(keyed, SplitHistory.create_empty() if history is None else history)
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
    # Only links among new records can still part a component.
    link = pl.any_horizontal(pl.col(f"{key}_low").is_null() & (pl.len().over(_tied_by(key)) > 1) for key in TIES)
    chained = (new & parted & link).fill_null(False)
    excluded.append(_excluded(rows.filter(chained), TIES_SPLITS, "would tie, with other new records, different splits"))
    rows = rows.filter(~chained)
    # Without the excluded records, components may fall apart.
    rows = rows.with_columns(component=components(rows))
    split = pl.min("stands").over("component").replace_strict(NAMES, return_dtype=pl.String)
    return rows.select(*keyed.columns, "component", split=split), pl.concat(excluded).sort("record_id")


def _with_earlier_splits(keyed: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
    """The rows with ``own``, the record's earlier split (see ``ORDER``), and ``low`` and ``high`` of all it is tied to.

    For each tie, ``<key>_old`` is the lowest earlier split of records in ``keyed``, ``<key>_low`` that of records in
    the history too. All are null where there is none.
    """
    code = pl.col("split").cast(pl.String).replace_strict(ORDER, return_dtype=pl.Int8)
    known = history.with_columns(code=code)
    rows = keyed
    for key in ("record_id", "identity", "prompt_key"):
        earlier = known.drop_nulls(key).group_by(key).agg(low=pl.min("code"), high=pl.max("code"))
        earlier = earlier.rename({"low": f"{key}_known_low", "high": f"{key}_known_high"})
        rows = rows.join(earlier, on=key, how="left", maintain_order="left")
    own = pl.col("record_id_known_low")
    rows = rows.with_columns(
        # Clusters and families get new names with each batch.
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


def extend(history: pl.DataFrame | None, assigned: pl.DataFrame) -> pl.DataFrame:
    """The history after an assignment: the assigned records, and all earlier ones, sorted by record_id.

    A record that leaves the corpus stays in the history; if it returns, it goes to its earlier split.
    """
    if history is not None:
        assigned = pl.concat([assigned, history.join(assigned, on="record_id", how="anti")])
    return assigned.sort("record_id")


def follow_clusters(history: pl.DataFrame, clusters: pl.DataFrame) -> pl.DataFrame:
    """The history with records that have become duplicates replaced by their representatives.

    Otherwise a longer near-duplicate of a record in train would be new, and could go to test. A representative with a
    split of its own keeps it; one that represents records of different splits has a row for each, and is excluded.
    """
    representatives = clusters.select("record_id", "cluster").unique()
    followed = (
        history.join(representatives, on="record_id", how="left")
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
    """The key, or the record alone if it has none."""
    return pl.col(key).fill_null(pl.col("record_id"))


def _excluded(rows: pl.DataFrame, rule: str, detail: str) -> pl.DataFrame:
    return rows.select("record_id", "source", "batch", rule=pl.lit(rule), detail=pl.lit(detail))
