"""Frontiers of random small problems against all their fleets, and against fresh programs."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import pyomo.core as pyo
import pytest
from enumeration import Pools, Problem, fleets
from side_constraints import (
    NAMES,
    SITE,
    gpus_of,
    hourly,
    kilowatts,
    mean_kilowatts,
    megawatt_hours,
    random_hardware,
    random_side,
    tonnes,
    within,
)
from test_fleet_scope_against_enumeration import attains, random_fleet

from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.epsilon import LimitedProgram
from fleetopt.optimization.limits import NONE, SideConstraints
from fleetopt.optimization.objectives import DRAWN, OBJECTIVES, WORST, Objective, Worst
from fleetopt.optimization.pareto import Point, non_dominated
from fleetopt.optimization.program import build
from fleetopt.optimization.solver import ProgramSolver

PAIRS = tuple(itertools.combinations((name for name in OBJECTIVES if name not in DRAWN), 2))
OF_DRAW: tuple[tuple[Objective, Objective], ...] = (
    ("cost", "mean-power"), ("energy", "cost"), ("carbon", "power"), ("energy", "ttft"),
)  # fmt: skip
"""Energy, carbon and the mean power are proportional to each other."""
WITH_A_SUM = [
    (a, b) if a not in WORST else (b, a) for a, b in PAIRS if a not in WORST or b not in WORST
]
Values = tuple[float, float]


@dataclass(frozen=True)
class RandomLatencies:
    """Latencies of rows: whole milliseconds, so that many are equal; most fall with replicas."""

    seed: int

    def value_ms(self, name: Worst, candidate: Candidate, row: Row) -> float:
        """The latency of a row."""
        rng = random.Random(f"{name} {self.seed} {candidate.index} {row.replicas}")
        return float(20 + rng.randint(0, 60) + 120 // row.replicas)

    def exceeds(self, name: Worst, candidate: Candidate, row: Row, limit_ms: float) -> bool:
        """Whether it is above a limit."""
        return self.value_ms(name, candidate, row) > limit_ms

    def is_never_within(self, name: Worst, candidate: Candidate, limit_ms: float) -> bool:
        """Whether it is above a limit for every number of replicas: 20 ms are the least."""
        return limit_ms < 20.0


@dataclass(frozen=True)
class Instance:
    """A random problem with limits in two of three cases, and two objectives."""

    problem: Problem
    side: SideConstraints
    latencies: RandomLatencies
    every: tuple[Pools, ...]

    @classmethod
    def of(cls, seed: int) -> Instance:
        """Instance number `seed`."""
        problem = random_hardware(seed)
        every = fleets(problem)
        names = random.Random(seed).sample(NAMES, seed % 3)
        side = random_side(names, every, seed) if every else replace(NONE, site=SITE)
        left = tuple(pools for pools in every if within(pools, side))
        return cls(problem, side, RandomLatencies(seed), left)

    def value(self, objective: Objective, pools: Pools) -> float:
        """An objective of a fleet, in its own words."""
        values: dict[Objective, Callable[[], float]] = {
            "cost": lambda: 8760.0 * hourly(pools, self.side.node_size),
            "gpus": lambda: float(gpus_of(pools, self.side.node_size).total()),
            "power": lambda: kilowatts(pools),
            "mean-power": lambda: mean_kilowatts(pools),
            "energy": lambda: megawatt_hours(pools),
            "carbon": lambda: tonnes(pools),
            "ttft": lambda: max(self.latencies.value_ms("ttft", *pool) for pool in pools),
            "tpot": lambda: max(self.latencies.value_ms("tpot", *pool) for pool in pools),
        }
        return values[objective]()

    def frontier(self, first: Objective, second: Objective) -> list[Point]:
        """What the program finds."""
        problem = self.problem
        program = LimitedProgram(
            problem.candidates,
            problem.num_breakpoints,
            problem.max_pools,
            self.latencies,
            self.side,
        )
        return list(non_dominated(program, first, second))


def enumerated(instance: Instance, first: Objective, second: Objective) -> list[Values]:
    """Values of the fleets that no other dominates, the first ascending."""
    both = ((instance.value(first, p), instance.value(second, p)) for p in instance.every)
    seen = [(round(x, 6), round(y, 6)) for x, y in both]  # equal sums differ by rounding
    best: list[Values] = []
    for x, y in sorted(seen):
        if not best or y < best[-1][1] - 1e-6:
            best.append((x, y))
    return best


def ordered(first: Objective, second: Objective) -> bool:
    """Whether the program takes the objectives in this order."""
    return not (first in WORST and second not in WORST)


def assert_same(points: Iterable[Point], expected: list[Values]) -> None:
    assert [p.values for p in points] == [pytest.approx(values) for values in expected]


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_the_frontier_is_the_enumerated_one_in_both_orders(
    pair: tuple[Objective, Objective],
) -> None:
    """Eight problems for each of ten pairs, most with limits, and one without a fleet."""
    sizes = []
    for instance in (*instances(PAIRS.index(pair), 8), without_fleet()):
        for first, second in filter(lambda names: ordered(*names), (pair, pair[::-1])):
            points = instance.frontier(first, second)
            assert_same(points, enumerated(instance, first, second))
            sizes.append(len(points))
    assert max(sizes) > (1 if set(pair) & set(WORST) else 0)
    assert sizes[-1] == 0


@pytest.mark.parametrize("pair", OF_DRAW, ids="-".join)
def test_frontiers_of_the_mean_draw(pair: tuple[Objective, Objective]) -> None:
    """Six problems of a few fleets each; the draw of a row may fall with its replicas."""
    some = (i for i in instances(OF_DRAW.index(pair), 40) if len(i.every) < 2000)
    sizes = []
    for instance in itertools.islice(some, 6):
        points = instance.frontier(*pair)
        assert_same(points, enumerated(instance, *pair))
        sizes.append(len(points))
    assert max(sizes) > 1


@pytest.mark.parametrize("pair", [("cost", "ttft"), ("gpus", "power"), ("ttft", "tpot")])
def test_where_all_requests_together_keep_the_slo(pair: tuple[Objective, Objective]) -> None:
    """More replicas can be worth their cost to the other pools, so every row counts."""
    sizes = []
    for seed in range(16):
        problem, slo = random_fleet(seed)
        every = tuple(pools for pools in fleets(problem) if attains(pools, slo))
        instance = Instance(problem, replace(NONE, slo=slo), RandomLatencies(seed), every)
        if 0 < len(every) < 5000:
            points = instance.frontier(*pair)
            assert_same(points, enumerated(instance, *pair))
            sizes.append(len(points))
    assert len(sizes) >= 8


def instances(first_seed: int, count: int) -> Iterator[Instance]:
    """Instances with some choice."""
    seeds = itertools.count(first_seed, len(PAIRS))
    found = (instance for instance in map(Instance.of, seeds) if len(instance.every) >= 20)
    return itertools.islice(found, count)


def without_fleet() -> Instance:
    return next(found for found in map(Instance.of, itertools.count()) if not found.every)


@pytest.mark.parametrize("seed", range(60))
def test_every_point_is_optimal_for_its_epsilon(seed: int) -> None:
    """A fresh program with all rows and epsilon as a constraint has the same optimum."""
    instance = next(instances(seed, 1))
    first, second = WITH_A_SUM[seed % len(WITH_A_SUM)]
    for point in instance.frontier(first, second):
        for epsilon in (point.epsilon, point.values[1] + 1e-5):
            least = fresh_optimum(instance, first, second, epsilon)
            assert least == pytest.approx(point.values[0])
        chosen = tuple((by_index(instance, c), row) for c, row in point.solution.chosen)
        assert chosen in instance.every
        assert point.solution.gap == 0.0


def by_index(instance: Instance, candidate: Candidate) -> Candidate:
    return next(c for c in instance.problem.candidates if c.index == candidate.index)


def fresh_optimum(instance: Instance, first: Objective, second: Objective, epsilon: float) -> float:
    """The least of a sum with the other objective at most epsilon; every row is a column."""
    problem = instance.problem
    model = build(problem.candidates, problem.num_breakpoints, problem.max_pools, instance.side)
    sums = {
        "cost": 8760.0 * model.cost,
        "gpus": model.total_gpus,
        "power": model.power,
        "mean-power": model.mean_power,
        "energy": model.energy,
        "carbon": model.carbon,
    }
    if second in WORST:
        for (c, k), row in model.row.items():
            if instance.latencies.exceeds(second, model.candidate[c], row, epsilon):
                model.z[c, k].fix(0)
    elif math.isfinite(epsilon):
        model.epsilon = pyo.Constraint(expr=sums[second] <= epsilon)
    model.least_cost.deactivate()
    model.least = pyo.Objective(expr=sums[first])
    solution = ProgramSolver(model).solve()
    return solution.objective
