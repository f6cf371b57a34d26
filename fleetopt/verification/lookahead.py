"""On a trace the cut loop looks ahead, so that it needs few solves.

Where bursts ask for many more replicas than the tables do, nearly every pool of the program is
too cheap, and refusing what it chooses would take a solve for each of them. A replay is cheap:
for every pool that was chosen and failed the least replicas that pass are sought, and in later
rounds those of more and more other pools, before the program is asked again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count, takewhile

from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.design import Chosen, Design
from fleetopt.verification.outcome import judged
from fleetopt.verification.verifier import Verifier

Measured = tuple[Candidate, int, tuple[float, ...]]
"""A pool, replicas, and the shares of its requests beyond each bound."""
PATIENCE = 3
"""Rounds without looking at pools that were not chosen."""


class LookAhead:
    """What the judge knows of pools beyond the one row that was chosen."""

    def __init__(self, design: Design, judge: Verifier) -> None:
        self._design = design
        self._judge = judge
        self._seen: set[int] = set()
        self._round = 0

    def needs(self, candidate: Candidate, row: Row) -> float | None:
        """The least replicas that pass; None if the judge does not look for them."""
        self._seen.add(candidate.index)
        return self._judge.least(judged(candidate, row))

    def others(self) -> list[tuple[Candidate, float]]:
        """Further cuts, of pools that were not chosen."""
        cuts = []
        for candidate in self._next():
            least = self.needs(candidate, candidate.rows[0])
            if least is not None and least > candidate.rows[0].replicas:
                cuts.append((candidate, least - 1))
        return cuts

    def misses(self, chosen: Sequence[Chosen]) -> Iterator[Measured]:
        """What rows of pools miss: those chosen, and on a trace of more replicas and more pools."""
        pools = [*chosen, *((candidate, candidate.rows[0]) for candidate in self._next())]
        for candidate, row in pools:
            for n in self._numbers(candidate, row):
                pool = replace(judged(candidate, row), replicas=n)
                yield candidate, n, self._judge.misses(pool)

    def _numbers(self, candidate: Candidate, row: Row) -> list[int]:
        """Replicas whose misses are looked at: further and further apart, to where it passes."""
        least = self.needs(candidate, row)
        if least is None or math.isinf(least):
            return [row.replicas]
        steps = takewhile(lambda n: n < least, (row.replicas + 2**k for k in count()))
        return sorted({row.replicas, *steps, int(least)})

    def _next(self) -> list[Candidate]:
        """Pools to look at: twice as many each round, those first that are cheap for their load."""
        self._round += 1
        if self._judge.traffic is None or self._round <= PATIENCE:
            return []
        left = [c for c in self._design.candidates if c.index not in self._seen]
        left.sort(key=lambda c: c.cost(c.rows[0]) / c.arrival_rate)
        return left[: 2 ** (self._round - 1)]
