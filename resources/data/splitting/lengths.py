"""Length bands: records by how much text they hold, for strata and counts."""

import polars as pl

from fineline.data_contracts.records import MESSAGE_COLUMNS

# Fixed bounds, in words, so that a record's band never depends on the other records.
LENGTH_BANDS = {"up to 32 words": 32, "33 to 128 words": 128, "129 to 512 words": 512}
LONGEST = "more than 512 words"


def words() -> pl.Expr:
    """Words (runs without white space) in all messages of a record; a record without text has 0."""
    counts = [
        pl.col(column).list.eval(pl.element().struct.field("content").str.count_matches(r"\S+")).list.sum()
        for column in MESSAGE_COLUMNS
    ]
    return pl.sum_horizontal(counts).cast(pl.UInt32)


def length_band() -> pl.Expr:
    """The name of the band that a record's words fall into."""
    band: pl.Expr = pl.lit(LONGEST)
    for name, most in reversed(LENGTH_BANDS.items()):
        band = pl.when(words() <= most).then(pl.lit(name)).otherwise(band)
    return band
