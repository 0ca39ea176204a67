"""The model card of a release: Markdown with the front matter that the Hugging Face hub reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from fineline.resources.core.presentation.inert import as_markdown
from fineline.resources.models.release.card_facts import CardFacts

TEMPLATE = Path(__file__).with_name("card.md.j2")
# What a recipe gives as licence where it does not know one; the hub's word for it is "other".
NO_LICENCE = {"unknown", "see model card"}


def model_card(facts: CardFacts) -> str:
    """The card, filled in from its template."""
    licence = facts.base_licence.lower()
    data = ModelCardData(
        license="other" if licence in NO_LICENCE else licence,
        base_model=facts.base_model,
        language=["en"],
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["fineline", *[trained["stage"]["name"] for trained in facts.stages]],
        model_name=facts.recipe,
        eval_results=_results(facts),
    )
    licences = ", ".join(sorted({source.licence for source in facts.sources}))
    filled: dict[str, Any] = {"facts": facts, "licences": licences, "text": lambda value: as_markdown(str(value))}
    return str(ModelCard.from_template(data, template_path=str(TEMPLATE), **filled))


def _results(facts: CardFacts) -> list[EvalResult]:
    """The held-out figures of the released model, as the hub shows them."""
    scores = facts.scores[facts.model]
    figures = (
        ("loss", "held-out loss, nats a token", facts.losses[facts.model][0]),
        ("rouge", "ROUGE-L of greedy answers", scores["rouge_l"]),
        ("accuracy", "preference accuracy", scores["preference_accuracy"]),
    )
    return [
        EvalResult(
            task_type="text-generation",
            dataset_type="held-out",
            dataset_name=f"held-out records of {facts.recipe}",
            dataset_split="test",
            metric_type=metric,
            metric_name=name,
            metric_value=value,
        )
        for metric, name, value in figures
        if value is not None
    ]
