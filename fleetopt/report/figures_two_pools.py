"""Cost and P99 TTFT of two pools, over the threshold or over the factor of compression."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from fleetopt.questions.two_pools import (
    Optimization,
    Simulated,
    SimulatedSplit,
    Split,
    Thresholds,
)

_INK, _GREY = "#24323d", "#8796a1"
_SHORT, _LONG, _BEST = "#00897b", "#ef6c00", "#0b3c49"
_FARTHEST = 5.0
"""A P99 beyond so many times the SLO leaves the figure."""


@dataclass(frozen=True)
class _Point:
    """A place on the horizontal axis with what is known there."""

    x: float
    split: Split
    simulated: SimulatedSplit | None
    is_best: bool

    @property
    def found(self) -> Split | SimulatedSplit:
        return self.simulated or self.split


def thresholds_figure(found: Thresholds, form: str) -> bytes:
    """Cost above, P99 TTFT of both pools below, over the threshold; form: "png" or "svg"."""
    points = [
        _Point(row.split.b_short, row.split, row.simulated, row is found.recommended)
        for row in found.rows
        if row.split.pools
    ]
    asked = found.asked
    title = f"{asked.cdf.name} at {asked.lam:g} req/s: where to split"
    with rc_context({"svg.hashsalt": "fleetopt", "svg.fonttype": "none", "font.size": 9.0}):
        figure, panels = _panels(title)
        _draw(panels, points, found.one_pool.found.usd_per_year, asked.t_slo_ms)
        for axes in panels:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(FixedLocator([point.x for point in points]))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
        panels[1].tick_params(axis="x", rotation=45)
        panels[1].set_xlabel("split at, tokens")
        return _content(figure, form)


def optimization_figure(found: Optimization, form: str) -> bytes:
    """Cost above, P99 TTFT of both pools below, over the factor; form: "png" or "svg"."""
    seen = {split.gamma: split for split in found.own.simulated}
    best = found.own.found
    points = [
        _Point(split.gamma, split, seen.get(split.gamma), split.gamma == best.gamma)
        for split in found.own.swept
        if split.pools
    ]
    asked = found.asked
    title = f"{asked.cdf.name} at {asked.lam:g} req/s, split at {found.b_short:,} tokens"
    pools = found.own.one_pools
    cost = min((p.found.usd_per_year for p in pools if p.found.meets), default=math.inf)
    with rc_context({"svg.hashsalt": "fleetopt", "svg.fonttype": "none", "font.size": 9.0}):
        figure, panels = _panels(title)
        _draw(panels, points, cost, asked.t_slo_ms)
        _draw_published(panels[0], [split for split in found.published.swept if split.pools])
        panels[0].legend(frameon=False, fontsize=8)
        panels[1].set_xlabel("gamma: requests of up to gamma times the split are compressed to it")
        return _content(figure, form)


def _panels(title: str) -> tuple[Figure, tuple[Axes, Axes]]:
    figure = Figure(figsize=(8.0, 6.2), dpi=150, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.0, 1.15))
    upper.set_title(title, loc="left", color=_INK, fontweight="bold")
    for axes in (upper, lower):
        axes.grid(True, color="#e6e6e6", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, (upper, lower)


def _draw(
    panels: tuple[Axes, Axes], points: Sequence[_Point], one_pool_usd: float, slo_ms: float
) -> None:
    upper, lower = panels
    _costs(upper, points)
    if math.isfinite(one_pool_usd):
        upper.axhline(one_pool_usd / 1000, color=_GREY, linestyle="--", lw=1, label="one pool")
    upper.set_ylim(bottom=0.0, top=_top(points, one_pool_usd))
    upper.set_ylabel("cost, K$ a year")
    upper.legend(frameon=False, fontsize=8)
    for name, colour in (("short", _SHORT), ("long", _LONG)):
        _latencies(lower, points, name, colour)
    lower.axhline(slo_ms, color=_INK, linestyle="--", lw=1, label=f"SLO, {slo_ms:g} ms")
    lower.set_yscale("log")
    lower.set_ylim(top=_FARTHEST * slo_ms)
    lower.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    lower.yaxis.set_minor_locator(NullLocator())
    lower.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,g}"))
    lower.set_ylabel("P99 TTFT, ms")
    lower.legend(frameon=False, fontsize=8, ncols=3)


def _costs(axes: Axes, points: Sequence[_Point]) -> None:
    """Filled where the SLO is kept, hollow where it is missed, a ring around the best."""
    axes.plot([p.x for p in points], [_cost(p) for p in points], color=_INK, lw=1, alpha=0.5)
    for meets, face, label in ((True, _INK, "SLO kept"), (False, "white", "SLO missed")):
        some = [point for point in points if point.found.meets is meets]
        if some:
            axes.scatter([p.x for p in some], [_cost(p) for p in some], s=34, zorder=3,
                         facecolors=face, edgecolors=_INK, label=label)  # fmt: skip
    best = [point for point in points if point.is_best]
    if best:
        axes.scatter([best[0].x], [_cost(best[0])], s=150, facecolors="none", zorder=4,
                     edgecolors=_BEST, linewidths=1.6, label="recommended")  # fmt: skip


def _latencies(axes: Axes, points: Sequence[_Point], name: str, colour: str) -> None:
    """The table as a line, the simulation as points with intervals."""
    with_pool = [(point, getattr(point.split, name)) for point in points]
    table = [(point.x, pool.p99_ttft_ms) for point, pool in with_pool if pool]
    if not table:
        return
    axes.plot(*zip(*table, strict=True), color=colour, lw=1.3, marker=".",
              label=f"{name} pool, table")  # fmt: skip
    seen = [(p.x, getattr(p.simulated, name)) for p in points if p.simulated]
    bars = [(x, pool) for x, pool in seen if isinstance(pool, Simulated) and _has_interval(pool)]
    if bars:
        middle = [pool.p99_ttft_ms for _, pool in bars]
        ends = [pool.said.p99_ttft_ms for _, pool in bars]
        errors = [
            [m - (e.low or m) for m, e in zip(middle, ends, strict=True)],
            [(e.high or m) - m for m, e in zip(middle, ends, strict=True)],
        ]
        axes.errorbar([x for x, _ in bars], middle, yerr=errors, fmt="D", ms=5, mfc="none",
                      color=colour, capsize=3, lw=1, label=f"{name} pool, simulated")  # fmt: skip


def _draw_published(axes: Axes, swept: Sequence[Split]) -> None:
    if swept:
        axes.plot([s.gamma for s in swept], [s.usd_per_year / 1000 for s in swept], color=_GREY,
                  lw=1, marker="x", ms=4, label="published method")  # fmt: skip


def _has_interval(pool: Simulated) -> bool:
    return pool.said.p99_ttft_ms.estimate is not None


def _cost(point: _Point) -> float:
    return point.found.usd_per_year / 1000 if point.found.pools else math.nan


def _top(points: Sequence[_Point], one_pool_usd: float) -> float:
    """A little above what is worth a look: twice the cost of one pool at most."""
    costs = [_cost(point) for point in points if not math.isnan(_cost(point))]
    whole = one_pool_usd / 1000
    most = max([*costs, whole if math.isfinite(whole) else 0.0])
    return 1.1 * (min(most, 2.0 * whole) if math.isfinite(whole) else most)


def _content(figure: Figure, form: str) -> bytes:
    file = io.BytesIO()
    metadata: dict[str, Any] = {"Date": None} if form == "svg" else {}
    figure.savefig(file, format=form, metadata=metadata)
    return file.getvalue()
