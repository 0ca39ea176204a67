"""Contracts of what a model has seen and of what evaluation measured."""

import dataframely as dy
import polars as pl

from fineline.data_contracts.records import RECORD_ID_PATTERN, SPLITS


class ExposedRecord(dy.Schema):
    """A record that a model was trained on or validated with, and the dataset that it was in.

    A ``forgotten`` record keeps only a keyed hash as its record_id, and the ``request`` that forgot it.
    """

    record_id = dy.String(nullable=False, primary_key=True, regex=RECORD_ID_PATTERN)
    dataset = dy.String(nullable=False, primary_key=True, min_length=1)
    split = dy.Enum(SPLITS[:2], nullable=False)
    forgotten = dy.Bool(nullable=False)
    request = dy.String(nullable=True)

    @dy.rule()
    def a_forgotten_record_names_its_request(cls) -> pl.Expr:
        """And no other does."""
        return pl.col("forgotten") == pl.col("request").is_not_null()


class HeldOutLoss(dy.Schema):
    """Mean negative log-likelihood (nats a token) of a held-out answer under one model."""

    record_id = dy.String(nullable=False, primary_key=True)
    model = dy.String(nullable=False, primary_key=True)
    source = dy.String(nullable=False)
    label = dy.String(nullable=True)
    answer_tokens = dy.UInt32(nullable=False, min=1)
    loss = dy.Float64(nullable=False, min=0.0)


class GeneratedAnswer(dy.Schema):
    """A greedy answer of one model to a held-out prompt, with its ROUGE-L F1 against the reference."""

    record_id = dy.String(nullable=False, primary_key=True)
    model = dy.String(nullable=False, primary_key=True)
    question = dy.String(nullable=False)
    reference = dy.String(nullable=False)
    answer = dy.String(nullable=False)
    rouge_l = dy.Float64(nullable=False, min=0.0, max=1.0)
