"""Figures of tokens per watt and of power caps; matplotlib comes with the `plot` extra."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fleetopt.questions.energy.grid import GridFlex
from fleetopt.questions.energy.tokens_per_watt import GpuEnergy, TokensPerWatt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLORS = ("#0b3c49", "#c8553d", "#588b8b", "#8f6bb3", "#b08900")
_MID, _BREACH = "#7a7a7a", "#f3d9d3"


def tokens_figure(found: TokensPerWatt, form: str) -> bytes:
    """Tokens per watt over utilization, by GPU type; form: "png" or "svg".

    Lines are the sweep by the problem's method; dots the pools that the SLO asks for, crosses
    what the published formulas say of theirs.
    """
    return _drawn(lambda figure: _draw_tokens(figure.add_subplot(), found), (7.5, 4.5), form)


def grid_figure(found: GridFlex, form: str) -> bytes:
    """Draw and P99 TTFT over the depth; form: "png" or "svg".

    Depths that the fleet cannot carry are shaded.
    """
    return _drawn(lambda figure: _draw_grid(figure, found), (7.5, 5.5), form)


def _drawn(draw: Callable[[Figure], None], size: tuple[float, float], form: str) -> bytes:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "fleetopt", "font.size": 9.0, "svg.fonttype": "none"}):
        figure = Figure(figsize=size, dpi=150, layout="constrained")
        draw(figure)
        file = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None} if form == "svg" else {}
        figure.savefig(file, format=form, metadata=metadata)
    return file.getvalue()


def _draw_tokens(axes: Axes, found: TokensPerWatt) -> None:
    for i, gpu in enumerate(found.gpus):
        _draw_gpu(axes, gpu, _COLORS[i % len(_COLORS)])
    axes.plot([], [], "o", color=_MID, label="fewest GPUs within the SLO")
    if any(gpu.published for gpu in found.gpus):
        axes.plot([], [], "x", color=_MID, label="published formulas")
    axes.set_xlabel("utilization")
    axes.set_ylabel("output tokens per joule")
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(bottom=0.0)
    axes.set_title("Tokens per watt, one pool for all requests", loc="left")
    axes.legend(frameon=False, loc="upper left")
    _plain(axes)


def _draw_gpu(axes: Axes, gpu: GpuEnergy, color: str) -> None:
    own = gpu.fleet.pools[0]
    points = sorted({(p.fleet.pools[0].utilization, p.fleet.tokens_per_watt) for p in gpu.sweep})
    quality = f"{gpu.gpu} (power {own.power_quality})"
    axes.plot([x for x, _ in points], [y for _, y in points], color=color, label=quality)
    axes.plot([own.utilization], [gpu.fleet.tokens_per_watt], "o", color=color)
    if gpu.published is not None:
        theirs = gpu.published.pools[0].utilization
        axes.plot([theirs], [gpu.published.tokens_per_watt], "x", color=color, markersize=7)


def _draw_grid(figure: Figure, found: GridFlex) -> None:
    above, below = figure.subplots(2, 1, sharex=True)
    levels = sorted(found.levels, key=lambda level: level.flex_pct)
    depths = [level.flex_pct for level in levels]
    above.plot(depths, [level.fleet_kw for level in levels], "o-", color=_COLORS[1],
               label="with every batch at its cap, as published")  # fmt: skip
    above.plot(depths, [level.drawn_kw for level in levels], "o-", color=_COLORS[0],
               label="really drawn")  # fmt: skip
    mixes = [(level.flex_pct, level.mix.drawn_kw) for level in levels if level.mix]
    if mixes:
        above.plot([x for x, _ in mixes], [y for _, y in mixes], "^--", color=_COLORS[2],
                   label="really drawn with the cheapest mix of levers")  # fmt: skip
    above.set_ylabel("draw of the fleet, kW")
    above.set_ylim(bottom=0.0)
    above.legend(frameon=False, loc="lower left")
    title = f"{found.gpus:,} {found.gpu} at {found.arrival_rate:g} req/s under power caps"
    above.set_title(title, loc="left")
    _draw_latency(below, found, levels)
    for axes, label in ((above, "cannot keep up under the cap"), (below, "")):
        _shade(axes, levels, label)
        _plain(axes)
    below.set_xlabel("depth, %: of the nominal draw, for mixes of the real one")


def _draw_latency(axes: Axes, found: GridFlex, levels: list[Any]) -> None:
    kept = [(e.flex_pct, e.p99_ttft_ms) for e in levels if math.isfinite(e.p99_ttft_ms)]
    axes.plot([x for x, _ in kept], [y for _, y in kept], "o-", color=_COLORS[0], label="table")
    seen = [(e.flex_pct, e.simulated.p99_ttft_ms) for e in levels if e.simulated]
    seen = [(x, said) for x, said in seen if said.low is not None]
    if seen:
        middle = [said.estimate for _, said in seen]
        ends = [[s.estimate - s.low for _, s in seen], [s.high - s.estimate for _, s in seen]]
        axes.errorbar([x for x, _ in seen], middle, yerr=ends, fmt="s", color=_COLORS[2],
                      markersize=4, capsize=3, label="simulated, 95 %")  # fmt: skip
    for bound in found.problem.slo:
        if bound.metric == "ttft":
            axes.axhline(bound.limit_ms, color=_MID, linestyle="--", linewidth=1.0,
                         label=f"SLO, {bound.limit_ms:g} ms")  # fmt: skip
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("P99 TTFT, ms")
    axes.legend(frameon=False, loc="best")


def _shade(axes: Axes, levels: list[Any], label: str = "") -> None:
    """Depths at which the waiting line grows without end."""
    stable = [level.flex_pct for level in levels if level.is_stable]
    lost = [level.flex_pct for level in levels if not level.is_stable]
    if not lost:
        return
    begin, end = 0.5 * (max(stable, default=lost[0]) + lost[0]), max(lost) + 2.0
    axes.axvspan(begin, end, color=_BREACH, linewidth=0, zorder=0)
    axes.set_xlim(right=end)
    axes.text(0.5 * (begin + end), 0.92, label, transform=axes.get_xaxis_transform(),
              ha="center", color="#8a3b2a", fontsize=8.0)  # fmt: skip


def _plain(axes: Axes) -> None:
    axes.grid(True, which="major", color="#e6e6e6", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
