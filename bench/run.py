"""Runs the benchmarks, prints their figures as a table, writes them as JSON, and holds them against the gates.

    python bench/run.py [--short] [--only NAME] [--json FILE]

Ends with 1 where a gate is not met or a gated figure was not measured.
"""

import argparse
import importlib
import json
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

BENCH = Path(__file__).resolve().parent
sys.path.insert(0, str(BENCH))

from figures import Figure  # noqa: E402  # found beside this file

BENCHMARKS = ["deduplication", "scrubbing", "labels", "splitting", "living", "tracing"]


def main() -> int:
    """Run the chosen benchmarks; 0 where every gate is met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="smaller inputs, a few minutes in all; gates marked short")
    parser.add_argument("--only", choices=BENCHMARKS, action="append", help="only this benchmark; may be repeated")
    parser.add_argument("--json", type=Path, default=BENCH / "results" / "latest.json", help="where the figures go")
    arguments = parser.parse_args()
    chosen = arguments.only or BENCHMARKS
    figures: list[Figure] = []
    for name in chosen:
        print(f"{name} …", flush=True)
        figures += importlib.import_module(name).measure(short=arguments.short)
    gates = yaml.safe_load((BENCH / "gates.yaml").read_text(encoding="utf-8"))
    gates = {name: gate for name, gate in gates.items() if name.split(".")[0] in chosen}
    if arguments.short:
        gates = {name: short_form(gate) for name, gate in gates.items() if gate.get("short", False)}
    failures = unmet(figures, gates)
    print("\n" + table(figures, gates))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(report(figures, failures, arguments.short), indent=2), encoding="utf-8")
    print(f"\nFigures in {arguments.json}")
    for failure in failures:
        print(f"GATE NOT MET  {failure}", file=sys.stderr)
    return 1 if failures else 0


def short_form(gate: dict[str, Any]) -> dict[str, Any]:
    """The bounds that hold for the short form: those of the full form, or its own."""
    return gate if gate["short"] is True else gate["short"]


def unmet(figures: list[Figure], gates: dict[str, dict[str, Any]]) -> list[str]:
    """The gates that the figures do not meet, in words."""
    values = {figure.name: figure.value for figure in figures}
    failures = []
    for name, gate in gates.items():
        if name not in values:
            failures.append(f"{name}: not measured")
        elif "exact_value" in gate and values[name] != gate["exact_value"]:
            failures.append(f"{name}: {values[name]:g}, asked exactly {gate['exact_value']:g}")
        elif "min_value" in gate and values[name] < gate["min_value"]:
            failures.append(f"{name}: {values[name]:g}, asked at least {gate['min_value']:g}")
        elif "max_value" in gate and values[name] > gate["max_value"]:
            failures.append(f"{name}: {values[name]:g}, asked at most {gate['max_value']:g}")
    return failures


def table(figures: list[Figure], gates: dict[str, dict[str, Any]]) -> str:
    """The figures as aligned columns."""
    header = ["figure", "value", "gate", "ours", "peer", "unit", "peer is", "measured on"]
    rows = [
        [
            figure.name,
            _number(figure.value),
            _gate(gates.get(figure.name)),
            _number(figure.ours),
            _number(figure.peer),
            figure.unit,
            figure.peer_name,
            figure.note,
        ]
        for figure in figures
    ]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]
    return "\n".join(line.rstrip() for line in [lines[0], "-" * len(lines[0]), *lines[1:]])


def report(figures: list[Figure], failures: list[str], short: bool) -> dict[str, Any]:
    """All that a reader of the JSON needs to judge the figures."""
    return {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "form": "short" if short else "full",
        "machine": {"processor": platform.processor() or platform.machine(), "python": platform.python_version()},
        "figures": [figure.as_dict() for figure in figures],
        "gates not met": failures,
    }


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.4g}"


def _gate(gate: dict[str, Any] | None) -> str:
    if gate is None:
        return ""
    signs = {"min_value": "≥", "max_value": "≤", "exact_value": "="}
    return " ".join(f"{sign} {gate[key]:g}" for key, sign in signs.items() if key in gate)


if __name__ == "__main__":
    sys.exit(main())
