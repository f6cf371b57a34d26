"""Puzzles 8 to 10: power that can be shed, tokens per watt, and what a split saves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from fleetopt.performance.profile import CalibratedProfile
from fleetopt.plan import Interval
from fleetopt.problem import FleetProblem, validate
from fleetopt.questions.energy.grid import GridLevel, grid_flex
from fleetopt.questions.energy.pools import FleetEnergy
from fleetopt.questions.energy.runs import Runs
from fleetopt.questions.energy.split import SplitEnergy, split_tokens_per_watt
from fleetopt.questions.energy.tokens_per_watt import GpuEnergy, tokens_per_watt
from fleetopt.questions.reproduce.bench import Bench, Layout, middle
from fleetopt.questions.reproduce.figure import Figure, Kind, Value
from fleetopt.questions.reproduce.fleets import ALONE
from fleetopt.questions.reproduce.published import PublishedScenario
from fleetopt.questions.reproduce.routers import FREES_EARLY
from fleetopt.simulation.published_dispatch import DispatchPool, dispatched_ttft_s
from fleetopt.simulation.published_slots import reported_p99_ms

Row = Mapping[str, Any]
_SEEDS = 3
_RUNS = Runs(requests=15_000, replications=4)
INVERTED = "the power curve inverted exactly gives one more sequence"
CANNOT_SERVE = "at this cap the fleet serves at most {:.0f} of {:g} requests per second"
AT_OCCUPANCY = (
    "published power is that of the mean batch, with 0.20 of the mean length as output; the "
    "table has the distribution of batches and the workload's own outputs"
)
SAMPLED = "the published load rests on 3,000 sampled lengths, the method here on exact sums"
NO_TABLE = "only the formula is published"


def shed(bench: Bench, scenario: PublishedScenario) -> Iterator[Figure]:
    """Puzzle 8: batch caps, what they draw, and what becomes of the latencies."""
    stated = scenario.stated
    problem = stated_problem(stated, [stated["gpu"]], max_context=stated["max_ctx"])
    depths = [float(row["flex_pct"]) for row in scenario.rows]
    found = grid_flex(problem, stated["gpus"], depths, runs=_RUNS)
    for row, level in zip(scenario.rows, found.levels, strict=True):
        runs = [_dispatched_p99_ms(bench, stated, level.n_max, seed) for seed in range(_SEEDS)]
        yield from _level(scenario, row, level, sorted(runs), found.arrival_rate)


def _level(
    scenario: PublishedScenario, row: Row, level: GridLevel, runs: list[float], rate: float
) -> Iterator[Figure]:
    label, simulated = f"{row['flex_pct']} %", level.simulated
    des, seeds = middle(runs)
    why = FREES_EARLY if level.is_stable else CANNOT_SERVE.format(level.most_per_s, rate)
    published = level.published_p99_ttft_ms
    analytic = None if published is None or not np.isfinite(published) else published
    said: dict[str, tuple[Kind, Value, Value, Any, str]] = {
        "n_max": ("batch", level.n_max, level.n_max, None, INVERTED),
        "w_per_gpu": ("watts", level.w_per_gpu, None, None, INVERTED),
        "fleet_kw": ("ratio", level.fleet_kw, level.drawn_kw, None, INVERTED),
        "p99_analytic_ms": (
            "ms", analytic, level.p99_ttft_ms, None, ALONE
        ),
        "p99_des_ms": (
            "ms", des, level.p99_ttft_ms, simulated.p99_ttft_ms if simulated else None, why
        ),
        "slo_met": (
            "yes", des <= scenario.stated["slo_ms"], level.meets,
            simulated.standing if simulated else None, why,
        ),
    }  # fmt: skip
    for quantity, (kind, method, table, sim, reason) in said.items():
        if row[quantity] is None:
            continue
        yield Figure(
            scenario.key, label, quantity, kind, row[quantity], method, table, sim,
            seeds=seeds if quantity == "p99_des_ms" else None, why=reason,
        )  # fmt: skip


def _dispatched_p99_ms(bench: Bench, stated: Row, cap: int, seed: int) -> float:
    """P99 TTFT under a cap, by the published simulator."""
    layout = Layout(stated["cdf"], stated["lam"], stated["slo_ms"], stated["max_ctx"],
                    stated["gpu"], stated["gpu"], stated["max_ctx"])  # fmt: skip
    pool = bench.split(layout, "published").short
    assert pool is not None
    requests = bench.drawn(layout, pool, stated["requests"], seed)
    capped = DispatchPool(CalibratedProfile(pool.gpu).iteration, cap, stated["gpus"])
    return reported_p99_ms(dispatched_ttft_s(requests, [capped], lambda _: 0))


def per_watt(bench: Bench, scenario: PublishedScenario) -> Iterator[Figure]:
    """Puzzle 9: tokens per watt of one pool of each GPU type, at the published counts."""
    names = [row["gpu"] for row in scenario.rows]
    counts = [row["gpus"] for row in scenario.rows]
    sweep = tuple(float(rho) for rho in scenario.rows[0].get("sweep", {}))
    context = scenario.stated["max_ctx"]
    published = stated_problem(scenario.stated, names, max_context=context, method="published")
    free = tokens_per_watt(published).gpus
    fixed = tokens_per_watt(published, gpus=counts, sweep=sweep).gpus
    tables = tokens_per_watt(stated_problem(scenario.stated, names), gpus=counts, sweep=sweep).gpus
    for i, row in enumerate(scenario.rows):
        yield Figure(scenario.key, row["gpu"], "gpus", "count", row["gpus"], free[i].fleet.gpus)
        yield from _of_gpu(scenario, row, fixed[i], tables[i])


def _of_gpu(
    scenario: PublishedScenario, row: Row, fixed: GpuEnergy, table: GpuEnergy
) -> Iterator[Figure]:
    kinds: dict[str, Kind] = {
        "rho": "ratio", "n_active": "ratio", "tok_per_w": "ratio", "w_per_gpu": "watts",
        "usd_per_mtok": "ratio", "p99_ms": "ms",
    }  # fmt: skip
    for quantity, kind in kinds.items():
        if quantity in row:
            why = SAMPLED if quantity in ("rho", "n_active") else AT_OCCUPANCY
            yield Figure(
                scenario.key, row["gpu"], quantity, kind, row[quantity],
                _energy(fixed.fleet, quantity), _energy(table.fleet, quantity),
                leeway=0.005, why=why,
            )  # fmt: skip
    for rho, value in row.get("sweep", {}).items():
        method, tabulated = (
            next(p.fleet.tokens_per_watt for p in one.sweep if p.utilization == float(rho))
            for one in (fixed, table)
        )
        yield Figure(
            scenario.key, row["gpu"], f"tok_per_w at {rho}", "ratio", value, method,
            tabulated,
            leeway=0.005, why=AT_OCCUPANCY,
        )  # fmt: skip


def _energy(fleet: FleetEnergy, quantity: str) -> float:
    (pool,) = fleet.pools
    return {
        "rho": pool.utilization,
        "n_active": pool.batch,
        "tok_per_w": fleet.tokens_per_watt,
        "w_per_gpu": pool.watts,
        "usd_per_mtok": fleet.usd_per_million_tokens,
        "p99_ms": pool.p99_ttft_ms,
    }[quantity]


def split(bench: Bench, scenario: PublishedScenario) -> Iterator[Figure]:
    """Puzzle 10: what a split with A10G saves of the power of one pool of H100."""
    stated = scenario.stated
    for row in scenario.rows:
        names = [stated["gpu_short"], stated["gpu_long"]]
        problem = stated_problem({**stated, "cdf": row["workload"]}, names)
        found = split_tokens_per_watt(problem, row["b_short"], *names, runs=_RUNS)
        yield Figure(
            scenario.key, f"{row['workload']}, split at {row['b_short']:,}", "power saved, %",
            "percent", None, 100.0 * _published_saving(found), 100.0 * found.saving,
            _more(found), why=NO_TABLE,
        )  # fmt: skip


def _published_saving(found: SplitEnergy) -> float:
    """By tokens per watt of the published formulas, for the same tokens."""
    two, one = found.split.published, found.one_pool.published
    assert two is not None
    assert one is not None
    return 1.0 - one.tokens_per_watt / two.tokens_per_watt


def _more(found: SplitEnergy) -> Interval | None:
    """What the split saves, simulated on the same arrivals, in percent of one pool's power."""
    two, one = found.split.simulated, found.one_pool.simulated
    if two is None or one is None or two.tokens_per_watt.estimate is None:
        return None
    return one.tokens_per_watt_less.scaled(100.0 / two.tokens_per_watt.estimate)


def stated_problem(stated: Row, gpus: list[str], **keys: Any) -> FleetProblem:
    """The problem of a published table about some GPU types. Raises InputError."""
    slo = [{"metric": "ttft", "limit_ms": stated["slo_ms"]}]
    named = {"cdf": stated["cdf"], "arrival_rate": stated["lam"], "slo": slo, "gpus": gpus}
    return validate(FleetProblem, {**named, **keys}, "")
