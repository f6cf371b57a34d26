"""Puzzles 1, 2, 3 and 6: where to split, why a fleet fails, which GPU, and which mix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from fleetopt.questions.reproduce.bench import Bench, Layout
from fleetopt.questions.reproduce.figure import Figure
from fleetopt.questions.reproduce.fleets import PublishedFleet, fleet_figures
from fleetopt.questions.reproduce.published import PublishedScenario

Row = Mapping[str, Any]
_ONE_POOL = {"one_pool_gpus": "gpus", "one_pool_usd_per_year": "usd_per_year",
             "one_pool_p99_ms": "p99_ms"}  # fmt: skip


def thresholds(bench: Bench, scenario: PublishedScenario) -> Iterator[Figure]:
    """Puzzle 1: every published split, and the one pool that it is compared with."""
    stated = scenario.stated
    whole = _layout(stated, stated["gpu_short"], stated["gpu_long"], stated["max_ctx"])
    found = {name: stated[key] for key, name in _ONE_POOL.items() if key in stated}
    yield from fleet_figures(bench, PublishedFleet(scenario.key, "one pool", found, whole))
    for row in scenario.rows:
        layout = replace(whole, b_short=row["b_short"])
        label = f"split at {row['b_short']:,}"
        yield from fleet_figures(bench, PublishedFleet(scenario.key, label, row, layout, whole))


def optimized(bench: Bench, scenario: PublishedScenario) -> Iterator[Figure]:
    """Puzzles 2, 3 and 6: fleets that the published `optimize` verified."""
    for row in scenario.rows:
        layout = _of_row(scenario.stated, row)
        label = f"{row.get('gpu', '')} {row.get('layout', row.get('config', ''))}".strip()
        fleet = PublishedFleet(scenario.key, label, row, layout, by_slots=True)
        yield from fleet_figures(bench, fleet)


def _of_row(stated: Mapping[str, Any], row: Row) -> Layout:
    """The fleet of a row: its GPUs, its split and its factor of compression."""
    short, long = _gpus(stated, row)
    is_one = row.get("layout") == "homo"
    b_short = stated["max_ctx"] if is_one else row.get("b_short", stated.get("b_short"))
    return replace(_layout(stated, short, long, b_short), gamma=row.get("gamma", 1.0))


def _gpus(stated: Mapping[str, Any], row: Row) -> tuple[str, str]:
    if "gpu" in row:
        return row["gpu"], row["gpu"]
    if "gpu_short" in stated:
        return stated["gpu_short"], stated["gpu_long"]
    short, _, long = row["config"].removeprefix("all-").partition("+")
    return short, long or short


def _layout(stated: Mapping[str, Any], short: str, long: str, b_short: int) -> Layout:
    return Layout(
        stated["cdf"], stated["lam"], stated["slo_ms"], stated["max_ctx"], short, long, b_short
    )
