"""Connected components of edges, and of rows that share a key."""

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def connect(nodes: int, left: pl.Series, right: pl.Series) -> pl.Series:
    """The component number of each of the nodes 0, 1, …, given the edges left[i] - right[i]."""
    edges = (np.ones(left.len(), dtype=np.int8), (left.to_numpy(), right.to_numpy()))
    _, labels = connected_components(coo_array(edges, shape=(nodes, nodes)), directed=False)
    return pl.Series(labels, dtype=pl.UInt32)


def tie(*keys: pl.Series) -> pl.Series:
    """The component number of each row, where two rows with the same value in any key are tied."""
    rows = pl.int_range(keys[0].len(), eager=True)
    # Each row is tied to the first row with its value, so values need no nodes of their own.
    firsts = [pl.DataFrame({"key": key, "row": rows}).select(pl.first("row").over("key")) for key in keys]
    first = pl.concat(firsts).to_series()
    return connect(rows.len(), first, pl.concat([rows] * len(keys)))
