"""Tables stored one by one, without the graph that would make them."""

import polars as pl

from fineline.data_contracts import catalog
from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import Origin, TableOutput, write_table


def put(storage: Storage, asset: str, rows: pl.DataFrame) -> None:
    """Store rows as an asset: as each batch that they are of, or as the one table of all batches."""
    entry = catalog.entry(asset)
    for batch in rows["batch"].unique(maintain_order=True) if entry.per_batch else [None]:
        part = rows if batch is None else rows.filter(pl.col("batch") == batch)
        output = TableOutput(part.select(entry.schema.column_names()), part.height)
        write_table(storage, asset, batch, output, entry.schema, Origin("1", {}, "test"), maximum_quarantine=0.0)
