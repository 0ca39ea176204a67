"""What the models are worth on held-out records."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl

from fineline.assets.execution.definition import MODEL_TEAM, asset
from fineline.assets.execution.run import Run
from fineline.assets.execution.shown import frame_table, sample_table
from fineline.assets.execution.tables import TableRun
from fineline.data_contracts import catalog
from fineline.resources.core.presentation.plots import intervals
from fineline.resources.core.recipe.models import Evaluation, Promotion
from fineline.resources.core.storage.tables import TableOutput
from fineline.resources.models.evaluation.tasks import Evaluate
from fineline.resources.models.evaluation.version import VERSION


@asset(
    catalog.EVALUATION,
    version=VERSION,
    kinds={"pytorch", "polars"},
    owner=MODEL_TEAM,
    reads={"threads": "training.threads"},
    checks={
        "promoted_on_evidence": "A paired test on held-out records shows that the model is better than the base "
        "model and than a trivial baseline, and that no slice got worse by more than the recipe allows."
    },
)
def evaluation(run: TableRun, evaluation: Evaluation, promotion: Promotion, threads: int | None) -> None:
    """The loss of every model on held-out answers, record by record, and what greedy answers score.

    Guarantees: all models read the same test records, none of which was trained on; differences come with
    a bootstrap interval and a paired test.
    """
    from fineline.resources.models.evaluation.promotion import judge, loss_intervals

    models = [name for name in run.asset.upstream if catalog.entry(name).contract is None]
    losses, answers, scores = _measure(run, models, evaluation, threads)
    verdict = judge(losses, models[-1], models[0], promotion, evaluation)
    held_out = loss_intervals(losses, evaluation)
    run.check("promoted_on_evidence", verdict.promote, " ".join(verdict.reasons))
    facts = {
        "models": models,
        "held-out loss": held_out,
        "confidence": evaluation.confidence,
        "scores": scores,
        "reasons": verdict.reasons,
    }
    plot = intervals(f"Held-out loss, with its {evaluation.confidence:.0%} interval", held_out, "nats a token")
    run.write(
        TableOutput(losses, rows_in=losses.height, side_tables={"answers": answers}, facts=facts),
        metadata={
            **facts,
            "held-out loss": dg.MetadataValue.md(plot),
            "answers": sample_table(answers.sort("record_id", "model"), rows=9),
            "slices": frame_table(verdict.table),
        },
    )


def test_rows(run: Run, dataset: str) -> pl.LazyFrame:
    """The test rows of a dataset; of a preference set, the chosen answer is the completion."""
    rows = run.scan(dataset).filter(pl.col("split") == "test")
    return rows.rename({"chosen": "completion"}, strict=False)


def _measure(
    run: TableRun, models: list[str], evaluation: Evaluation, threads: int | None
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    """Losses and answers of all models on the test rows, and their mean scores by model."""
    datasets = [name for name in run.asset.upstream if name not in models]
    judged = catalog.judged_dataset(datasets)
    with run.storage.new_folder(run.name) as folder:
        rows, pairs = folder / "rows.parquet", None
        columns = ["record_id", "source", "label", "prompt", "completion"]
        test_rows(run, judged).select(columns).collect().write_parquet(rows)
        if catalog.PREFERENCE_DATASET.name in datasets:
            pairs = folder / "pairs.parquet"
            preference = run.scan(catalog.PREFERENCE_DATASET.name).filter(pl.col("split") == "test")
            preference.select("prompt", "chosen", "rejected").collect().write_parquet(pairs)
        task = Evaluate(
            output=str(folder),
            models={name: str(run.path(name)) for name in models},
            rows=str(rows),
            train=str(run.path(judged, "train")),
            preferences=None if pairs is None else str(pairs),
            loss_rows=evaluation.loss_rows,
            generated_rows=evaluation.generated_rows,
            new_tokens=evaluation.new_tokens,
            threads=threads,
        )
        result = run.work(task)
        scores = {name: score.model_dump() for name, score in result.scores.items()}
        return pl.read_parquet(result.losses), pl.read_parquet(result.answers), scores
