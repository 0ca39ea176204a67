"""The training sets that a recipe asks for, with every token accounted for."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import dagster as dg
import dataframely as dy
import polars as pl

from fineline.assets.execution.definition import OWNERS, checks, contract
from fineline.assets.execution.inputs import made_when_changed
from fineline.assets.execution.tables import TableStage
from fineline.assets.execution.workers import run_worker
from fineline.assets.quality import curated_corpus
from fineline.assets.splits import splits
from fineline.data_contracts.datasets import PreferenceRow, PretrainingRow, SftRow
from fineline.resources.core.presentation.plots import histogram
from fineline.resources.core.presentation.tables import counts_by
from fineline.resources.core.recipe.datasets import Preference, Pretraining, SampledRejections, Sft
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.tables import TableOutput
from fineline.resources.data.datasets import rows as sets
from fineline.resources.data.datasets.balance import balanced
from fineline.resources.data.datasets.token_counts import joined, split_known, with_content
from fineline.resources.models.base.tasks import CountTokens, Generate
from fineline.resources.project import Project

Section = TypeVar("Section", Sft, Preference, Pretraining)
TOKENS_TEACH = "Every row has trained tokens, the token that ends an answer is among them, and no answer is cut off."


def dataset_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """The data sets that the recipe names."""
    named = {sft_dataset: "sft", preference_dataset: "preference", pretraining_dataset: "pretraining"}
    return [asset for asset, section in named.items() if getattr(recipe.datasets, section) is not None]


def _dataset(name: str, schema: type[dy.Schema], part: str) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """The definition that the data sets share. They follow base_model: its tokenizer counts their tokens."""
    return dg.asset(
        name=name,
        group_name="datasets",
        kinds={"polars", "jsonl"},
        owners=OWNERS,
        code_version="1",
        deps=[curated_corpus, splits, "base_model"],
        metadata=contract(schema, part, "balance", "training.threads"),
        check_specs=checks(name, tokens_teach=TOKENS_TEACH),
    )


def _asked_for(section: Section | None) -> Section:
    """The section of the recipe that put the asset into the graph."""
    if section is None:
        raise ValueError("the recipe no longer asks for this data set; reload the definitions")
    return section


@_dataset("sft_dataset", SftRow, "datasets.sft")
@made_when_changed
def sft_dataset(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
    """Conversations for supervised fine-tuning, also as train, validation and test JSONL in TRL's form.

    Guarantees: tokens are counted with the base model's own chat template; rows that do not fit are left out
    with a reason, never cut.
    """
    stage = TableStage(context, project, SftRow)
    section = _asked_for(stage.recipe.datasets.sft)
    rows = _candidates(stage, "chat", section.sources)
    counts = _count(stage, rows, section.maximum_tokens)
    yield from _publish(stage, sets.sft_rows(rows, counts, section, stage.recipe.balance), counts)


@_dataset("preference_dataset", PreferenceRow, "datasets.preference")
@made_when_changed
def preference_dataset(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
    """Prompts with a chosen and a rejected answer, also as train, validation and test JSONL in TRL's form.

    Guarantees: pairs of a source keep their order of preference; a sampled pair has the record's own answer as
    chosen and the base model's as rejected; the splits are those of every other set.
    """
    stage = TableStage(context, project, PreferenceRow)
    section = _asked_for(stage.recipe.datasets.preference)
    rows, unusable = _candidates(stage, "preference"), None
    if section.sample_rejections is not None:
        pairs, unusable = _sampled_pairs(stage, section.sample_rejections)
        rows = pl.concat([rows, pairs.select(rows.columns)])
    counts = _count(stage, rows, section.maximum_tokens)
    made = sets.preference_rows(rows, counts, section, stage.recipe.balance)
    yield from _publish(stage, made if unusable is None else sets.with_unusable_answers(made, unusable), counts)


@_dataset("pretraining_dataset", PretrainingRow, "datasets.pretraining")
@made_when_changed
def pretraining_dataset(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
    """Plain texts for continued pretraining, also as train, validation and test JSONL in TRL's form.

    Guarantees: the splits are those of every other set; texts that do not fit are left out with a reason.
    """
    stage = TableStage(context, project, PretrainingRow)
    section = _asked_for(stage.recipe.datasets.pretraining)
    rows = sets.texts(_candidates(stage, "text"))
    counts = _count(stage, rows, section.maximum_tokens)
    yield from _publish(stage, sets.pretraining_rows(rows, counts, section, stage.recipe.balance), counts)


def _candidates(stage: TableStage, kind: str, sources: list[str] | None = None) -> pl.DataFrame:
    return sets.candidates(stage.read("curated_corpus"), stage.read("splits"), kind, sources)


def _count(stage: TableStage, rows: pl.DataFrame, maximum_tokens: int) -> pl.DataFrame:
    """The tokens of each row; only of those that were not counted before, as they are, by the same tokenizer."""
    columns = [name for name in ("record_id", "text", "prompt", "completion", "rejected") if name in rows.columns]
    if "text" in columns:
        columns = ["record_id", "text"]
    elif rows["rejected"].null_count() == rows.height:
        columns.remove("rejected")
    held, new = split_known(with_content(rows.select(columns)), _counted_before(stage))
    if new.is_empty():
        return held
    with stage.storage.new_folder(stage.asset) as folder:
        new.select(columns).write_parquet(folder / "rows.parquet")
        result = run_worker(
            stage.context,
            CountTokens(
                output=str(folder),
                model=str(stage.model_folder("base_model")),
                rows=str(folder / "rows.parquet"),
                maximum_tokens=maximum_tokens,
                threads=stage.recipe.training.threads,
            ),
        )
        return joined(held, new, pl.read_parquet(result.counts))


def _counted_before(stage: TableStage) -> pl.DataFrame | None:
    """The token counts of last time, where the recipe's part and the tokenizer were the same."""
    manifest, origin = stage.storage.manifest(stage.asset), stage.origin()
    if manifest is None or manifest.code_version != origin.code_version:
        return None
    same_tokenizer = manifest.inputs.get("base_model") == origin.inputs["base_model"]
    return stage.before("counts") if same_tokenizer else None


def _sampled_pairs(stage: TableStage, section: SampledRejections) -> tuple[pl.DataFrame, pl.DataFrame]:
    wanted, _ = balanced(_candidates(stage, "chat"), stage.recipe.balance)
    prompts = sets.sample(wanted, section)
    with stage.storage.new_folder(stage.asset) as folder:
        prompts.select("record_id", "prompt").write_parquet(folder / "prompts.parquet")
        result = run_worker(
            stage.context,
            Generate(
                output=str(folder),
                model=str(stage.model_folder("base_model")),
                prompts=str(folder / "prompts.parquet"),
                temperature=section.temperature,
                new_tokens=section.new_tokens,
                seed=section.seed,
                threads=stage.recipe.training.threads,
            ),
        )
        return sets.with_rejected(prompts, pl.read_parquet(result.answers))


def _publish(stage: TableStage, made: TableOutput, counts: pl.DataFrame) -> Iterator[Any]:
    faults = {name: made.facts[name] for name in ("rows without a trained stop token", "truncated rows")}
    passed = not any(faults.values())
    tokens = made.frame["tokens"].to_list()
    stage.write(
        replace(made, side_tables={"counts": counts}),
        failed_checks=[] if passed else ["tokens_teach"],
        metadata={
            "tokens a row": dg.MetadataValue.md(histogram("Tokens a row", tokens, "tokens")),
            "train rows by source": counts_by(made.frame.filter(pl.col("split") == "train"), "source"),
            "left out": counts_by(made.drops, "rule"),
        },
    )
    yield from stage.results(dg.AssetCheckResult(check_name="tokens_teach", passed=passed, metadata=dict(made.facts)))
