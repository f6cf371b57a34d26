"""Random small problems and all their fleets, by plain enumeration."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fleetopt.optimization.candidates import Candidate, Row

Pools = tuple[tuple[Candidate, Row], ...]


@dataclass(frozen=True)
class Problem:
    """Candidates over breakpoints 0..num_breakpoints - 1, and a pool limit."""

    candidates: tuple[Candidate, ...]
    num_breakpoints: int
    max_pools: int


def random_problem(seed: int) -> Problem:
    """Two to seven breakpoints, one or two GPU types, one to four rows, often missing arcs."""
    rng = random.Random(seed)
    num_breakpoints, presence = rng.randint(2, 7), rng.choice((0.4, 0.8, 1.0))
    prices = {gpu: round(rng.uniform(0.5, 5.0), 2) for gpu in ("a", "b")[: rng.randint(1, 2)]}
    arcs = [(i, j) for j in range(num_breakpoints) for i in range(j)]
    kept = [(arc, gpu) for arc in arcs for gpu in prices if rng.random() < presence]
    rng.shuffle(kept)
    candidates = tuple(
        candidate(arc, gpu, counts(rng, 12, 4), index=index, usd_per_hour=prices[gpu])
        for index, (arc, gpu) in enumerate(kept)
    )
    return Problem(candidates, num_breakpoints, rng.randint(1, 4))


def fleets(problem: Problem) -> list[Pools]:
    """Every fleet of the problem, cheapest first."""
    return sorted(_fleets(problem, 0, problem.max_pools), key=cost)


def cost(pools: Pools) -> float:
    """USD per hour of a fleet."""
    return sum(pool.usd_per_hour * (row.replicas + row.spare) for pool, row in pools)


def _fleets(problem: Problem, start: int, pools_left: int) -> Iterator[Pools]:
    if start == problem.num_breakpoints - 1:
        yield ()
    elif pools_left > 0:
        for pool in problem.candidates:
            if pool.start == start:
                for rest in _fleets(problem, pool.end, pools_left - 1):
                    yield from (((pool, row), *rest) for row in pool.rows)


def candidate(arc: tuple[int, int], gpu: str, rows: Iterable[int], **more: Any) -> Candidate:
    """A pool for the lengths of an arc, with a row for each of these counts of replicas."""
    usual: dict[str, Any] = {"index": 0, "gpus_per_replica": 1}
    return Candidate(
        start=arc[0],
        end=arc[1],
        lo_tokens=1024 * arc[0],
        hi_tokens=1024 * arc[1],
        gpu=gpu,
        profile=gpu,
        admission="reserved",
        arrival_rate=float(arc[1] - arc[0]),
        rows=tuple(Row(replicas) for replicas in rows),
        **{**usual, **more},
    )


def counts(rng: random.Random, highest: int, most: int) -> list[int]:
    """One to `most` different counts of replicas up to the highest, in order."""
    return sorted(rng.sample(range(1, highest + 1), rng.randint(1, most)))
