"""Figures of the manual that no command draws."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reliability import POOL, share_up
from fleetopt.catalog import read_profiles
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.problem import AVAILABILITIES
from fleetopt.queueing.availability import SpareRule
from fleetopt.simulation.failures import Failures
from fleetopt.simulation.fleet_model import FleetPool

SLOW = AVAILABILITIES["A100_AVAIL_RSC1_SLOW"]
COLORS = {"mean": "#c2571a", "probability": "#0b3c49"}
MARKS = {"mean": "s", "probability": "o"}


def reliability_figure(recorded: Path, file: Path) -> None:
    """Replicas up with what each rule buys, and what was attained, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.8), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_up(left)
    _draw_attained(right, json.loads(recorded.read_text()))
    for axes in (left, right):
        axes.grid(True, which="major", color="#e6e6e6", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_axisbelow(True)
    figure.savefig(file)


def _draw_up(axes: Any) -> None:
    """Share of the time that fewer than k are up: the binomial, and the simulator's failures."""
    n = POOL.replicas
    for kind in ("mean", "probability"):
        rule = SpareRule(SLOW, kind)  # type: ignore[arg-type]
        bought = rule.to_buy(n)
        numbers = np.arange(1, bought + 1)
        fewer = [100 * rule.short_share(int(k), bought) for k in numbers]
        axes.step(numbers, fewer, where="pre", color=COLORS[kind], label=f"{kind}: buys {bought}")
        axes.plot(numbers, _simulated(bought), MARKS[kind], color=COLORS[kind], markersize=3.5)
    axes.axvline(n, color="#7a7a7a", linewidth=0.8)
    axes.axhline(0.1, color="#7a7a7a", linewidth=0.8, linestyle="--")
    axes.text(n + 0.2, 20, f"{n} must be up", fontsize=8, color="#4a4a4a")
    axes.text(15.0, 0.055, "target: at most 0.1 %", fontsize=8, color="#4a4a4a")
    axes.set_yscale("log")
    axes.set_ylim(5e-5, 50)
    axes.set_xticks(range(0, 22, 3))
    axes.set_xlabel("replicas k")
    axes.set_ylabel("fewer than k are up, % of the time")
    axes.set_title(f"A = {100 * SLOW:.2f} %, nodes of 8", loc="left", fontsize=10)
    axes.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 0.12))


def _simulated(bought: int) -> list[float]:
    """The same by the simulator's failures, over 400,000 repairs of a node."""
    h100 = CalibratedProfile(read_profiles()["h100"])
    pool = FleetPool("p", h100.iteration, h100.reserved(POOL.max_context), bought)
    failures = Failures(POOL.per_node_day(SLOW), POOL.repair_s)
    horizon_s = 400_000 * POOL.repair_s / (1 - SLOW)
    shares = share_up(pool, failures, horizon_s, np.random.default_rng(1))
    return [100 * float(x) for x in np.cumsum(shares)[:-1]]


def _draw_attained(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Share of requests within the bound against the availability, with intervals."""
    places = sorted({row["availability"] for row in rows}, reverse=True)
    for kind, shift in (("mean", -0.05), ("probability", 0.05)):
        mine = [row for row in rows if row["rule"] == kind]
        x = [places.index(row["availability"]) + shift for row in mine]
        y = [100 * row["attained"]["estimate"] for row in mine]
        ends = [
            [100 * abs(row["attained"][end] - row["attained"]["estimate"]) for row in mine]
            for end in ("low", "high")
        ]
        axes.errorbar(x, y, yerr=ends, fmt=MARKS[kind], color=COLORS[kind], capsize=3,
                      markersize=5, label=kind)  # fmt: skip
        for place, share, row in zip(x, y, mine, strict=True):
            side = -10 if kind == "mean" else 8
            align = "right" if kind == "mean" else "left"
            axes.annotate(f"{row['bought']}", (place, share), xytext=(side, -3), fontsize=8,
                          textcoords="offset points", ha=align, color=COLORS[kind])  # fmt: skip
    axes.axhline(99, color="#7a7a7a", linewidth=0.8, linestyle="--")
    axes.text(-0.4, 98.0, "99 % wanted", fontsize=8, color="#4a4a4a", va="top")
    axes.set_xticks(range(len(places)), [f"{100 * place:.2f} %" for place in places])
    axes.set_xlim(-0.45, len(places) - 0.55)
    axes.set_xlabel("availability of a node")
    axes.set_ylabel("requests within P99 TTFT 500 ms, %")
    axes.set_title("attained over outages; numbers are replicas bought", loc="left", fontsize=10)
    axes.legend(frameon=False, fontsize=8, loc="lower left")
