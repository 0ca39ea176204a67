"""The tasks on a base model: preparing it, counting tokens by its tokenizer, generating answers. Imports no torch."""

from __future__ import annotations

from typing import ClassVar, Literal

from fineline.resources.core.recipe.models import BaseModelSource
from fineline.resources.models.worker.protocol import AbsolutePath, Result, Task

Dtype = Literal["bfloat16", "float32"]


class PreparedBase(Result):
    """The base model as it will be trained. ``folder`` is what the other tasks take as ``model``."""

    folder: str
    name: str
    parameters: int
    vocabulary: int
    context_length: int
    chat_template_sha256: str
    eos_token: str
    licence: str
    weights_sha256: str


class PrepareBase(Task[PreparedBase]):
    """Bring a base model into one form: a folder of safetensors, config and tokenizer."""

    runs: ClassVar[str] = "fineline.resources.models.base.prepare:run"

    source: BaseModelSource
    dtype: Dtype = "bfloat16"

    @property
    def needs_network(self) -> bool:
        """Whether the model is on the hub."""
        return self.source.kind == "hub"


class TokenCounts(Result):
    """``counts`` is a Parquet file with one row for each row counted, in the same order.

    Its columns are record_id, tokens, trained_tokens, stop_token_trained and truncated.
    """

    counts: str
    rows: int


class CountTokens(Task[TokenCounts]):
    """Account for the tokens of training rows, as the trainer will see them.

    ``rows`` is a Parquet file with ``record_id`` and ``text``, or ``prompt`` and ``completion`` messages, or
    those with ``rejected`` messages.
    """

    runs: ClassVar[str] = "fineline.resources.models.base.token_counts:run"
    parallel_tokenizer: ClassVar[bool] = True

    model: AbsolutePath
    rows: AbsolutePath
    maximum_tokens: int


class Generated(Result):
    """``answers`` is a Parquet file in the order of the prompts: record_id, answer, finished (the model stopped by
    itself)."""

    answers: str


class Generate(Task[Generated]):
    """Answer prompts. ``prompts`` is a Parquet file with record_id and prompt (messages); without a
    temperature the answers are greedy."""

    runs: ClassVar[str] = "fineline.resources.models.base.generation:run"

    model: AbsolutePath
    prompts: AbsolutePath
    temperature: float | None = None
    new_tokens: int
    seed: int = 0
    batch_size: int = 16
