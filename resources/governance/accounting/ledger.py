"""The record ledger: one entry for every row read, its reconciliation with the drops, and the funnel of counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass

import polars as pl

from fineline.data_contracts import catalog
from fineline.data_contracts.accounting import LEDGER_ORDER, REPEATED, LedgerEntry
from fineline.data_contracts.curation import SplitAssignment

# Gives the rows of a batch by asset, batch and role.
Scan = Callable[[str, str, str], pl.LazyFrame]
KEY = ["record_id", "batch", "copy"]
# The only asset in which several rows of a batch may share a record_id.
_FIRST = catalog.RAW_CORPUS.name


@dataclass(frozen=True)
class Gaps:
    """Counts that must all be zero.

    ``missing``: rows read that have no entry. ``repeated``: entries of a row beyond its first. ``unknown``: entries
    of rows that were never read. ``unrecorded``: drops without an entry.
    """

    missing: int = 0
    repeated: int = 0
    unknown: int = 0
    unrecorded: int = 0

    def __add__(self, other: Gaps) -> Gaps:
        return Gaps(*(mine + others for mine, others in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Account:
    """One batch: the rows read (record_id, batch, source, copy), the drops of all assets, and the ledger entries."""

    batch: str
    rows_read: pl.DataFrame
    drops: pl.DataFrame
    entries: pl.DataFrame

    def gaps(self, stored: pl.DataFrame | None = None) -> Gaps:
        """The gaps of the entries, or of those ``stored`` for the batch."""
        return find_gaps(self.entries if stored is None else stored, self.rows_read, self.drops)


def accounts(scan: Scan, batches: Sequence[str]) -> Iterator[Account]:
    """The accounts of all batches, one in memory at a time, and last that of drops without a batch, if any."""
    dropping = [each for each in catalog.ASSETS if each.drops]
    for batch in batches:
        rows_read = scan(_FIRST, batch, "rows_read").collect()
        drops = pl.concat([scan(each.name, batch, "drops").collect() for each in dropping])
        assignment = scan(catalog.SPLITS.name, batch, "data").collect()
        yield Account(batch, rows_read, drops, build(rows_read, drops, assignment))
    drops = pl.concat([scan(each.name, "", "drops").collect() for each in dropping if not each.per_batch])
    if drops.height:
        nothing = LedgerEntry.create_empty()
        yield Account("", nothing, drops, build(nothing, drops, SplitAssignment.create_empty()))


def build(raw: pl.DataFrame, drops: pl.DataFrame, assignment: pl.DataFrame) -> pl.DataFrame:
    """The ``LedgerEntry`` rows of some rows read, sorted by batch, record_id and copy.

    ``raw`` has one line for each row read (record_id, batch, source, copy), ``drops`` the ``Drop`` rows of all assets,
    ``assignment`` the batch and the split of each kept record.

    Among the rows of a batch that share a record_id, copy 0 was kept and its repeats were dropped when they were
    read. Equal rows that could not be read were all stopped there and are numbered from 0. Nothing is invented or
    left out: a row without a fate gets no entry, a row with two fates gets two, and ``find_gaps`` counts both.
    """
    kept = assignment.select(
        "record_id",
        "batch",
        "source",
        copy=pl.lit(0),
        fate=pl.lit("kept"),
        place=pl.format(f"{catalog.SPLITS.name}/{{}}", pl.col("split").cast(pl.String)),
        rule=pl.lit(None, pl.String),
        detail=pl.lit(None, pl.String),
    )
    on_arrival = pl.col("asset") == _FIRST
    repeat = on_arrival & (pl.col("rule") == REPEATED)
    number = pl.int_range(pl.len()).over("record_id", "batch", repeat)
    place = pl.when(pl.col("fate") == "quarantined").then(pl.lit("quarantine")).otherwise(pl.lit("drops"))
    stopped = drops.sort("rule", pl.col("detail").str.len_chars(), "detail").select(
        "record_id",
        "batch",
        "source",
        copy=pl.when(repeat).then(number + 1).when(on_arrival).then(number).otherwise(0),
        fate=pl.col("fate").cast(pl.String),
        place=pl.format("{}/{}", "asset", place),
        rule="rule",
        detail="detail",
    )
    schema = LedgerEntry.create_empty().schema
    entries = pl.concat([part.select(schema.names()).cast(schema) for part in (kept, stopped)])
    # A row that was stopped for lack of a source still counts for the source that it was read from.
    read_from = raw.select("record_id", "batch", pl.col("copy").cast(schema["copy"]), read_from="source")
    return (
        entries.join(read_from, on=KEY, how="left")
        .with_columns(source=pl.coalesce("read_from", "source"))
        .drop("read_from")
        .sort(LEDGER_ORDER)
    )


def find_gaps(ledger: pl.DataFrame, raw: pl.DataFrame, drops: pl.DataFrame) -> Gaps:
    """Compare a ledger with the rows read and with the drops of all assets."""
    entries = ledger.unique(KEY)
    rows = raw.with_columns(pl.col("copy").cast(entries.schema["copy"]))
    drop = ["record_id", "batch", "rule"]
    recorded = ledger.drop_nulls("rule").group_by(drop).len("recorded")
    dropped = drops.group_by(drop).len("dropped").join(recorded, on=drop, how="left").fill_null(0)
    return Gaps(
        missing=rows.join(entries, on=KEY, how="anti").height,
        repeated=ledger.height - entries.height,
        unknown=entries.join(rows, on=KEY, how="anti").height,
        unrecorded=int((dropped["dropped"].cast(pl.Int64) - dropped["recorded"]).clip(0).sum()),
    )


def tally(ledger: pl.LazyFrame) -> pl.DataFrame:
    """The number of entries by fate, place and rule; those of several batches can be concatenated."""
    return ledger.group_by(pl.col("fate").cast(pl.String), "place", "rule").agg(entries=pl.len()).collect()


def funnel(tallied: pl.DataFrame) -> dict[str, float]:
    """Rows read, records left after each asset of the funnel, and records of each split, whose sum is the last count.

    Raises:
        ValueError: the ledger has drops of an asset that has no word in the funnel.
    """
    asset, is_kept = pl.col("place").str.split("/").list.first(), pl.col("fate") == "kept"
    stopped = dict(_summed(tallied.filter(~is_kept), asset).iter_rows())
    left = tallied["entries"].sum()
    steps: dict[str, float] = {"came in": float(left)}
    for each in catalog.ASSETS:
        if each.funnel is not None:
            left -= stopped.pop(each.name, 0)
            steps[each.funnel] = float(left)
    for name, count in stopped.items():
        raise ValueError(f"{count} records were stopped by {name}, which has no funnel word in the catalogue.")
    splits = f"{catalog.SPLITS.name}/"
    kept = _summed(tallied.filter(is_kept), "place")
    return steps | {f"  {place.removeprefix(splits)}": float(count) for place, count in kept.iter_rows()}


def reasons(tallied: pl.DataFrame) -> dict[str, float]:
    """Records in no split, counted by the rule that stopped them and its place; the most frequent first."""
    stopped = _summed(tallied.drop_nulls("rule"), "rule", "place")
    return {f"{rule} ({place})": float(count) for rule, place, count in stopped.iter_rows()}


def _summed(tallied: pl.DataFrame, *by: str | pl.Expr) -> pl.DataFrame:
    """Entries by some columns, the most frequent first; of equally frequent ones, in alphabetical order."""
    sums = tallied.group_by(*by).agg(pl.col("entries").sum())
    names = sums.columns[:-1]
    return sums.sort("entries", *names, descending=[True, *(False for _ in names)])
