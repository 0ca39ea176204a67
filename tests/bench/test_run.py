import importlib.util
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parent.parent.parent / "bench"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(BENCH))
    spec = importlib.util.spec_from_file_location("bench_run", BENCH / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    for name in ("figures", "splitting"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("gate", "failure"),
    [
        ({"min_value": 2.0}, None),
        ({"min_value": 2.1}, "a.speed: 2, asked at least 2.1"),
        ({"max_value": 1.9}, "a.speed: 2, asked at most 1.9"),
        ({"exact_value": 2}, None),
        ({"exact_value": 3}, "a.speed: 2, asked exactly 3"),
    ],
)
def test_a_figure_is_held_against_its_gate(run, gate: dict, failure: str | None):
    figures = [run.Figure.ratio("a.speed", 10.0, 5.0, "documents/s", "peer 1.0")]
    assert run.unmet(figures, {"a.speed": gate}) == ([failure] if failure else [])


def test_a_gated_figure_that_was_not_measured_is_a_failure(run):
    assert run.unmet([], {"a.speed": {"min_value": 1}}) == ["a.speed: not measured"]


def test_the_command_ends_with_an_error_where_a_gate_is_not_met(run, monkeypatch, tmp_path, capsys):
    splitting = type(sys)("splitting")
    splitting.measure = lambda *, short: [run.Figure("splitting.moved_by_growth", 1.0, "records")]
    monkeypatch.setitem(sys.modules, "splitting", splitting)
    file = tmp_path / "figures.json"
    monkeypatch.setattr(sys, "argv", ["run.py", "--short", "--only", "splitting", "--json", str(file)])
    assert run.main() == 1
    printed = capsys.readouterr()
    assert "splitting.moved_by_growth: 1, asked exactly 0" in printed.err
    assert "splitting.moved_by_growth" in printed.out
    assert "splitting.moved_by_growth: 1, asked exactly 0" in file.read_text()


def test_a_short_form_may_have_bounds_of_its_own(run):
    assert run.short_form({"min_value": 5, "short": {"min_value": 2}}) == {"min_value": 2}
    assert run.short_form({"min_value": 5, "short": True})["min_value"] == 5


def test_every_gate_belongs_to_a_benchmark_and_has_a_bound(run):
    gates = run.yaml.safe_load((BENCH / "gates.yaml").read_text(encoding="utf-8"))
    assert {name.split(".")[0] for name in gates} <= set(run.BENCHMARKS)
    assert all({"min_value", "max_value", "exact_value"} & set(gate) for gate in gates.values())
