"""Reading the batches of a source that is not scanned, for tests and benchmarks."""

from collections import Counter

import polars as pl

from fineline.resources.data.shapes.content import BatchRows
from fineline.resources.data.sources.files import printable
from fineline.resources.data.sources.kinds import connector


def list_batches(source):
    return connector(source).batches(source)


def read_parts(source, key, batch):
    return connector(source).read(source, key, batch)


def read_batch(source, batch):
    """All rows of a batch, which has its name for a key."""
    parts = list(read_parts(source, f"{source.name}/{printable(batch.name)}", batch))
    normalised = Counter()
    for part in parts:
        normalised.update(part.normalised)
    return BatchRows(
        pl.concat([part.records for part in parts]), pl.concat([part.unreadable for part in parts]), normalised
    )


def read_only_batch(source):
    [batch] = list_batches(source)
    return read_batch(source, batch)
