"""Keys that tie records to each other, so that no split may separate them, and the strata of a split."""

import hashlib
import json

import polars as pl

from fineline.data_contracts.messages import MESSAGE_COLUMNS, contents
from fineline.resources.core.recipe.curation import Split
from fineline.resources.data.deduplication.components import tie

# Records with the same value in one of these stay together. A null ties to nothing.
TIES = ("identity", "cluster", "family", "prompt_key")
# Fixed bounds, in words, so that a record's band never depends on other records.
LENGTH_BANDS = {"up to 32 words": 32, "33 to 128 words": 128, "129 to 512 words": 512}
LONGEST = "more than 512 words"


def keyed(curated: pl.DataFrame, section: Split) -> pl.DataFrame:
    """One row a record: record_id, source, batch, the ``TIES`` and stratum, in the order of the records.

    ``identity`` names the record's own group by its source and group, or the record itself if it has no group.
    ``prompt_key`` is a hash of the compared prompt; null for a record without a prompt, and for all records if the
    recipe does not keep equal prompts together.
    """
    identity = [group_identity(*row) for row in curated.select("source", "group", "record_id").iter_rows()]
    names = list(strata(section).values())
    prompt_key = compared_prompt().map_elements(_digest, pl.String)
    return curated.select(
        "record_id",
        "source",
        "batch",
        "cluster",
        "family",
        identity=pl.Series(identity, dtype=pl.String),
        prompt_key=prompt_key if section.keep_equal_prompts_together else pl.lit(None, pl.String),
        stratum=pl.concat_str(names, separator="/") if names else pl.lit("all"),
    )


def components(records: pl.DataFrame) -> pl.Series:
    """The number of the component, all records that must stay together, for each row of ``keyed``."""
    # A record without a prompt is tied by its own id: to nothing.
    prompts = records["prompt_key"].fill_null(records["record_id"])
    return tie(records["identity"], records["cluster"], records["family"], prompts)


def strata(section: Split) -> dict[str, pl.Expr]:
    """The dimensions by which the recipe stratifies, each with its value as text."""
    computed = {"length": length_band()}
    return {name: computed.get(name, pl.col(name)).cast(pl.String).fill_null("none") for name in section.stratify_by}


def length_band() -> pl.Expr:
    """The name of the band of a record's words (runs without white space) in all of its messages."""
    words = pl.sum_horizontal(
        pl.col(column).list.eval(pl.element().struct.field("content").str.count_matches(r"\S+")).list.sum()
        for column in MESSAGE_COLUMNS
    )
    bands = [pl.when(words <= most).then(pl.lit(name)) for name, most in LENGTH_BANDS.items()]
    return pl.coalesce(*bands, pl.lit(LONGEST))


def compared_prompt() -> pl.Expr:
    """The prompt in lower case with single spaces, by which equal prompts are recognised; null if it is empty."""
    compared = contents("prompt").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
    return pl.when(compared != "").then(compared)


def group_identity(source: str, group: str | None, record_id: str) -> str:
    """The 32 hexadecimal digits that name a group: a hash of source and group, or of the record without a group."""
    return _digest(json.dumps([source, group] if group is not None else [source, None, record_id]))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
