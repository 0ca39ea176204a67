"""Log-likelihoods of completions under a model and under unigram frequencies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fineline.resources.models.base.encoding import Encoded
from fineline.resources.models.worker.protocol import Log

# In a batch, with padding.
TOKENS = 4096


def batches(rows: list[Encoded]) -> Iterator[list[int]]:
    """Positions of rows of similar length, the longest first; a batch has at most ``TOKENS``, or one row."""
    order = sorted(range(len(rows)), key=lambda place: (-len(rows[place].ids), place))
    start = 0
    while start < len(order):
        size = max(1, TOKENS // len(rows[order[start]].ids))
        yield order[start : start + size]
        start += size


def mean_losses(model: Any, rows: list[Encoded], *, pad: int, log: Log) -> list[float]:
    """Mean negative log-likelihood (nats a token) of each row's trained tokens, in the order of the rows.

    A first token without context has no likelihood and is left out.
    """
    losses: dict[int, float] = {}
    for places in batches(rows):
        chosen = [rows[place] for place in places]
        longest = max(len(row.ids) for row in chosen)
        ids = torch.full((len(chosen), longest), pad)
        labels = torch.full((len(chosen), longest), -100)
        mask = torch.zeros((len(chosen), longest), dtype=torch.long)
        for at, row in enumerate(chosen):
            length, start = len(row.ids), max(row.start, 1)
            ids[at, :length] = torch.tensor(row.ids)
            mask[at, :length] = 1
            labels[at, start:length] = ids[at, start:length]
        # Logits are needed only from the position before the first trained token of any row
        kept = longest - min(max(row.start, 1) for row in chosen) + 1
        with torch.inference_mode():
            logits = model(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                use_cache=False,
                logits_to_keep=kept,
            ).logits
        targets = labels[:, -kept + 1 :].to(model.device)
        for at, place in enumerate(places):
            scored = targets[at] != -100
            row_logits = logits[at, :-1][scored].float()
            losses[place] = torch.nn.functional.cross_entropy(row_logits, targets[at][scored]).item()
        log(f"measured {len(losses)} of {len(rows)} rows")
    return [losses[place] for place in range(len(rows))]


def unigram_losses(train: list[Encoded], rows: list[Encoded], vocabulary: int) -> list[float]:
    """The same losses under the frequencies of the trained tokens of ``train``, with add-one smoothing.

    This trivial baseline knows which tokens are common in the answers, and nothing else.
    """
    counts: NDArray[np.float64] = np.ones(vocabulary)
    for row in train:
        np.add.at(counts, row.trained, 1)
    nll = -np.log(counts / counts.sum())
    return [float(nll[row.ids[max(row.start, 1) :]].mean()) for row in rows]
