"""Task merge_check: the merged weights against the adapter that was trained, on held-out rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import torch
from peft import PeftModel

from fineline.resources.models.encode import Encoded, encode_pairs, load_tokenizer
from fineline.resources.models.errors import ModelError
from fineline.resources.models.generate import load_model
from fineline.resources.models.spec import MergeCheck, MergeChecked


def log_probabilities(model: Any, row: Encoded) -> torch.Tensor:
    """Next-token log-probabilities before each trained token, trained tokens × vocabulary, float32."""
    start = max(row.start, 1)
    kept = len(row.ids) - start + 1
    ids = torch.tensor([row.ids], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=kept).logits[0, :-1]
    return torch.log_softmax(logits.float(), dim=-1)


def run(spec: MergeCheck, log: Callable[[str], None]) -> MergeChecked:
    """Compare both models row by row.

    Raises:
        ModelError: there are no rows to compare on.
    """
    tokenizer = load_tokenizer(Path(spec.merged))
    rows = pl.read_parquet(spec.rows).sort("record_id").head(spec.count)
    encoded = encode_pairs(tokenizer, rows["prompt"].to_list(), rows["completion"].to_list())
    encoded = [row for row in encoded if len(row.ids) <= spec.maximum_tokens]
    if not encoded:
        raise ModelError(
            "There are no held-out rows to compare adapter and merged weights on.",
            "Raise split.test, or the data set's test_rows.",
        )
    adapted = PeftModel.from_pretrained(load_model(Path(spec.model)), spec.adapter).eval()
    merged = load_model(Path(spec.merged))
    total = total_token = largest = 0.0
    positions = agreed = 0
    for row in encoded:
        one, other = log_probabilities(adapted, row), log_probabilities(merged, row)
        tokens = torch.tensor(row.ids[max(row.start, 1) :], device=one.device).unsqueeze(1)
        difference = (one - other).abs()
        positions += one.shape[0]
        total += difference.mean(dim=1).sum().item()
        largest = max(largest, difference.max().item())
        total_token += (one.gather(1, tokens) - other.gather(1, tokens)).abs().sum().item()
        agreed += int((one.argmax(dim=1) == other.argmax(dim=1)).sum())
    log(f"compared {positions} positions of {len(encoded)} rows")
    return MergeChecked(
        rows=len(encoded),
        positions=positions,
        mean_difference=total / positions,
        maximum_difference=largest,
        mean_token_difference=total_token / positions,
        agreement=agreed / positions,
    )
