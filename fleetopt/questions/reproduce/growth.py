"""Costs: of a GPU, of growing traffic (puzzle 4), and of two pools against one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleetopt.catalog import read_profiles
from fleetopt.plan import HOURS_PER_YEAR
from fleetopt.questions.reproduce.bench import Bench, Layout
from fleetopt.questions.reproduce.figure import Figure
from fleetopt.questions.reproduce.published import PublishedScenario

NO_FORMULA = "no published formula gives it; Lambda(n) of the table does"


def growth(bench: Bench, scenario: PublishedScenario) -> Iterator[Figure]:
    """The fleet at each arrival rate, and up to which rate it carries."""
    for row in scenario.rows:
        layout = _layout(scenario.stated, row["lam"])
        label = f"{row['lam']} requests per second"
        method, table = (bench.split(layout, name) for name in ("published", "fleetopt"))
        price = read_profiles()[layout.gpu_long].usd_per_hour * HOURS_PER_YEAR
        yield Figure(scenario.key, label, "gpus", "count", row["gpus"], method.gpus, table.gpus)
        yield Figure(
            scenario.key, label, "usd_per_year", "usd", row["usd_per_year"],
            method.usd_per_year, table.usd_per_year, leeway=price,
        )  # fmt: skip
        if row["add_before_lam"] is not None:
            yield Figure(
                scenario.key, label, "add_before_lam", "rate", row["add_before_lam"],
                table=carried(bench, layout), why=NO_FORMULA,
            )  # fmt: skip


def carried(bench: Bench, layout: Layout) -> float:
    """Largest arrival rate that the published fleet carries by the table, in requests a second."""
    split = bench.split(layout, "published")
    sizes = bench.sizes(layout, "fleetopt")
    rates = [
        layout.lam
        * sizes.table(pool.what, pool.gpu).max_arrival_rate(pool.replicas)
        / pool.arrival_rate
        for pool in (split.short, split.long)
        if pool is not None
    ]
    return min(rates)


def _layout(stated: Mapping[str, Any], lam: float) -> Layout:
    return Layout(
        stated["cdf"], lam, stated["slo_ms"], stated["max_ctx"], stated["gpu_short"],
        stated["gpu_long"], stated["b_short"],
    )  # fmt: skip


def prices(_: Bench, scenario: PublishedScenario) -> Iterator[Figure]:
    """What a GPU costs in an hour and in a year of 8,760 hours."""
    for row in scenario.rows:
        spec = read_profiles()[row["gpu"]]
        hourly = spec.usd_per_hour
        yield Figure(scenario.key, row["gpu"], "usd_per_hour", "ratio", row["usd_per_hour"], hourly)
        yield Figure(
            scenario.key, row["gpu"], "usd_per_year", "usd", row["usd_per_year"],
            hourly * HOURS_PER_YEAR,
        )  # fmt: skip


def at_a_glance(bench: Bench, scenario: PublishedScenario) -> Iterator[Figure]:
    """What two pools cost more than one."""
    for row in scenario.rows:
        pair, whole = _compared(row)
        label = f"{row['workload']}, {row['lam']} requests per second, {row['config']}"
        more = {name: _more_pct(bench, pair, whole, name) for name in ("published", "fleetopt")}
        price = read_profiles()[whole.gpu_long].usd_per_hour
        one_gpu = 200.0 * price / bench.split(whole, "published").usd_per_hour
        yield Figure(
            scenario.key, label, "cost_delta_pct", "percent", row["cost_delta_pct"],
            more["published"], more["fleetopt"], leeway=one_gpu,
        )  # fmt: skip


def _compared(row: Mapping[str, Any]) -> tuple[Layout, Layout]:
    """The two pools of a row, and the one pool of H100 beside it."""
    context, slo_ms = _AT_A_GLANCE[row["workload"]]
    cdf = {"agent": "agent_heavy"}.get(row["workload"], row["workload"])
    gpu = "a10g" if row["config"].startswith("a10g") else "h100"
    pair = Layout(cdf, row["lam"], slo_ms, context, gpu, gpu, 4096)
    return pair, pair.one_pool("h100")


_AT_A_GLANCE = {"azure": (8192, 500.0), "lmsys": (65536, 500.0), "agent": (65536, 1000.0)}
"""Largest context and bound on P99 TTFT in ms of each workload."""


def _more_pct(bench: Bench, pair: Layout, whole: Layout, method: str) -> float:
    one, two = (bench.split(layout, method).usd_per_hour for layout in (whole, pair))
    return 100.0 * (two / one - 1.0)
