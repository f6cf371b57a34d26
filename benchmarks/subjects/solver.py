"""The program in the solver: a solve after a cut, and the ten best fleets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from time import perf_counter

import numpy as np

from benchmarks.figures import Figure, Subject, Target
from fleetopt.case import Case
from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.design import Design
from fleetopt.optimization.program import build
from fleetopt.optimization.solver import ProgramSolver
from fleetopt.problem import FleetProblem

PRICES = {"a10g": 1.01, "a100": 2.21, "h100": 4.02}
BREAKPOINTS = 58
"""58 breakpoints and 3 profiles make 4,959 candidates."""
CUTS = 9


def measure() -> Iterator[Figure]:
    """Seconds of the default problem and of a program of 5,000 candidates."""
    small = Design(Case.of(FleetProblem()), grey=True).candidates
    for candidates in (small, many_candidates()):
        points = 1 + max(candidate.end for candidate in candidates)
        solver = ProgramSolver(build(candidates, points, 3))
        name = f"{len(candidates):,} candidates"
        first_s, again_s = seconds_of_cuts(solver)
        yield Figure(f"{name}: first solve", first_s, "s")
        median_s = float(np.median(again_s))
        yield Figure(f"{name}: solve after a cut, median", median_s, "s", Target("at most", 0.1))
        yield Figure(f"{name}: the slowest of {CUTS}", max(again_s), "s")
        began = perf_counter()
        found = solver.best(10)
        seconds = perf_counter() - began
        yield Figure(f"{name}: {len(found)} best fleets", seconds, "s", Target("at most", 3.0))


def seconds_of_cuts(solver: ProgramSolver) -> tuple[float, list[float]]:
    """Seconds of the first solve, and of one after each cut that refuses a pool."""
    first = solution = solver.solve()
    again = []
    for i in range(CUTS):
        candidate, row = solution.chosen[i % len(solution.chosen)]
        solver.refuse(candidate, row.replicas)
        solution = solver.solve()
        again.append(solution.seconds)
    return first.seconds, again


def many_candidates() -> tuple[Candidate, ...]:
    """Every arc between many breakpoints on three profiles, with rows as tables have them."""
    rates = np.random.default_rng(1).uniform(0.2, 2.0, BREAKPOINTS)
    arcs = [(gpu, *ends) for gpu in PRICES for ends in combinations(range(BREAKPOINTS), 2)]
    return tuple(_candidate(i, *arc, rates) for i, arc in enumerate(arcs))


def _candidate(index: int, gpu: str, start: int, end: int, rates: np.ndarray) -> Candidate:
    rate = float(rates[start:end].sum())
    least = 1 + int(rate * (end / PRICES[gpu]) ** 1.2 / 20)
    return Candidate(
        index=index,
        start=start,
        end=end,
        lo_tokens=1024 * start,
        hi_tokens=1024 * end,
        gpu=gpu,
        profile=gpu,
        admission="reserved",
        usd_per_hour=PRICES[gpu],
        gpus_per_replica=1,
        arrival_rate=rate,
        rows=tuple(Row(least + k) for k in range(3)),
    )


SUBJECT = Subject("solver", "solves of a program that is held, with cuts between them", measure)
