"""The training sets that a recipe asks for, with every token accounted for."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import dagster as dg
import polars as pl

from fineline.assets.execution.definition import asset
from fineline.assets.execution.tables import TableRun
from fineline.data_contracts import catalog
from fineline.resources.core.presentation.plots import histogram
from fineline.resources.core.presentation.tables import counts_by
from fineline.resources.core.recipe.curation import Balance
from fineline.resources.core.recipe.datasets import Preference, Pretraining, SampledRejections, Sft
from fineline.resources.core.storage.tables import TableOutput
from fineline.resources.data.datasets import rows as sets
from fineline.resources.data.datasets.balance import balanced
from fineline.resources.data.datasets.token_counts import joined, split_known, with_content
from fineline.resources.data.datasets.version import VERSION
from fineline.resources.models.base.tasks import CountTokens, Generate

FAULTS = ("rows without a trained stop token", "truncated rows")
# The definition that the datasets share. They follow base_model: its tokenizer counts their tokens.
dataset = partial(
    asset,
    version=VERSION,
    kinds={"polars", "jsonl"},
    checks={
        "tokens_teach": "Every row has trained tokens, the token that ends an answer is among them, and no answer is "
        "cut off."
    },
)


@dataset(catalog.SFT_DATASET, reads={"sft": "datasets.sft", "threads": "training.threads"})
def sft_dataset(run: TableRun, sft: Sft, balance: Balance, threads: int | None) -> None:
    """Conversations for supervised fine-tuning, also as train, validation and test JSONL in TRL's form.

    Guarantees: tokens are counted with the base model's own chat template; rows that do not fit are left out
    with a reason, never cut.
    """
    rows = _candidates(run, "chat", sft.sources)
    counts = _count(run, rows, sft.maximum_tokens, threads)
    _write(run, sets.selected(run.name, rows, counts, sft, balance, ["prompt", "completion"]), counts)


@dataset(catalog.PREFERENCE_DATASET, reads={"preference": "datasets.preference", "threads": "training.threads"})
def preference_dataset(run: TableRun, preference: Preference, balance: Balance, threads: int | None) -> None:
    """Prompts with a chosen and a rejected answer, also as train, validation and test JSONL in TRL's form.

    Guarantees: pairs of a source keep their order of preference; a sampled pair has the record's own answer as
    chosen and the base model's as rejected; the splits are those of every other set.
    """
    rows, unusable = _candidates(run, "preference"), None
    if preference.sample_rejections is not None:
        pairs, unusable = _sampled_pairs(run, preference.sample_rejections, balance, threads)
        rows = pl.concat([rows, pairs.select(rows.columns)])
    counts = _count(run, rows, preference.maximum_tokens, threads)
    chosen = rows.rename({"completion": "chosen"})
    output = sets.selected(run.name, chosen, counts, preference, balance, ["prompt", "chosen", "rejected"])
    _write(run, output if unusable is None else sets.with_unusable_answers(run.name, output, unusable), counts)


@dataset(catalog.PRETRAINING_DATASET, reads={"pretraining": "datasets.pretraining", "threads": "training.threads"})
def pretraining_dataset(run: TableRun, pretraining: Pretraining, balance: Balance, threads: int | None) -> None:
    """Plain texts for continued pretraining, also as train, validation and test JSONL in TRL's form.

    Guarantees: the splits are those of every other set; texts that do not fit are left out with a reason.
    """
    rows = sets.texts(_candidates(run, "text"))
    counts = _count(run, rows, pretraining.maximum_tokens, threads)
    _write(run, sets.selected(run.name, rows, counts, pretraining, balance, ["text"]), counts)


def _candidates(run: TableRun, kind: str, sources: list[str] | None = None) -> pl.DataFrame:
    return sets.candidates(run.read(catalog.CURATED_CORPUS.name), run.read(catalog.SPLITS.name), kind, sources)


def _count(run: TableRun, rows: pl.DataFrame, maximum_tokens: int, threads: int | None) -> pl.DataFrame:
    """The tokens of each row; what the same tokenizer has counted of the same content is not counted again."""
    columns = sets.counted_columns(rows)
    held, new = split_known(with_content(rows.select(columns)), run.previous("counts", same=[catalog.BASE_MODEL.name]))
    if new.is_empty():
        return held
    with run.storage.new_folder(run.name) as folder:
        new.select(columns).write_parquet(folder / "rows.parquet")
        task = CountTokens(
            output=str(folder),
            model=str(run.path(catalog.BASE_MODEL.name)),
            rows=str(folder / "rows.parquet"),
            maximum_tokens=maximum_tokens,
            threads=threads,
        )
        return joined(held, new, pl.read_parquet(run.work(task).counts))


def _sampled_pairs(
    run: TableRun, section: SampledRejections, balance: Balance, threads: int | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    wanted, _ = balanced(_candidates(run, "chat"), balance, run.name)
    prompts = sets.sample(wanted, section)
    with run.storage.new_folder(run.name) as folder:
        prompts.select("record_id", "prompt").write_parquet(folder / "prompts.parquet")
        task = Generate(
            output=str(folder),
            model=str(run.path(catalog.BASE_MODEL.name)),
            prompts=str(folder / "prompts.parquet"),
            temperature=section.temperature,
            new_tokens=section.new_tokens,
            seed=section.seed,
            threads=threads,
        )
        return sets.with_rejected(prompts, pl.read_parquet(run.work(task).answers))


def _write(run: TableRun, output: TableOutput, counts: pl.DataFrame) -> None:
    run.check("tokens_teach", not any(output.facts[name] for name in FAULTS), metadata=output.facts)
    tokens, train = output.frame["tokens"].to_list(), output.frame.filter(pl.col("split") == "train")
    run.write(
        replace(output, side_tables={"counts": counts}),
        metadata={
            "tokens a row": dg.MetadataValue.md(histogram("Tokens a row", tokens, "tokens")),
            "train rows by source": counts_by(train, "source"),
            "left out": counts_by(output.drops, "rule"),
        },
    )
