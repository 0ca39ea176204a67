"""The model card of a release, written from its lineage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from fineline.resources.core.recipe.base import Section


class SourceFacts(Section):
    """A source and how many of its records came how far."""

    name: str
    licence: str
    raw: int
    scrubbed: int
    curated: int
    trained: int


class StageFacts(Section):
    """A training stage: its settings, its losses, its cost."""

    name: str
    settings: dict[str, Any]
    rows: int
    first_loss: float
    last_loss: float
    validation_first: float | None = None
    validation_last: float | None = None
    seconds: float


class ScoreFacts(Section):
    """Held-out figures of one model; the loss with its confidence interval."""

    model: str
    loss: float
    low: float
    high: float
    rouge_l: float | None = None
    preference_accuracy: float | None = None


class CheckFacts(Section):
    """An asset check and what it found."""

    name: str
    passed: bool
    finding: str


class CardFacts(Section):
    """Everything that a model card says."""

    recipe: str
    base_model: str
    base_licence: str
    release: str
    sources: list[SourceFacts]
    splits: dict[str, int]
    stages: list[StageFacts]
    scores: list[ScoreFacts]
    confidence: float
    test_rows: int
    reasons: list[str]
    checks: list[CheckFacts]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; bars in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def figure(value: float | None, digits: int = 3) -> str:
    """A number for a cell; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def front_matter(facts: CardFacts) -> str:
    """The YAML block that the Hugging Face hub reads."""
    fields = {
        "license": "other"
        if facts.base_licence.lower() in {"unknown", "see model card"}
        else facts.base_licence.lower(),
        "base_model": facts.base_model,
        "language": ["en"],
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["fineline", *[stage.name for stage in facts.stages]],
    }
    return f"---\n{yaml.safe_dump(fields, sort_keys=False)}---"


def model_card(facts: CardFacts) -> str:
    """A model card in Markdown, with the front matter of the Hugging Face hub."""
    sources = [
        (s.name, s.licence, f"{s.raw:,}", f"{s.scrubbed:,}", f"{s.curated:,}", f"{s.trained:,}") for s in facts.sources
    ]
    stages = [
        (
            s.name,
            f"{s.rows:,}",
            ", ".join(f"{key} {value}" for key, value in s.settings.items()),
            f"{s.first_loss:.3f} → {s.last_loss:.3f}",
            f"{figure(s.validation_first)} → {figure(s.validation_last)}",
            f"{s.seconds:.0f} s",
        )
        for s in facts.stages
    ]
    scores = [
        (
            s.model,
            f"{s.loss:.3f} ({s.low:.3f} to {s.high:.3f})",
            figure(s.rouge_l),
            figure(s.preference_accuracy),
        )
        for s in facts.scores
    ]
    checks = [(check.name, "passed" if check.passed else "failed", check.finding) for check in facts.checks]
    splits = ", ".join(f"{name} {count:,}" for name, count in facts.splits.items())
    licences = ", ".join(sorted({s.licence for s in facts.sources}))
    parts = [
        front_matter(facts),
        f"# {facts.recipe} ({facts.release})",
        f"{facts.base_model} ({facts.base_licence}), fine-tuned by Fineline from the recipe `{facts.recipe}`. "
        "Everything below was written from the run that made it; `lineage.json` beside this file has the "
        "identifiers and `SHA256SUMS` the checksums.",
        "## Data",
        table(["source", "licence", "raw", "scrubbed", "curated", "trained on"], sources),
        f"Records in the splits: {splits}. No near-duplicate and no group crosses splits.",
        "## Training",
        table(["stage", "rows", "settings", "training loss", "validation loss", "time"], stages),
        "## Evaluation",
        f"Measured on {facts.test_rows:,} held-out records. The loss is the mean negative log-likelihood of the "
        f"reference answer in nats a token, with its {facts.confidence:.0%} bootstrap interval; lower is "
        "better. ROUGE-L compares greedy answers with the references. `unigram` knows only how common each "
        "token is.",
        table(["model", "held-out loss", "ROUGE-L", "preference accuracy"], scores),
        "\n".join(f"- {reason}" for reason in facts.reasons),
        "## Checks",
        table(["check", "outcome", "finding"], checks),
        "## Intended use and limits",
        "The model is meant for answers of the kind that its training data hold, and for nothing else. "
        "It was measured on records from the same sources as its training data, so the figures say nothing "
        "about other subjects, other languages or longer conversations.\n\n"
        "A lower held-out loss means that the reference answers became more likely. It does not mean that what "
        "the model says is true: it can state falsehoods fluently, and it was not tested for safety, bias or "
        "resistance to misuse. Have a person check what matters.\n\n"
        "Personal data were replaced before training by a recogniser that is measured but not perfect; some "
        f"may have passed. The licences of base model ({facts.base_licence}) and data ({licences}) both apply.",
    ]
    return "\n\n".join(parts) + "\n"
