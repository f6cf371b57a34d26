"""Random small problems with phases together and apart, and all their fleets."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from enumeration import Pools, Problem, candidate, cost, counts, random_problem

from fleetopt.optimization.candidates import Candidate, Row


def phased_problem(seed: int) -> Problem:
    """A random problem, with pools of one phase on some arcs of one or two links."""
    rng, plain = random.Random(f"phases {seed}"), random_problem(seed)
    links = ("first", "second")[: rng.randint(1, 2)]
    arcs = [(i, j) for j in range(plain.num_breakpoints) for i in range(j)]
    presence = rng.choice((0.4, 0.7, 1.0))
    kept = list(plain.candidates) if rng.random() < 0.7 else []
    for arc in arcs:
        for link in links:
            for phase in ("prefill", "decode"):
                for gpu in ("a", "b"):
                    if rng.random() < presence * (0.5 if len(links) > 1 else 0.8):
                        kept.append(_candidate(rng, arc, gpu, phase, link))
    rng.shuffle(kept)
    numbered = tuple(replace(c, index=i) for i, c in enumerate(kept))
    most = plain.max_pools if plain.num_breakpoints < 6 else min(2, plain.max_pools)
    return Problem(numbered, plain.num_breakpoints, most)


def phased_fleets(problem: Problem) -> list[Pools]:
    """Every fleet whose prefill pools have a partner on their arc and link, cheapest first."""
    return sorted(_fleets(problem, 0, problem.max_pools), key=cost)


def _fleets(problem: Problem, start: int, pools_left: int) -> Iterator[Pools]:
    if start == problem.num_breakpoints - 1:
        yield ()
    elif pools_left > 0:
        for pools in _pools(problem, start):
            for rest in _fleets(problem, pools[0][0].end, pools_left - 1):
                yield (*pools, *rest)


def _pools(problem: Problem, start: int) -> Iterator[Pools]:
    """One pool of both phases, or one of each."""
    begins = [c for c in problem.candidates if c.start == start and c.phase != "decode"]
    for c in begins:
        for row in c.rows:
            if c.phase is None:
                yield ((c, row),)
            else:
                yield from (((c, row), other) for other in _partners(problem, c))


def _partners(problem: Problem, c: Candidate) -> Iterator[tuple[Candidate, Row]]:
    for other in problem.candidates:
        same = (other.start, other.end, other.link) == (c.start, c.end, c.link)
        if same and other.phase == "decode":
            yield from ((other, row) for row in other.rows)


def _candidate(
    rng: random.Random, arc: tuple[int, int], gpu: str, phase: str, link: str
) -> Candidate:
    return candidate(
        arc,
        gpu,
        counts(rng, 6, 2),
        usd_per_hour=round(rng.uniform(0.5, 5.0), 2),
        gpus_per_replica=rng.choice((1, 2)),
        watts=rng.choice((300.0, 700.0)),
        phase=phase,
        link=link,
    )
