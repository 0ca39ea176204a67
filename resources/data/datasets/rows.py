"""The rows of a dataset: selected from the splits, dropped by rules, and exported in the form that TRL reads."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import polars as pl

from fineline.data_contracts.records import SPLITS
from fineline.resources.core.recipe.curation import Balance
from fineline.resources.core.recipe.datasets import Rows, SampledRejections
from fineline.resources.core.storage.tables import TableOutput, dropped, jsonl_bytes
from fineline.resources.data.datasets.balance import balanced


def candidates(
    curated: pl.DataFrame, assignment: pl.DataFrame, kind: str, sources: list[str] | None = None
) -> pl.DataFrame:
    """Curated records of a kind (of the named sources, or of all) with their split, ordered by a hash of record_id."""
    rows = curated.filter(pl.col("kind") == kind)
    if sources is not None:
        rows = rows.filter(pl.col("source").is_in(sources))
    rows = rows.join(assignment.select("record_id", "split"), on="record_id")
    order = [hashlib.sha256(record_id.encode()).hexdigest() for record_id in rows["record_id"]]
    return rows.with_columns(pl.Series("order", order, pl.String)).sort("order").drop("order")


def sample(rows: pl.DataFrame, section: Rows | SampledRejections) -> pl.DataFrame:
    """The first rows of each split, as many as the section asks for, or all if it sets no number."""
    parts = []
    for split in SPLITS:
        wanted = getattr(section, f"{split}_rows")
        part = rows.filter(pl.col("split") == split)
        parts.append(part if wanted is None else part.head(wanted))
    return pl.concat(parts)


def selected(
    asset: str, rows: pl.DataFrame, counts: pl.DataFrame, section: Rows, balance: Balance, columns: list[str]
) -> TableOutput:
    """The rows that fit, have trained tokens and are in balance and sample; the others are drops with their rule.

    ``counts`` are the token counts of the rows. ``columns`` are those of the export of each split.
    """
    counted = rows.join(counts, on="record_id", maintain_order="left")
    long = pl.col("tokens") > section.maximum_tokens
    detail = pl.format("{} tokens, at most {}", "tokens", pl.lit(section.maximum_tokens))
    too_long = dropped(counted.filter(long), asset, "too_long", detail)
    silent = dropped(counted.filter(~long & (pl.col("trained_tokens") == 0)), asset, "no_trained_tokens")
    fits = counted.filter(~long & (pl.col("trained_tokens") > 0))
    wanted, unbalanced = balanced(fits, balance, asset)
    kept = sample(wanted, section)
    left = dropped(wanted.join(kept, on="record_id", how="anti"), asset, "not_sampled")
    by_split = {split: kept.filter(pl.col("split") == split) for split in SPLITS}
    return TableOutput(
        kept.sort("record_id"),
        rows_in=counted.height,
        drops=pl.concat([too_long, silent, unbalanced, left]),
        exports={f"{split}.jsonl": jsonl_bytes(part.select(columns)) for split, part in by_split.items()},
        facts={
            **{f"{split} rows": part.height for split, part in by_split.items()},
            "tokens": int(kept["tokens"].sum()),
            "trained tokens": int(kept["trained_tokens"].sum()),
            "rows without a trained stop token": int((~kept["stop_token_trained"]).sum()),
            "truncated rows": int(kept["truncated"].sum()),
        },
    )


def texts(rows: pl.DataFrame) -> pl.DataFrame:
    """Records of kind text, with the content of their one message as ``text``."""
    content = pl.col("completion").list.first().struct.field("content")
    return rows.with_columns(text=content)


def with_rejected(rows: pl.DataFrame, answers: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Pairs of a chat record's own answer and the model's sampled answer, which is rejected.

    Returns the pairs, and the records whose sampled answer was empty or equal to their own.
    """
    joined = rows.drop("rejected").join(answers.select("record_id", "answer"), on="record_id", maintain_order="left")
    message = pl.struct(role=pl.lit("assistant"), content=pl.col("answer").str.strip_chars())
    joined = joined.with_columns(rejected=pl.concat_list(message)).drop("answer")
    content = pl.col("rejected").list.first().struct.field("content")
    last = pl.col("completion").list.last().struct.field("content").str.strip_chars()
    usable = (content.str.len_chars() > 0) & (content != last)
    return joined.filter(usable), joined.filter(~usable)


def with_unusable_answers(asset: str, output: TableOutput, unusable: pl.DataFrame) -> TableOutput:
    """The output with drops of the records whose sampled answer was empty or equal to their own."""
    drops = dropped(unusable, asset, "unusable_sample")
    return replace(output, rows_in=output.rows_in + unusable.height, drops=pl.concat([output.drops, drops]))


def counted_columns(rows: pl.DataFrame) -> list[str]:
    """The columns whose tokens are counted: the text, or the prompt with its answers."""
    if "text" in rows.columns:
        return ["record_id", "text"]
    pairs = rows["rejected"].null_count() < rows.height
    return ["record_id", "prompt", "completion", *(["rejected"] if pairs else [])]
