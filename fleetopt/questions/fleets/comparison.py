"""Which router suits a fleet: the same arrivals for all, and paired differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fleetopt.plan import Interval
from fleetopt.problem import FleetSimulation, RouterStatement, validate
from fleetopt.questions.fleets.answer import Simulation, answer_of, interval
from fleetopt.questions.fleets.routers import TITLES
from fleetopt.questions.fleets.scenario import Scenario, scenario_of
from fleetopt.questions.fleets.simulating import replications_of, runs_of, workers
from fleetopt.simulation.fleet_results import attained, paired_difference
from fleetopt.simulation.fleet_run import FleetRun
from fleetopt.simulation.statistics import PROBABILITIES


@dataclass(frozen=True)
class RoutedFleet:
    """One router of a comparison.

    attainment_less: by how much the best router attains more, of all arrivals, run by run.
    p99_more_ms: by how much its percentile of the first bound's metric exceeds the best's.
    Both are of the same arrivals; None without an interval for a single run, and all None for
    the best itself and where a percentile means nothing.
    """

    stated: RouterStatement
    simulation: Simulation
    attainment_less: Interval
    p99_more_ms: Interval

    @property
    def title(self) -> str:
        """What reports call the router, with its parameters."""
        said = self.stated.text.partition(":")
        return TITLES[self.stated.name] + (f" ({said[2]})" if said[2] else "")


@dataclass(frozen=True)
class RouterComparison:
    """Routers in the order in which they were given; `best` is the index of the best.

    The best attains most of its worst bound; of those that attain the same, the one with the
    least P99.
    """

    routers: tuple[RoutedFleet, ...]
    best: int


def compare_routers(
    stated: FleetSimulation,
    routers: Sequence[str | RouterStatement],
    beside: Path | None = None,
    *,
    executor: Executor | None = None,
    progress: Callable[[str], None] | None = None,
) -> RouterComparison:
    """How a fleet fares behind each of several routers.

    routers: statements, or texts such as "compress:gamma=1.2"; that of the fleet is not used.
    beside: folder in which relative files are looked up first. Raises InputError.
    """
    chosen = [
        validate(RouterStatement, router, f"routers[{i}]") if isinstance(router, str) else router
        for i, router in enumerate(routers)
    ]
    scenario = scenario_of(stated, beside)
    return compare_scenario(scenario, chosen, executor=executor, progress=progress)


def compare_scenario(
    scenario: Scenario,
    routers: Sequence[RouterStatement],
    *,
    executor: Executor | None = None,
    progress: Callable[[str], None] | None = None,
) -> RouterComparison:
    """Every router on the same arrivals, lengths and failures.

    Raises InputError for a router that does not suit the fleet or its traffic.
    """
    fleets = [scenario.with_router(router) for router in routers]
    count = max(replications_of(fleet) for fleet in fleets)
    simulations = []
    with workers(executor, progress) as running:
        for fleet in fleets:
            if progress is not None:
                progress(f"simulating {TITLES[fleet.stated.router.name]}")
            simulations.append(answer_of(fleet, runs_of(fleet, running, count)))
    best = max(range(len(fleets)), key=lambda i: _rank(simulations[i]))
    return RouterComparison(
        tuple(
            RoutedFleet(router, simulation, *_beside(simulation, simulations[best]))
            for router, simulation in zip(routers, simulations, strict=True)
        ),
        best,
    )


def _rank(simulation: Simulation) -> tuple[float, float]:
    """More is better."""
    shares = [share.estimate or 0.0 for share in simulation.fleet.attained]
    p99 = p99_ms(simulation).estimate
    return min(shares), -np.inf if p99 is None else -p99


def p99_ms(simulation: Simulation) -> Interval:
    """P99 of the metric of the first bound."""
    metric = simulation.scenario.stated.slo[0].metric
    found = simulation.fleet.latency_ms.get(metric, {})
    return found.get("p99", Interval(None, None, None))


def _beside(ours: Simulation, best: Simulation) -> tuple[Interval, Interval]:
    """What a router attains less, and how much longer its P99 is, than the best's."""
    nothing = Interval(None, None, None)
    if ours is best:
        return nothing, nothing
    less = paired_difference(_attained(best.runs), _attained(ours.runs))
    if ours.unstable or best.unstable:
        return interval(less), nothing
    metric = ours.scenario.stated.slo[0].metric
    pair = [[_p99_s(run, metric) for run in one.runs] for one in (ours, best)]
    return interval(less), interval(paired_difference(*pair), 1000.0)


def _attained(runs: Sequence[FleetRun]) -> list[float]:
    """Share of the arrivals of each run within its worst bound."""
    bounds = range(len(runs[0].groups["fleet"].missed))
    worst = np.min([attained(runs, bound) for bound in bounds], axis=0)
    return [float(share) for share in worst]


def _p99_s(run: FleetRun, metric: str) -> float:
    return float(np.interp(0.99, PROBABILITIES, run.groups["fleet"].quantiles_s[metric]))
