"""Plots for asset metadata: PNG images inside Markdown, drawn by matplotlib."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fineline.resources.core.presentation.inert import inert

# In the alternative text of an image; the rest could end it.
_NO_TITLE = r"[^\w ,.%()'-]"
INK, BAR, SECOND = "#1f2937", "#4f6bed", "#e07a3f"


def bar_chart(title: str, values: Mapping[str, float], unit: str) -> str:
    """Horizontal bars labelled with their values, in the given order; "none" where there are no values."""
    if not values:
        return "none"
    figure, axes = _canvas(title, height=1.0 + 0.34 * len(values))
    names = list(values)
    bars = axes.barh([_label(name) for name in names], [values[name] for name in names], color=BAR)
    axes.bar_label(
        bars,
        labels=[f"{values[name]:,.4g}" if values[name] < 1 else f"{values[name]:,.0f}" for name in names],
        padding=4,
    )
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.margins(x=0.15)
    return _markdown(figure, title)


def histogram(title: str, values: Sequence[float], unit: str, bins: int = 30) -> str:
    """The number of values in each of ``bins`` ranges of equal width."""
    figure, axes = _canvas(title)
    axes.hist(values, bins=bins, color=BAR)
    axes.set_xlabel(unit)
    axes.set_ylabel("records")
    return _markdown(figure, title)


def curves(title: str, lines: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str) -> str:
    """A line for each named series of (x, y) points, with markers where there are fewer than ten."""
    figure, axes = _canvas(title)
    for (name, points), color in zip(lines.items(), [BAR, SECOND, "#3a9d6e", "#9b59b6"], strict=False):
        marker = "o" if len(points) < 10 else None
        axes.plot([p[0] for p in points], [p[1] for p in points], label=_label(name), color=color, marker=marker)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.legend(frameon=False)
    return _markdown(figure, title)


def intervals(title: str, values: Mapping[str, tuple[float, float, float]], unit: str) -> str:
    """Estimates with their confidence intervals, as name to (estimate, low, high)."""
    figure, axes = _canvas(title, height=1.0 + 0.45 * max(len(values), 1))
    for row, (estimate, low, high) in enumerate(values.values()):
        axes.errorbar(estimate, row, xerr=[[estimate - low], [high - estimate]], fmt="o", color=BAR, capsize=4)
        axes.annotate(f"{estimate:.3f}", (estimate, row), textcoords="offset points", xytext=(0, 7), ha="center")
    axes.set_yticks(range(len(values)), [_label(name) for name in values])
    axes.set_ylim(len(values) - 0.4, -0.7)
    axes.set_xlabel(unit)
    axes.margins(x=0.12)
    return _markdown(figure, title)


def _label(text: str) -> str:
    """A text as matplotlib draws it: a dollar sign begins no formula."""
    return inert(text).replace("$", r"\$")


def _canvas(title: str, height: float = 3.2) -> tuple[Any, Any]:
    # Imported here: plots are drawn when an asset is made, not when definitions load.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(_label(title), loc="left", color=INK, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _markdown(figure: Any, title: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return f"![{re.sub(_NO_TITLE, ' ', title)}](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})"
