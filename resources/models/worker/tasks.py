"""What a worker is asked to do and what it answers: one spec and one result a task, as JSON. Light."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from fineline.resources.core.recipe.base import Section
from fineline.resources.core.recipe.models import (
    BaseModelSource,
    DpoStage,
    PretrainingStage,
    SftStage,
)

Dtype = Literal["bfloat16", "float32"]
AbsolutePath = Annotated[
    str,
    Field(
        pattern=r"^(/|[A-Za-z]:\\)",
        description="A file or folder; a worker has no recipe folder to start from.",
    ),
]


class Spec(Section):
    """What every task has: the folder that it writes into, and how many CPU threads it may use."""

    output: AbsolutePath
    threads: int | None = None


class Result(Section):
    """What every task answers; ``seconds`` is the task's time without the worker's start."""

    seconds: float = 0.0


class PrepareBase(Spec):
    """Bring a base model into one form: a folder of safetensors, config and tokenizer."""

    task: Literal["prepare_base"] = "prepare_base"
    source: BaseModelSource
    dtype: Dtype = "bfloat16"


class PreparedBase(Result):
    """The base model as it will be trained. ``folder`` is what the other tasks take as ``model``."""

    folder: str
    parameters: int
    vocabulary: int
    context_length: int
    chat_template_sha256: str
    eos_token: str
    licence: str
    weights_sha256: str


class CountTokens(Spec):
    """Account for the tokens of training rows, as the trainer will see them.

    ``rows`` is a Parquet file with ``record_id`` and ``text``, or ``prompt`` and ``completion`` messages, or
    those with ``rejected`` messages.
    """

    task: Literal["count_tokens"] = "count_tokens"
    model: AbsolutePath
    rows: AbsolutePath
    maximum_tokens: int


class TokenCounts(Result):
    """``counts`` is a Parquet file in the order of the rows, one row each: record_id, tokens,
    trained_tokens, stop_token_trained, truncated."""

    counts: str
    rows: int
    tokens: int
    trained_tokens: int
    chat_template_sha256: str


class Train(Spec):
    """What the three training tasks share.

    ``model`` holds full weights; ``train`` and ``validation`` are JSONL in TRL's form; ``checkpoints`` is kept
    when a run is cut off, so that the next run goes on from there. ``adapter_base`` names, in the adapter's
    config, the weights that it sits on.
    """

    model: AbsolutePath
    train: AbsolutePath
    validation: AbsolutePath | None = None
    checkpoints: AbsolutePath
    adapter_base: str
    dtype: Dtype = "bfloat16"


class TrainPretraining(Train):
    """Continued pretraining on packed text: rows {text}."""

    task: Literal["train_pretraining"] = "train_pretraining"
    stage: PretrainingStage


class TrainSft(Train):
    """Supervised fine-tuning, loss on the completion only: rows {prompt, completion}."""

    task: Literal["train_sft"] = "train_sft"
    stage: SftStage


class TrainDpo(Train):
    """Direct preference optimisation: rows {prompt, chosen, rejected}."""

    task: Literal["train_dpo"] = "train_dpo"
    stage: DpoStage


class ValidationLoss(Section):
    """The loss on at most 32 validation rows after ``step`` optimizer steps."""

    step: int
    loss: float


class Trained(Result):
    """What a training stage made. Tokens, seconds and speed are of this process: after a resumed run, of the
    steps since ``resumed_from``. Losses are of the whole run."""

    adapter: str
    merged: str
    curve: str
    steps: int
    resumed_from: int
    rows: int
    tokens: int
    tokens_per_second: float
    train_seconds: float
    first_loss: float
    last_loss: float
    validation: list[ValidationLoss]
    peak_memory_mb: float
    weights_sha256: str


class Generate(Spec):
    """Answer prompts. ``prompts`` is a Parquet file with record_id and prompt (messages); without a
    temperature the answers are greedy."""

    task: Literal["generate"] = "generate"
    model: AbsolutePath
    prompts: AbsolutePath
    temperature: float | None = None
    new_tokens: int
    seed: int = 0
    batch_size: int = 16


class Generated(Result):
    """``answers`` is a Parquet file in the order of the prompts: record_id, answer, finished (the model
    stopped by itself)."""

    answers: str
    rows: int
    finished: int
    tokens: int


class Evaluate(Spec):
    """Measure models on held-out rows.

    ``rows`` is a Parquet file with record_id, source, label, prompt and completion; ``train`` is the JSONL
    whose completions (or chosen answers) give the unigram baseline its frequencies; ``preferences`` is a
    Parquet file with record_id, prompt, chosen and rejected. ``batch_tokens`` bounds rows times longest row.
    """

    task: Literal["evaluate"] = "evaluate"
    models: dict[str, AbsolutePath]
    rows: AbsolutePath
    train: AbsolutePath
    preferences: AbsolutePath | None = None
    loss_rows: int
    generated_rows: int
    new_tokens: int
    maximum_tokens: int
    batch_tokens: int = 4096


class ModelScores(Section):
    """Means of one model over the rows. ``None`` where it was not measured."""

    loss: float
    rouge_l: float | None = None
    preference_accuracy: float | None = None


class Evaluated(Result):
    """``losses`` holds HeldOutLoss rows, ``answers`` GeneratedAnswer rows, ``preferences`` record_id, model,
    chosen and rejected (mean log-probability a token), all as Parquet."""

    losses: str
    answers: str
    preferences: str | None
    rows: int
    left_out_rows: int
    scores: dict[str, ModelScores]


class MergeCheck(Spec):
    """Compare ``model`` plus ``adapter`` with the ``merged`` weights on ``rows`` (prompt and completion)."""

    task: Literal["merge_check"] = "merge_check"
    model: AbsolutePath
    adapter: AbsolutePath
    merged: AbsolutePath
    rows: AbsolutePath
    count: int = 16
    maximum_tokens: int = 512


class MergeChecked(Result):
    """How far the merged weights are from the model with its adapter, in nats.

    ``mean_difference`` is the mean over rows of the absolute difference of a row's loss (nats a token);
    ``adapter_effect`` is the same between the model without and with its adapter: a good merge differs by far
    less than the adapter changes. The others are over single tokens: absolute differences of their
    log-probabilities, the mean Kullback-Leibler divergence, and the share with the same most likely token.
    """

    rows: int
    positions: int
    mean_difference: float
    adapter_effect: float
    mean_token_difference: float
    maximum_token_difference: float
    divergence: float
    agreement: float


AnySpec = Annotated[
    PrepareBase | CountTokens | TrainPretraining | TrainSft | TrainDpo | Generate | Evaluate | MergeCheck,
    Field(discriminator="task"),
]
SPEC: TypeAdapter[AnySpec] = TypeAdapter(AnySpec)
RESULTS: dict[str, type[Result]] = {
    "prepare_base": PreparedBase,
    "count_tokens": TokenCounts,
    "train_pretraining": Trained,
    "train_sft": Trained,
    "train_dpo": Trained,
    "generate": Generated,
    "evaluate": Evaluated,
    "merge_check": MergeChecked,
}
