"""Puzzle 5: which router causes SLO violations?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.plan import Interval
from fleetopt.problem import FleetSimulation, validate
from fleetopt.questions.fleets import RouterComparison, compare_routers
from fleetopt.questions.fleets.answer import Simulation
from fleetopt.questions.fleets.comparison import p99_ms
from fleetopt.questions.reproduce.bench import SEEDS, Bench, middle, poisson
from fleetopt.questions.reproduce.figure import Figure, Kind
from fleetopt.questions.reproduce.published import PublishedScenario
from fleetopt.simulation.fleet_model import FleetPool, Traffic
from fleetopt.simulation.published_dispatch import DispatchPool, dispatched_ttft_s
from fleetopt.simulation.published_slots import reported_p99_ms
from fleetopt.simulation.records import Requests
from fleetopt.simulation.routing import ByLength, CompressAndRoute, RandomPool, Router
from fleetopt.workload.lengths import LengthDistribution

REPLICATIONS = 4
FREES_EARLY = (
    "the published simulator frees a slot after a part of its time and measures completed "
    "requests of one run from an empty start"
)


@dataclass(frozen=True)
class RoutedPools:
    """The published two pools and their traffic; keys as in the published scenario."""

    stated: Mapping[str, Any]

    def compared(self, bench: Bench) -> RouterComparison:
        """All three routers on the same arrivals, in fleetopt's simulator."""
        stated = self.stated
        pools = [
            {"id": name, "gpu": stated[f"gpu_{name}"], "n_gpus": stated[f"n_{name}"],
             "max_ctx": context}
            for name, context in self._contexts
        ]  # fmt: skip
        keys = {
            "pools": pools, "cdf": stated["cdf"], "lam": stated["lam"],
            "slo": [f"p99 ttft {stated['slo_ms']:g}"], "replications": REPLICATIONS,
        }  # fmt: skip
        fleet = validate(FleetSimulation, keys, "")
        names = ["length", "compress", "random"]
        return compare_routers(fleet, names, executor=bench.executor, progress=bench.show)

    def dispatched(self, router: Router, seed: int) -> tuple[float, float]:
        """P99 TTFT in ms and percentage within the SLO, by the published simulator."""
        stated, rng = self.stated, np.random.default_rng(seed)
        lengths, _ = read_lengths(stated["cdf"])
        drawn = LengthDistribution.from_cdf(lengths).clipped(stated["max_ctx"])
        times, prompt, output = poisson(drawn, stated["lam"], stated["requests"], rng)
        pools = self._pools()
        routing = router.route(Traffic(times, prompt, output), prompt + output, pools, rng)
        cut = prompt if routing.prompt_tokens is None else routing.prompt_tokens
        to = routing.pool.tolist()
        dispatch = [DispatchPool(p.iteration, p.capacity.slots, p.replicas) for p in pools]
        ttft_s = dispatched_ttft_s(Requests(times, cut, output), dispatch, to.__getitem__)
        within = 100.0 * float(np.mean(1000.0 * ttft_s <= stated["slo_ms"]))
        return reported_p99_ms(ttft_s), within

    @property
    def _contexts(self) -> tuple[tuple[str, int], ...]:
        """Each pool with its context window."""
        return ("short", self.stated["b_short"]), ("long", self.stated["max_ctx"])

    def _pools(self) -> list[FleetPool]:
        stated, gpus = self.stated, read_profiles()
        pools = []
        for name, context in self._contexts:
            profile = CalibratedProfile(gpus[stated[f"gpu_{name}"]])
            capacity, count = profile.reserved(context), stated[f"n_{name}"]
            pools.append(FleetPool(name, profile.iteration, capacity, count))
        return pools


def routers(bench: Bench, scenario: PublishedScenario) -> Iterator[Figure]:
    """P99, attainment and verdict of each router, as far as they are published."""
    fleet = RoutedPools(scenario.stated)
    compared = fleet.compared(bench)
    b_short = scenario.stated["b_short"]
    behind: tuple[Router, ...] = (ByLength(), CompressAndRoute(b_short), RandomPool())
    for row, router, routed in zip(scenario.rows, behind, compared.routers, strict=True):
        runs = [fleet.dispatched(router, seed) for seed in range(SEEDS)]
        slow, within = (sorted(values) for values in zip(*runs, strict=True))
        yield from _figures(scenario, row, slow, within, routed.simulation)


def _figures(
    scenario: PublishedScenario,
    row: Mapping[str, Any],
    slow: list[float],
    within: list[float],
    simulation: Simulation,
) -> Iterator[Figure]:
    said: dict[str, tuple[Kind, list[float], Interval | str]] = {
        "p99_ms": ("ms", slow, p99_ms(simulation)),
        "slo_pct": ("percent", within, simulation.fleet.attained[0].scaled(100.0)),
    }
    for quantity, (kind, runs, simulated) in said.items():
        if quantity not in row:
            continue
        method, seeds = middle(runs)
        yield Figure(
            scenario.key, row["router"], quantity, kind, row[quantity], method,
            simulated=simulated, seeds=seeds, why=_reason(simulation),
        )  # fmt: skip
    if "slo_met" in row:
        yield Figure(
            scenario.key, row["router"], "slo_met", "yes", row["slo_met"],
            middle(slow)[0] <= scenario.stated["slo_ms"],
            simulated=simulation.standing, why=_reason(simulation),
        )  # fmt: skip


def _reason(simulation: Simulation) -> str:
    """What the simulator saw that the published one does not."""
    wrong = simulation.fleet.misrouted.estimate or 0.0
    if wrong > 0.001:
        return f"{100 * wrong:.1f} % of the requests are sent where they do not fit"
    unstable = [pool.name for pool in simulation.pools if pool.unstable]
    return f"the {unstable[0]} pool is unstable" if unstable else FREES_EARLY
