"""What the trained model can do against the model it came from, and the release of one that is better."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg

from fineline.assets.common import ModelStage, TableStage, checks, contract
from fineline.assets.models import ML_OWNERS, STAGES, final_model, model_before, stages
from fineline.assets.splits import record_ledger
from fineline.assets.workers import run_worker
from fineline.data_contracts.training_sets import HeldOutLoss
from fineline.resources.models.spec import Evaluate, MergeCheck
from fineline.resources.plots import intervals
from fineline.resources.project import Project
from fineline.resources.recipe import Recipe
from fineline.resources.samples import markdown_table, sample_table
from fineline.resources.tables import Made


def evaluation_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """Evaluation and release, where the recipe trains a model."""
    return [_evaluation(recipe), _release(recipe)] if stages(recipe) else []


def _evaluation(recipe: Recipe) -> dg.AssetsDefinition:
    judged = "sft_dataset" if recipe.datasets.sft else "preference_dataset"
    datasets = {judged, *(["preference_dataset"] if recipe.datasets.preference else [])}
    models = ["base_model", *(STAGES[stage][0] for stage in stages(recipe))]
    candidate = final_model(recipe)

    @dg.asset(
        group_name="evaluation",
        kinds={"pytorch", "polars"},
        owners=ML_OWNERS,
        code_version="1",
        deps=[*models, *sorted(datasets)],
        metadata=contract(HeldOutLoss, "evaluation", "promotion", "training.threads"),
        check_specs=checks(
            "evaluation",
            promoted_on_evidence="A paired test on held-out records shows that the model is better than the base "
            "model and than a trivial baseline, and that no slice got worse by more than the recipe allows.",
        ),
    )
    def evaluation(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
        """The loss of every model on held-out answers, record by record, and what greedy answers score.

        Guarantees: all models read the same test records, none of which was trained on; differences come with
        a bootstrap interval and a paired test.
        """
        from fineline.resources.models.promotion import decide
        from fineline.resources.models.scores import summarize

        stage = TableStage(context, project, HeldOutLoss)
        losses, answers, measured = _measure(stage, models, judged)
        decision = decide(losses, candidate, "base_model", stage.recipe.promotion, stage.recipe.evaluation)
        summary = summarize(losses, stage.recipe.evaluation)
        stage.write(
            Made(losses, rows_in=losses.height, beside={"answers": answers}, facts={**measured, **summary.facts}),
            failed_checks=[] if decision.promote else ["promoted_on_evidence"],
            metadata={
                "held-out loss": dg.MetadataValue.md(intervals("Held-out loss, with 95 % interval", summary.intervals, "nats a token")),
                "answers": dg.MetadataValue.md(sample_table(answers.sort("record_id", "model"), rows=9)),
                "slices": dg.MetadataValue.md(markdown_table(decision.table.columns, [list(row) for row in decision.table.rows()])),
            },
        )
        yield from stage.results(
            dg.AssetCheckResult(
                check_name="promoted_on_evidence", passed=decision.promote, description=" ".join(decision.reasons)
            )
        )

    return evaluation
