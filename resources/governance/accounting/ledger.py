"""The ledger: one entry for each row that ever came in, saying where it is or which rule stopped it."""

from dataclasses import dataclass

import polars as pl

from fineline.data_contracts.accounting import LedgerEntry

KEY = ["record_id", "batch", "copy"]
# The stage at which several rows of a batch can still have the same record_id.
ARRIVAL = "raw_corpus"
REPEATED = "repeated_row"


@dataclass(frozen=True)
class Gaps:
    """Counts that must all be zero.

    ``missing``: rows that came in and are not in the ledger. ``repeated``: entries beyond a row's first.
    ``unknown``: entries of rows that never came in. ``unrecorded``: drops that the ledger does not hold.
    """

    missing: int
    repeated: int
    unknown: int
    unrecorded: int


def build(raw: pl.DataFrame, drops: pl.DataFrame, curated: pl.DataFrame, assignment: pl.DataFrame) -> pl.DataFrame:
    """Gather the fates of all rows, one ``LedgerEntry`` row each, sorted by batch, record_id and copy.

    ``drops`` holds the ``Drop`` rows of all stages, ``curated`` the batch that a kept record is from,
    ``assignment`` its split. ``raw`` has a line for each row as it was read: record_id, batch, source, copy.

    Of the rows of a batch with the same record_id, copy 0 went on and repeats were dropped on arrival. Equal
    rows that could not be read were all stopped on arrival and are numbered from 0. Nothing is made up or left
    out: a row without a fate gets no entry, a row with two fates gets two, and ``find_gaps`` counts both.
    """
    kept = assignment.join(curated.select("record_id", "batch"), on="record_id").select(
        "record_id",
        "batch",
        "source",
        copy=pl.lit(0),
        fate=pl.lit("kept"),
        place=pl.format("splits/{}", pl.col("split").cast(pl.String)),
        rule=pl.lit(None, pl.String),
        detail=pl.lit(None, pl.String),
    )
    on_arrival = pl.col("stage") == ARRIVAL
    repeat = on_arrival & (pl.col("rule") == REPEATED)
    number = pl.int_range(pl.len()).over("record_id", "batch", repeat)
    place = pl.when(pl.col("fate") == "quarantined").then(pl.lit("quarantine")).otherwise(pl.lit("drops"))
    stopped = drops.sort("rule", pl.col("detail").str.len_chars(), "detail").select(
        "record_id",
        "batch",
        "source",
        copy=pl.when(repeat).then(number + 1).when(on_arrival).then(number).otherwise(0),
        fate=pl.col("fate").cast(pl.String),
        place=pl.format("{}/{}", "stage", place),
        rule="rule",
        detail="detail",
    )
    schema = LedgerEntry.create_empty().schema
    entries = pl.concat([part.select(schema.names()).cast(schema) for part in (kept, stopped)])
    # A row stopped for having no source is still in its source's account.
    came_from = raw.select("record_id", "batch", pl.col("copy").cast(schema["copy"]), came_from="source")
    return (
        entries.join(came_from, on=KEY, how="left")
        .with_columns(source=pl.coalesce("came_from", "source"))
        .drop("came_from")
        .sort("batch", "record_id", "copy", "place", "rule", "detail")
    )


def find_gaps(ledger: pl.DataFrame, raw: pl.DataFrame, drops: pl.DataFrame) -> Gaps:
    """Hold a ledger against the rows that came in and the drops of all stages."""
    entries = ledger.unique(KEY)
    rows = raw.with_columns(pl.col("copy").cast(entries.schema["copy"]))
    drop = ["record_id", "batch", "rule"]
    stopped = ledger.drop_nulls("rule").group_by(drop).len("recorded")
    told = drops.group_by(drop).len("told").join(stopped, on=drop, how="left").fill_null(0)
    return Gaps(
        missing=rows.join(entries, on=KEY, how="anti").height,
        repeated=ledger.height - entries.height,
        unknown=entries.join(rows, on=KEY, how="anti").height,
        unrecorded=int((told["told"].cast(pl.Int64) - told["recorded"]).clip(0).sum()),
    )
