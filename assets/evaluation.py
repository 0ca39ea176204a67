"""What the trained model can do against the model it came from, and the release of one that is better."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from fineline.assets.execution.definition import checks, contract
from fineline.assets.execution.inputs import Stage, made_when_changed
from fineline.assets.execution.models import ModelStage
from fineline.assets.execution.tables import TableStage
from fineline.assets.execution.workers import run_worker
from fineline.assets.models import ML_OWNERS, final_model, model_before
from fineline.assets.splits import record_ledger
from fineline.data_contracts.models import HeldOutLoss
from fineline.resources.core.presentation.plots import intervals
from fineline.resources.core.presentation.tables import frame_table, sample_table
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.tables import TableOutput
from fineline.resources.models import exposure as seen
from fineline.resources.models.evaluation.tasks import Evaluate
from fineline.resources.models.release.card import CheckFacts
from fineline.resources.models.release.tasks import MergeCheck, MergeChecked
from fineline.resources.project import Project

# The parts of the recipe that decide on promotion; the tolerance of the merge is the release's.
GATE = ["promotion.maximum_p_value", "promotion.minimum_improvement", "promotion.maximum_slice_regression"]


def evaluation_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """Evaluation and release, where the recipe trains a model."""
    return [_evaluation(recipe), _release(recipe)] if recipe.training.stages else []


def _evaluation(recipe: Recipe) -> dg.AssetsDefinition:
    judged = _judged(recipe)
    datasets = {judged, *(["preference_dataset"] if recipe.datasets.preference else [])}
    models = ["base_model", *(stage.model for stage in recipe.training.stages)]
    candidate = final_model(recipe)

    @dg.asset(
        group_name="evaluation",
        kinds={"pytorch", "polars"},
        owners=ML_OWNERS,
        code_version="1",
        deps=[*models, *sorted(datasets)],
        metadata=contract(HeldOutLoss, "evaluation", *GATE, "training.threads"),
        check_specs=checks(
            "evaluation",
            promoted_on_evidence="A paired test on held-out records shows that the model is better than the base "
            "model and than a trivial baseline, and that no slice got worse by more than the recipe allows.",
        ),
    )
    @made_when_changed
    def evaluation(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
        """The loss of every model on held-out answers, record by record, and what greedy answers score.

        Guarantees: all models read the same test records, none of which was trained on; differences come with
        a bootstrap interval and a paired test.
        """
        from fineline.resources.models.evaluation.held_out import loss_intervals
        from fineline.resources.models.evaluation.promotion import decide

        stage = TableStage(context, project, HeldOutLoss)
        section = stage.recipe.evaluation
        losses, answers, scores = _measure(stage, models, judged)
        decision = decide(losses, candidate, "base_model", stage.recipe.promotion, section)
        held_out = loss_intervals(losses, section)
        facts = {"held-out loss": held_out, "scores": scores, "reasons": decision.reasons}
        stage.write(
            TableOutput(losses, rows_in=losses.height, side_tables={"answers": answers}, facts=facts),
            failed_checks=[] if decision.promote else ["promoted_on_evidence"],
            metadata={
                **facts,
                "held-out loss": dg.MetadataValue.md(_loss_plot(held_out, section.confidence)),
                "answers": dg.MetadataValue.md(sample_table(answers.sort("record_id", "model"), rows=9)),
                "slices": dg.MetadataValue.md(frame_table(decision.table)),
            },
        )
        yield from stage.results(
            dg.AssetCheckResult(
                check_name="promoted_on_evidence", passed=decision.promote, description=" ".join(decision.reasons)
            )
        )

    return evaluation


def _judged(recipe: Recipe) -> str:
    """The data set whose test rows judge the models."""
    return "sft_dataset" if recipe.datasets.sft else "preference_dataset"


def _test_rows(stage: Stage, dataset: str) -> pl.LazyFrame:
    """The test rows of a data set; of a preference set, the chosen answer is the completion."""
    rows = stage.scan(dataset).filter(pl.col("split") == "test")
    return rows.rename({"chosen": "completion"}, strict=False)


def _measure(stage: TableStage, models: list[str], judged: str) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    """Losses and answers of all models on the test rows, and their mean scores by model."""
    section, recipe = stage.recipe.evaluation, stage.recipe
    maximum_tokens = max(s.maximum_tokens for s in (recipe.datasets.sft, recipe.datasets.preference) if s)
    test = _test_rows(stage, judged)
    with stage.storage.new_folder(stage.asset) as folder:
        test.select("record_id", "source", "label", "prompt", "completion").collect().write_parquet(
            folder / "rows.parquet"
        )
        pairs = None
        if recipe.datasets.preference is not None:
            pairs = str(folder / "pairs.parquet")
            preference = stage.scan("preference_dataset").filter(pl.col("split") == "test")
            preference.select("record_id", "prompt", "chosen", "rejected").collect().write_parquet(pairs)
        result = run_worker(
            stage.context,
            Evaluate(
                output=str(folder),
                models={name: str(stage.model_folder(name)) for name in models},
                rows=str(folder / "rows.parquet"),
                train=str(stage.export(judged, "train")),
                preferences=pairs,
                loss_rows=section.loss_rows,
                generated_rows=section.generated_rows,
                new_tokens=section.new_tokens,
                maximum_tokens=maximum_tokens,
                threads=recipe.training.threads,
            ),
        )
        scores = {name: score.model_dump() for name, score in result.scores.items()}
        return pl.read_parquet(result.losses), pl.read_parquet(result.answers), scores


def _loss_plot(held_out: dict[str, tuple[float, float, float]], confidence: float) -> str:
    return intervals(f"Held-out loss, with its {confidence:.0%} interval", held_out, "nats a token")


def _release(recipe: Recipe) -> dg.AssetsDefinition:
    candidate = final_model(recipe)
    before = model_before(recipe, recipe.training.stages[-1])
    judged = _judged(recipe)

    @dg.asset(
        group_name="evaluation",
        kinds={"huggingface", "safetensors"},
        owners=ML_OWNERS,
        code_version="2",
        deps=[*sorted({candidate, before, judged, "evaluation"}), record_ledger],
        metadata={"recipe parts": ["promotion.merge_tolerance"]},
        check_specs=[
            dg.AssetCheckSpec(
                "served_equals_tested",
                asset="release",
                blocking=True,
                description="Adapter and merged weights give held-out rows the same loss within "
                "promotion.merge_tolerance, and every file has the checksum that SHA256SUMS says.",
            )
        ],
    )
    @made_when_changed
    def release(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
        """A model that passed the promotion gate: merged weights, adapter, checksums, lineage and model card.

        Guarantees: it is made only after the evaluation's and the ledger's checks passed; the merged weights
        are those that were tested.
        """
        stage = ModelStage(context, project)
        with stage.storage.new_folder(stage.asset) as folder:
            compared = _compare(stage, folder, candidate, before, judged)
            difference, tolerance = compared.mean_difference, stage.recipe.promotion.merge_tolerance
            agrees = CheckFacts(
                name="served_equals_tested",
                passed=difference <= tolerance,
                finding=f"held-out losses of adapter and merged weights differ by {difference:.4f} nats; "
                f"{tolerance} may be, and the adapter itself changes it by {compared.adapter_effect:.4f}",
            )
            files = _assemble(stage, folder / "release", candidate, agrees)
            yield stage.store(
                folder,
                {"release": "release"},
                compared,
                seen=partial(seen.read, stage.storage, candidate),
                check=dg.AssetCheckResult(
                    check_name=agrees.name,
                    passed=agrees.passed,
                    description=f"{agrees.finding}; {files} files have the checksums that SHA256SUMS says",
                ),
            )

    return release


def _compare(stage: ModelStage, folder: Path, candidate: str, before: str, judged: str) -> MergeChecked:
    _test_rows(stage, judged).select("record_id", "prompt", "completion").collect().write_parquet(
        folder / "rows.parquet"
    )
    task = MergeCheck(
        output=str(folder),
        model=str(stage.model_folder(before)),
        adapter=str(stage.model_folder(candidate, "adapter")),
        merged=str(stage.model_folder(candidate)),
        rows=str(folder / "rows.parquet"),
        threads=stage.recipe.training.threads,
    )
    return run_worker(stage.context, task)


def _assemble(stage: ModelStage, output: Path, candidate: str, agrees: CheckFacts) -> int:
    """Write the release; returns how many of its files were read back and have the right checksum."""
    from fineline.resources.models.release.card import model_card
    from fineline.resources.models.release.card_facts import card_facts, lineage
    from fineline.resources.models.release.package import assemble, verify

    accounted = CheckFacts(name="sums_close", passed=True, finding="every raw record stands in the ledger once")
    facts = card_facts(stage.storage, stage.recipe, [accounted, agrees])
    known = lineage(stage.storage, stage.project.recipe_text)
    model, adapter = stage.model_folder(candidate), stage.model_folder(candidate, "adapter")
    assemble(model, adapter, model_card(facts), known, output)
    return verify(output)
