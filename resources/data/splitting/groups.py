"""What ties records to each other, so that no split may part them: group, prompt, near-duplicates."""

import hashlib
import json

import polars as pl

from fineline.data_contracts.records import contents
from fineline.resources.core.recipe.curation import Split
from fineline.resources.data.deduplication.components import tie
from fineline.resources.data.splitting.lengths import length_band

# Records that share one of these stay together. A null ties to nothing.
TIES = ("identity", "cluster", "family", "prompt_key")


def keyed(curated: pl.DataFrame, section: Split) -> pl.DataFrame:
    """One row a record: record_id, source, batch, the ``TIES`` and stratum, in the order of the records.

    ``identity`` names the record's own group: of source and group, or of the record where it has no group.
    ``prompt_key`` is a hash of the prompt as it is compared; null for a record without a prompt, and for all
    records where the recipe does not keep equal prompts together.
    """
    identity = [group_identity(*row) for row in curated.select("source", "group", "record_id").iter_rows()]
    names = list(strata(section).values())
    prompt_key = compared_prompt().map_elements(_digest, pl.String) if section.keep_equal_prompts_together else None
    return curated.select(
        "record_id",
        "source",
        "batch",
        "cluster",
        "family",
        identity=pl.Series(identity, dtype=pl.String),
        prompt_key=pl.lit(None, pl.String) if prompt_key is None else prompt_key,
        stratum=pl.concat_str(names, separator="/") if names else pl.lit("all"),
    )


def strata(section: Split) -> dict[str, pl.Expr]:
    """What the recipe stratifies by: the value of each dimension, as text."""
    computed = {"length": length_band()}
    return {name: computed.get(name, pl.col(name)).cast(pl.String).fill_null("none") for name in section.stratify_by}


def components(records: pl.DataFrame) -> pl.Series:
    """The number of what must stay together, for each row of ``keyed``."""
    # A record without a prompt is tied by its own id: to nothing.
    prompts = records["prompt_key"].fill_null(records["record_id"])
    return tie(records["identity"], records["cluster"], records["family"], prompts)


def compared_prompt() -> pl.Expr:
    """The prompt's text, lower-cased and with single spaces: equal ones are one question. Null where empty."""
    compared = contents("prompt").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
    return pl.when(compared != "").then(compared)


def group_identity(source: str, group: str | None, record_id: str) -> str:
    """A group's name as 32 hexadecimal digits: of source and group, or of the record where it has no group."""
    return _digest(json.dumps([source, group] if group is not None else [source, None, record_id]))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
