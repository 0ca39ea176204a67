"""Comparison of merged weights with the adapter that was trained, on held-out rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import torch
from peft import PeftModel

from fineline.resources.models.base.encoding import Encoded, encode_pairs, load_tokenizer
from fineline.resources.models.base.generation import load_model
from fineline.resources.models.release.tasks import MergeCheck, MergeChecked
from fineline.resources.models.worker.protocol import Log, ModelError

ROWS = 16
# Of an answer; log-probabilities of all the vocabulary at each of them are held at once.
POSITIONS = 512


def log_probabilities(model: Any, row: Encoded) -> torch.Tensor:
    """Next-token log-probabilities before each trained token, trained tokens × vocabulary, float32."""
    start = max(row.start, 1)
    kept = len(row.ids) - start + 1
    ids = torch.tensor([row.ids], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=kept).logits[0, :-1]
    return torch.log_softmax(logits.float(), dim=-1)


def compare(row: Encoded, tested: torch.Tensor, merged: torch.Tensor, plain: torch.Tensor) -> dict[str, float]:
    """The figures of one row, with the number of its positions.

    Takes log-probabilities under the adapted, the merged and the plain model, trained tokens × vocabulary each.
    """
    tokens = torch.tensor(row.ids[max(row.start, 1) :], device=tested.device).unsqueeze(1)
    expected, found, without = (table.gather(1, tokens) for table in (tested, merged, plain))
    differences = (expected - found).abs()
    return {
        "positions": len(tokens),
        "mean_difference": (expected.mean() - found.mean()).abs().item(),
        "adapter_effect": (expected.mean() - without.mean()).abs().item(),
        "mean_token_difference": differences.mean().item(),
        "maximum_token_difference": differences.max().item(),
        "divergence": (tested.exp() * (tested - merged)).sum(dim=1).mean().item(),
        "agreement": (tested.argmax(dim=1) == merged.argmax(dim=1)).float().mean().item(),
    }


def run(task: MergeCheck, log: Log) -> MergeChecked:
    """Compare both models row by row, each in the type that it was saved in.

    Rounding merged weights to bfloat16 shifts single log-probabilities by some hundredths, at random. Over a row these
    shifts cancel; the differences of a wrong merge do not.

    Raises:
        ModelError: there are no rows to compare on.
    """
    tokenizer = load_tokenizer(Path(task.merged))
    rows = pl.read_parquet(task.rows).sort("record_id").head(ROWS)
    if rows.is_empty():
        raise ModelError(
            "There are no held-out rows to compare adapter and merged weights on.",
            "Raise split.test, or the dataset's test_rows.",
        )
    adapted = PeftModel.from_pretrained(load_model(Path(task.model)), task.adapter).eval()
    merged = load_model(Path(task.merged))
    parts = []
    for whole in encode_pairs(tokenizer, rows["prompt"].to_list(), rows["completion"].to_list()):
        row = Encoded(whole.ids[: whole.start + POSITIONS], whole.start)
        tested = log_probabilities(adapted, row)
        with adapted.disable_adapter():
            plain = log_probabilities(adapted, row)
        parts.append(compare(row, tested, log_probabilities(merged, row), plain))
    positions = int(sum(part["positions"] for part in parts))
    log(f"compared {positions} positions of {len(parts)} rows")
    over_rows = {name: sum(part[name] for part in parts) / len(parts) for name in ("mean_difference", "adapter_effect")}
    over_positions = {
        name: sum(part[name] * part["positions"] for part in parts) / positions
        for name in ("mean_token_difference", "divergence", "agreement")
    }
    largest = max(part["maximum_token_difference"] for part in parts)
    return MergeChecked(
        rows=len(parts), positions=positions, maximum_token_difference=largest, **over_rows, **over_positions
    )
