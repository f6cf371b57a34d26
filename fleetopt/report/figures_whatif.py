"""Figures of the steps of a growing fleet, and of fleets of several GPUs."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fleetopt.questions.whatif import GrowingFleet
from fleetopt.questions.whatif.gpus import ComparedFleet, GpuComparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DARK, _MID, _LIGHT = "#0b3c49", "#7fa6ad", "#b5b5b5"
_LINES = ("#0b3c49", "#c8553d", "#588b8b", "#e0a458", "#7a5c99", "#7a7a7a")
_STYLE = {"svg.hashsalt": "fleetopt", "font.size": 9.0, "svg.fonttype": "none"}
_MOST_DATES = 7


def growth_figure(growing: GrowingFleet, form: str) -> bytes:
    """GPUs of each pool over the arrival rate, with dates above where they are known.

    form: "png" or "svg".
    """
    return _saved(lambda axes: _draw_steps(axes, growing), form, height=4.5)


def gpus_figure(comparison: GpuComparison, form: str) -> bytes:
    """The cost of each fleet; for several arrival rates, a line for each of the cheapest.

    form: "png" or "svg".
    """
    rates = list(dict.fromkeys(comparison.stated.rates))
    if len(rates) > 1:
        return _saved(lambda axes: _draw_lines(axes, comparison, rates), form, height=4.5)
    fleets = comparison.at(rates[0])
    return _saved(lambda axes: _draw_bars(axes, fleets), form, height=1.2 + 0.32 * len(fleets))


def _saved(draw: Callable[[Axes], None], form: str, height: float) -> bytes:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(8.0, height), dpi=150, layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        file = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None} if form == "svg" else {}
        figure.savefig(file, format=form, metadata=metadata)
    return file.getvalue()


def _draw_steps(axes: Axes, growing: GrowingFleet) -> None:
    axes.set_xlabel("arrival rate, requests per second")
    axes.set_ylabel("GPUs")
    if not growing.steps:
        rates = [fleet.lam for fleet in growing.fleets]
        axes.plot(rates, [fleet.split.gpus for fleet in growing.fleets], "o", color=_DARK)
        return
    edges = [growing.steps[0].from_lam, *(step.until_lam for step in growing.steps)]
    below = [0.0] * len(growing.steps)
    for name, colour in (("long", _DARK), ("short", _MID)):
        if name not in growing.reaches:
            continue
        pool = growing.reaches[name]
        gpus = [float(pool.gpus(step.replicas[name])) for step in growing.steps]
        tops = [low + high for low, high in zip(below, gpus, strict=True)]
        label = f"{name} pool, {pool.gpu.name}"
        axes.stairs(tops, edges, baseline=below, fill=True, color=colour, label=label)
        below = tops
    rates = [fleet.lam for fleet in growing.fleets]
    axes.plot(rates, [fleet.split.gpus for fleet in growing.fleets], "o", color="white",
              markeredgecolor="black", markersize=5, label="rates asked for", zorder=3)  # fmt: skip
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="upper left")
    _dates_above(axes, growing)


def _dates_above(axes: Axes, growing: GrowingFleet) -> None:
    """Days at which the arrival rate gets there, evenly spread in time."""
    lo, hi = axes.get_xlim()
    last, start = growing.days_until(hi), growing.stated.start
    growth = growing.stated.growth
    if growth is None or start is None or not last or growing.day_of(hi) is None:
        return
    first = growing.days_until(lo) or 0.0
    days = [first + (last - first) * i / (_MOST_DATES - 1) for i in range(_MOST_DATES)]
    rates = [growing.stated.today * growth.times(day) for day in days]
    width = (hi - lo) / 12
    shown = [
        (rate, day)
        for i, (rate, day) in enumerate(zip(rates, days, strict=True))
        if i in (0, len(days) - 1) or (rates[-1] - rate > width and rate - rates[i - 1] > width)
    ]
    above = axes.secondary_xaxis("top")
    labels = [(start + timedelta(days=int(day))).isoformat() for _, day in shown]
    above.set_xticks([rate for rate, _ in shown], labels)
    above.set_xlabel(f"at a growth of {growth.text} from {start.isoformat()}")


def _draw_bars(axes: Axes, fleets: Sequence[ComparedFleet]) -> None:
    names = [_name(fleet) for fleet in fleets]
    costs = [fleet.usd_per_year / 1000.0 for fleet in fleets]
    places = list(range(len(fleets)))[::-1]
    colours = [_DARK if fleet.meets else _LIGHT for fleet in fleets]
    axes.barh(places, costs, color=colours, height=0.7)
    axes.set_yticks(places, names)
    for place, cost, fleet in zip(places, costs, fleets, strict=True):
        missed = "" if fleet.meets else ", misses the SLO"
        axes.text(cost, place, f" {cost:,.1f}{missed}", va="center", fontsize=8)
    axes.set_xlabel("cost, K$ a year, of one pool for all lengths, or of a short + a long pool")
    axes.set_xlim(0, 1.2 * max(costs))


def _draw_lines(axes: Axes, comparison: GpuComparison, rates: Sequence[float]) -> None:
    """Cost per request, which falls as pools grow."""
    series: dict[str, dict[float, float]] = {}
    for fleet in comparison.fleets:
        if fleet.meets:
            series.setdefault(_kind(fleet), {})[fleet.lam] = fleet.usd_per_year / fleet.lam / 1000.0
    cheapest = sorted(series, key=lambda name: min(series[name].values()))[: len(_LINES)]
    for name, colour in zip(cheapest, _LINES, strict=False):
        points = sorted(series[name].items())
        axes.plot(*zip(*points, strict=True), "o-", color=colour, markersize=4, label=name)
    axes.set_xscale("log")
    axes.set_xticks(sorted(rates), [f"{rate:g}" for rate in sorted(rates)])
    axes.minorticks_off()
    axes.set_xlabel("arrival rate, requests per second")
    axes.set_ylabel("K$ a year for one request per second")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)


def _name(fleet: ComparedFleet) -> str:
    machines = [f"{pool.replicas:,} {pool.size.gpu.name}" for pool in fleet.pools]
    return f"{machines[0]} for all" if fleet.whole else " + ".join(machines)


def _kind(fleet: ComparedFleet) -> str:
    names = [pool.size.gpu.name for pool in fleet.pools]
    return f"one pool {names[0]}" if fleet.whole else f"short {names[0]}, long {names[-1]}"
