"""The rows that TRL reads, and what evaluation measured on them."""

import dataframely as dy
import polars as pl

from fineline.data_contracts.records import RECORD_ID_PATTERN, content_length, messages

SPLITS = ["train", "validation", "test"]


class SplitRow(dy.Schema):
    """What every training row carries: the record it is and the split it is in."""

    record_id = dy.String(nullable=False, primary_key=True, regex=RECORD_ID_PATTERN)
    source = dy.String(nullable=False)
    label = dy.String(nullable=True)
    split = dy.Enum(SPLITS, nullable=False)


class SftRow(SplitRow):
    """A conversation with its token account under the base model's chat template."""

    prompt = messages()
    completion = messages()
    tokens = dy.UInt32(nullable=False)
    trained_tokens = dy.UInt32(nullable=False, min=1)


class PreferenceRow(SplitRow):
    """A prompt with a chosen and a rejected answer."""

    prompt = messages()
    chosen = messages()
    rejected = messages()
    tokens = dy.UInt32(nullable=False)

    @dy.rule()
    def both_answers_have_text(cls) -> pl.Expr:
        """A pair without two answers prefers nothing."""
        return (content_length("chosen") > 0) & (content_length("rejected") > 0)

    @dy.rule()
    def chosen_differs_from_rejected(cls) -> pl.Expr:
        """Two equal answers prefer nothing."""
        return pl.col("chosen") != pl.col("rejected")


class PretrainingRow(SplitRow):
    """A plain text for continued pretraining."""

    text = dy.String(nullable=False, min_length=1)
    tokens = dy.UInt32(nullable=False, min=1)


class HeldOutLoss(dy.Schema):
    """Mean negative log-likelihood (nats a token) of a held-out answer under one model."""

    record_id = dy.String(nullable=False, primary_key=True)
    model = dy.String(nullable=False, primary_key=True)
    source = dy.String(nullable=False)
    label = dy.String(nullable=True)
    tokens = dy.UInt32(nullable=False, min=1)
    loss = dy.Float64(nullable=False, min=0.0)


class GeneratedAnswer(dy.Schema):
    """A greedy answer of one model to a held-out prompt, with its ROUGE-L F1 against the reference."""

    record_id = dy.String(nullable=False, primary_key=True)
    model = dy.String(nullable=False, primary_key=True)
    question = dy.String(nullable=False)
    reference = dy.String(nullable=False)
    answer = dy.String(nullable=False)
    rouge_l = dy.Float64(nullable=False, min=0.0, max=1.0)
