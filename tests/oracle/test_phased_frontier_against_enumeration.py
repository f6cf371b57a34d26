"""Frontiers with phases apart against all fleets: of random rows, drafts, and real tables."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from phased import phased_fleets, phased_problem
from side_constraints import NAMES, SITE, random_side, with_hardware, within
from test_frontier_against_enumeration import (
    Instance,
    RandomLatencies,
    assert_same,
    enumerated,
    ordered,
)
from test_phased_design_against_whole import phased_case

from fleetopt.case import Case
from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.design import USERS_ROWS, Design
from fleetopt.optimization.epsilon import LimitedProgram
from fleetopt.optimization.limits import NONE
from fleetopt.optimization.objectives import WORST, Objective, Worst
from fleetopt.optimization.pareto import Point, non_dominated
from fleetopt.questions.frontier import frontier
from fleetopt.verification import METRICS_OF

PAIRS: tuple[tuple[Objective, Objective], ...] = (
    ("cost", "ttft"), ("cost", "tpot"), ("ttft", "tpot"), ("cost", "power"), ("gpus", "ttft"),
    ("power", "tpot"), ("energy", "cost"), ("carbon", "ttft"),
)  # fmt: skip


class PhasedLatencies(RandomLatencies):
    """The same, where a pool of one phase has the latency of that phase alone."""

    def value_ms(self, name: Worst, candidate: Candidate, row: Row) -> float:
        """The latency of a row; 0 for what the other phase answers for."""
        if name not in METRICS_OF[candidate.phase]:
            return 0.0
        return super().value_ms(name, candidate, row)

    def is_never_within(self, name: Worst, candidate: Candidate, limit_ms: float) -> bool:
        """Whether it is above a limit for every number of replicas."""
        own = name in METRICS_OF[candidate.phase]
        return own and super().is_never_within(name, candidate, limit_ms)


def phased_instance(seed: int) -> Instance:
    """A random problem with pools of one phase, and limits in two of three cases."""
    problem = with_hardware(seed, phased_problem(seed))
    every = phased_fleets(problem)
    names = random.Random(seed).sample(NAMES, seed % 3)
    side = random_side(names, every, seed) if every else replace(NONE, site=SITE)
    left = tuple(pools for pools in every if within(pools, side))
    return Instance(problem, side, PhasedLatencies(seed), left)


def instances(first_seed: int, count: int) -> list[Instance]:
    """Instances with some choice, and not too much of it."""
    found = map(phased_instance, itertools.count(first_seed, len(PAIRS)))
    return list(itertools.islice((i for i in found if 20 <= len(i.every) <= 3000), count))


@dataclass
class Drafted:
    """An instance whose candidates are drafts; some turn out to have no row."""

    instance: Instance
    seed: int
    evaluated: set[int] = field(default_factory=set)

    @property
    def drafts(self) -> list[Candidate]:
        """Each candidate with a row that uses no more, and as many that are none."""
        rng, known = random.Random(self.seed), self.instance.problem.candidates
        ghosts = [replace(c, index=len(known) + c.index) for c in known if rng.random() < 0.5]
        return [self._draft(rng, c) for c in (*known, *ghosts)]

    def _draft(self, rng: random.Random, c: Candidate) -> Candidate:
        side, least = self.instance.side, min(row.replicas for row in c.rows)
        replicas = max(side.min_replicas, least - rng.randint(0, 3), 1)
        drawn = rng.choice((0.5, 1.0)) * min(row.drawn_kw or 0.0 for row in c.rows)
        row = Row.available(replicas, side.spares, c.gpus_per_replica)
        watts = rng.choice((0.8, 1.0)) * (c.watts or 0.0)
        return replace(c, rows=(replace(row, drawn_kw=drawn),), watts=watts)

    def evaluate(self, draft: Candidate) -> Candidate | None:
        """The candidate itself; asked for once."""
        assert draft.index not in self.evaluated
        self.evaluated.add(draft.index)
        return next((c for c in self.instance.problem.candidates if c.index == draft.index), None)

    def frontier(self, first: Objective, second: Objective) -> list[Point]:
        """What the program finds."""
        problem, drafts = self.instance.problem, self.drafts
        program = LimitedProgram(
            drafts, problem.num_breakpoints, problem.max_pools, self.instance.latencies,
            self.instance.side, evaluate=self.evaluate,
        )  # fmt: skip
        return list(non_dominated(program, first, second))


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_the_frontier_is_the_enumerated_one(pair: tuple[Objective, Objective]) -> None:
    """Three problems for each pair in both orders, their candidates known or drafts."""
    apart, sizes = 0, []
    for instance in instances(PAIRS.index(pair), 3):
        for first, second in filter(lambda names: ordered(*names), (pair, pair[::-1])):
            expected = enumerated(instance, first, second)
            points = instance.frontier(first, second)
            assert_same(points, expected)
            assert_same(Drafted(instance, len(sizes)).frontier(first, second), expected)
            apart += any(c.is_decode for point in points for c, _ in point.solution.chosen)
            sizes.append(len(points))
    assert apart >= 1
    assert max(sizes) > (1 if set(pair) & set(WORST) else 0)


def test_not_every_draft_is_evaluated() -> None:
    """Of larger problems most candidates are on no path that comes into question."""
    some = [i for i in instances(0, 6) if len(i.problem.candidates) >= 40]
    drafted = [Drafted(instance, 0) for instance in some]
    for one in drafted:
        one.frontier("cost", "ttft")
    assert drafted
    shares = [len(one.evaluated) / len(one.drafts) for one in drafted]
    assert min(shares) < 0.6


OF_TABLES: tuple[tuple[Objective, Worst], ...] = (
    ("cost", "ttft"), ("cost", "tpot"), ("power", "ttft"), ("gpus", "tpot"),
)  # fmt: skip
Ways = NDArray[np.float64]
"""What a sum and a latency are in each way to serve some lengths: two columns."""


@pytest.mark.parametrize(
    "seed", [0, 1, 7, 10, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (4, 5, 9))]
)
def test_frontiers_of_real_tables(seed: int) -> None:
    """Against all fleets of one pool or pair, and of two, with all rows that the tables give."""
    case, pair = phased_case(seed), OF_TABLES[seed % len(OF_TABLES)]
    found = frontier(case.problem, pair)
    expected = least_of(of_tables(case, *pair))
    assert [p.values for p in found.points] == [pytest.approx(v, rel=1e-4) for v in expected]
    assert len(found.points) > 1
    assert any(pool.phase for point in found.points for pool in point.fleet.pools)


def least_of(every: Ways) -> list[tuple[float, float]]:
    """The ways that no other dominates; latencies nearer than 2e-5 are the same."""
    best: list[tuple[float, float]] = []
    for x, y in every[np.lexsort(every.T[::-1])]:
        if not best or y < best[-1][1] * (1.0 - 2e-5):
            best.append((float(x), float(y)))
    return best


def of_tables(case: Case, first: Objective, second: Worst) -> Ways:
    """Every fleet."""
    design = Design(case, grey=False, extra_rows=USERS_ROWS)
    last = len(case.nodes) - 1

    def rows(candidate: Candidate) -> Ways:
        own = second in METRICS_OF[candidate.phase]
        table = design.table(candidate)
        return np.array(
            [
                (used(first, candidate, row),
                 1000.0 * (table.row(row.replicas).percentile_s(second, 99.0) or 0.0) * own)
                for row in candidate.rows
            ]
        )  # fmt: skip

    def on(start: int, end: int) -> Ways:
        there = [c for c in design.candidates if (c.start, c.end) == (start, end)]
        whole = [rows(c) for c in there if c.phase is None]
        pairs = [
            both(rows(c), rows(other))
            for c in there
            for other in there
            if (c.phase, other.phase, c.link) == ("prefill", "decode", other.link)
        ]
        return np.concatenate([np.empty((0, 2)), *whole, *pairs])

    splits = range(1, last) if case.problem.max_pools == 2 else range(0)
    return np.concatenate([on(0, last), *(both(on(0, i), on(i, last)) for i in splits)])


def both(one: Ways, other: Ways) -> Ways:
    """Each way of one with each of the other: their sum, and the worse latency."""
    sums = one[:, None, 0] + other[None, :, 0]
    worst = np.maximum(one[:, None, 1], other[None, :, 1])
    return np.stack([sums.ravel(), worst.ravel()], axis=1)


def used(name: Objective, candidate: Candidate, row: Row) -> float:
    """What a pool has of a sum."""
    bought = row.replicas + row.spare
    if name == "gpus":
        return float(candidate.gpus_per_replica * bought)
    if name == "power":
        return (candidate.watts or 0.0) * bought / 1000.0
    return 8760.0 * candidate.usd_per_hour * bought
