"""Costs of both phases apart and together: over the arrival rate, and what apart saves."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from fleetopt.questions.disaggregation import CostsOverRates
from fleetopt.questions.disaggregation.worth import Worth

_INK, _GREY, _APART, _TOGETHER = "#24323d", "#8796a1", "#00897b", "#ef6c00"
_STYLE = {"svg.hashsalt": "fleetopt", "font.size": 9.0, "svg.fonttype": "none"}


def costs_figure(costs: CostsOverRates, form: str) -> bytes:
    """Cost of a request per second, published counts at the left; form: "png" or "svg"."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 4.2), dpi=150, layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _draw(left, costs, costs.published_apart, costs.published_together)
        _draw(right, costs, costs.corrected_apart, costs.corrected_together)
        left.set_title("Published: decode without the prompt", loc="left", color=_INK)
        right.set_title("With the prompt's KV in decode", loc="left", color=_INK)
        left.set_ylabel("K$ a year for each request per second")
        left.set_ylim(bottom=0.0, top=_top(costs))
        left.legend(frameon=False, loc="upper right")
        file = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None} if form == "svg" else {}
        figure.savefig(file, format=form, metadata=metadata)
    return file.getvalue()


def _draw(
    axes: Axes, costs: CostsOverRates, apart: tuple[float, ...], together: tuple[float, ...]
) -> None:
    """One counting; the side that is cheaper is shaded between the lines."""
    rates = np.array(costs.rates)
    first, second = (np.array(values) / rates / 1000.0 for values in (apart, together))
    first, second = (np.where(np.isfinite(line), line, np.nan) for line in (first, second))
    axes.fill_between(rates, first, second, where=first < second, color=_APART, alpha=0.15, lw=0)
    axes.fill_between(rates, first, second, where=first > second, color=_TOGETHER, alpha=0.15, lw=0)
    axes.plot(rates, first, color=_APART, lw=1.5, label="prefill and decode apart")
    axes.plot(rates, second, color=_TOGETHER, lw=1.5, label="together in one pool")
    axes.axvline(costs.asked, color=_GREY, lw=1.0, ls="--", label=f"{costs.asked:,g} per second")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("requests per second")
    axes.grid(True, which="major", color="#e6e6e6", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)


def _top(costs: CostsOverRates) -> float:
    """The upper end: what lies above is the few first replicas."""
    lines = np.array([costs.published_apart, costs.published_together,
                      costs.corrected_apart, costs.corrected_together])  # fmt: skip
    per_rate = lines / np.array(costs.rates) / 1000.0
    far = per_rate[:, len(costs.rates) // 4]
    return 1.25 * float(np.max(far[np.isfinite(far)], initial=1e-9))


def worth_figure(worth: Worth, form: str) -> bytes:
    """What phases apart save, over arrival rates and bounds on TTFT; form: "png" or "svg"."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(8.0, 4.8), dpi=150, layout="constrained")
        axes = figure.subplots()
        saving = worth.saving()
        colors = LinearSegmentedColormap.from_list("sides", [_TOGETHER, "#ffffff", _APART])
        shown = np.ma.masked_where(np.isnan(saving), np.clip(saving, -1.0, 1.0))
        drawn = axes.pcolormesh(
            _edges(worth.rates), _edges(worth.ttft_ms), shown,
            cmap=colors.with_extremes(bad="#d5dadd"), vmin=-0.6, vmax=0.6,
        )  # fmt: skip
        for i, bound in enumerate(worth.ttft_ms):
            for j, rate in enumerate(worth.rates):
                axes.text(rate, bound, _cell(saving[i, j]), ha="center", va="center",
                          color=_INK, fontsize=7.0)  # fmt: skip
        axes.plot(*worth.asked, marker="o", ms=13, mfc="none", mec=_INK, mew=1.4)
        _log_axes(axes)
        axes.set_xlabel("requests per second")
        axes.set_ylabel("bound on P99 TTFT, ms")
        axes.set_title("What prefill and decode apart save, in %", loc="left", color=_INK)
        bar = figure.colorbar(
            drawn, ax=axes, extend="both", format=lambda x, _: f"{100 * x:+.0f} %"
        )
        bar.set_label("together is cheaper      apart is cheaper")
        file = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None} if form == "svg" else {}
        figure.savefig(file, format=form, metadata=metadata)
    return file.getvalue()


def _cell(saving: float) -> str:
    if np.isnan(saving):
        return "none"
    if np.isinf(saving):
        return "only\napart" if saving > 0 else "only\ntogether"
    return f"{100 * saving:+.0f}"


def _edges(values: tuple[float, ...]) -> np.ndarray:
    """Edges of cells around points that are even on a logarithmic axis."""
    step = (values[1] / values[0]) ** 0.5
    return np.array([values[0] / step, *(value * step for value in values)])


def _log_axes(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.spines[["top", "right"]].set_visible(False)
