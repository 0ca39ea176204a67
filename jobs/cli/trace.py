"""Reports of traces and of the stored models, as text for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import polars as pl

from fineline.data_contracts import catalog
from fineline.data_contracts.catalog import Partition
from fineline.resources.governance.accounting.trace import Step, TextTrace, Trace
from fineline.resources.models.exposure import ROLE


def record_report(trace: Trace, shown: Callable[[str], str]) -> str:
    """A record's outcome in one line, then every row stored about it; ``shown`` puts names for the keys of batches."""
    if not trace.found:
        return f"{trace.record_id}: nothing is stored about this record"
    rows = [(shown(Partition(step.asset, step.batch).label), step.role, _facts(step)) for step in trace.steps]
    return "\n".join([f"{trace.record_id}: {_outcome(trace)}", *_aligned(rows)])


def text_report(found: TextTrace, shown: Callable[[str], str]) -> str:
    """How many records mention a text, by batch and by model, then one line for each of the first."""
    if not found.rows_by_batch:
        return "No record of the raw corpus mentions this text."
    records = f"{found.records:,} record{'' if found.records == 1 else 's'}"
    parts = [f"{records} of the raw corpus mention{'s' if found.records == 1 else ''} this text"]
    parts += _aligned((shown(batch), f"{count:,}") for batch, count in found.rows_by_batch.items())
    seen = [(each.asset, each.data_version or "in training", f"{each.records:,} of them") for each in found.seen_by]
    parts += ["", "Seen by", *_aligned(seen)] if seen else ["", "Seen by no model"]
    traced = len(found.traces)
    parts += ["", f"The first {traced} of them" if traced < found.records else "Each of them"]
    parts += [f"  {trace.record_id}  {_outcome(trace)}" for trace in found.traces]
    return "\n".join(parts)


def models_report(models: pl.DataFrame) -> str:
    """The stored models and releases, newest last."""
    if models.is_empty():
        return "No model is stored yet."
    heads = [("model", "weights", "made at", "by run", "records trained on", "flags")]
    rows = [
        (name, version, f"{made:%Y-%m-%d %H:%M} UTC", run[:8], f"{records:,}", "; ".join(flags) or "none")
        for name, version, made, run, records, flags in models.iter_rows()
    ]
    return "\n".join(_aligned(heads + rows))


def _outcome(trace: Trace) -> str:
    ends = [_end(step) for step in trace.steps if step.asset == catalog.RECORD_LEDGER.name and step.role == "data"]
    if not ends and trace.steps:
        ends = ["not in the ledger"]
    if trace.forgotten_by is not None:
        ends.insert(0, f"forgotten by request {trace.forgotten_by}")
    models = dict.fromkeys(step.asset for step in trace.steps if step.role == ROLE)
    ends.append(f"seen by {', '.join(models)}" if models else "seen by no model")
    return "; ".join(dict.fromkeys(ends))


def _end(step: Step) -> str:
    rule = f" by {step.facts['rule']}" if "rule" in step.facts else ""
    return f"{step.facts['fate']}{rule} in {step.facts['place']}"


def _facts(step: Step) -> str:
    return ", ".join(f"{name} {_shown(value)}" for name, value in step.facts.items())


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    cells = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in table]
    return [f"  {'  '.join(row)}".rstrip() for row in cells]
