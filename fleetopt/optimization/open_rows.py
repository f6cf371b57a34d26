"""Rows under bounds on latency: which of each candidate may be built, as far as is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from fleetopt.optimization.candidates import EXTRA_ROWS, Candidate, Row, rows_above
from fleetopt.optimization.objectives import Chosen, Latencies, Worst

Bounds = Mapping[Worst, float]
"""The most milliseconds of each latency that is bounded."""
Weight = Callable[[Candidate, Row], float]
RowOf = Callable[[Candidate, int], Row]
Key = tuple[Worst, int, int]
"""A latency, a candidate and its number of replicas."""


class OpenRows:
    """The first row of each candidate that keeps bounds; those above it have larger sums.

    A latency takes a millisecond to compute, a comparison with a bound a tenth of that. Both
    are done for rows that some lightest fleet would have, and kept.

    row_of: the row of a candidate with a number of replicas, for rows that are added; one
        without spare replicas if absent.
    """

    def __init__(
        self, candidates: Sequence[Candidate], num_breakpoints: int, max_pools: int,
        latencies: Latencies,
        row_of: RowOf | None = None,
    ) -> None:  # fmt: skip
        self._candidates = {c.index: c for c in sorted(candidates, key=lambda c: c.start)}
        self._last = num_breakpoints - 1
        self._max_pools = max_pools
        self._latencies = latencies
        self._row_of = row_of or (lambda _, replicas: Row(replicas))
        self._values: dict[Key, float] = {}
        self._between: dict[Key, tuple[float, float]] = {}

    def worst(self, name: Worst, chosen: Chosen) -> float:
        """The latency of a fleet's worst pool."""
        return max(self._value(name, candidate, row) for candidate, row in chosen)

    def under(self, bounds: Bounds) -> dict[int, Row]:
        """The first row of each candidate, by its index, that is not known to break a bound."""
        found = {}
        for candidate in self._candidates.values():
            for row in candidate.rows:
                if self._is_open(candidate, row, bounds):
                    found[candidate.index] = row
                    break
        return found

    def with_one_row(self, bounds: Bounds) -> list[Candidate]:
        """The candidates, each with that row alone."""
        return [
            replace(self._candidates[index], rows=(row,))
            for index, row in self.under(bounds).items()
        ]

    def with_all_rows(self, bounds: Bounds) -> list[Candidate]:
        """The candidates with every row that is not known to break a bound."""
        return [
            replace(candidate, rows=rows)
            for candidate in self._candidates.values()
            if (rows := tuple(r for r in candidate.rows if self._is_open(candidate, r, bounds)))
        ]

    def refuse(self, index: int, replicas: int) -> None:
        """Take away a candidate's rows with at most `replicas`; the next ones follow the last."""
        candidate = self._candidates[index]
        left = tuple(row for row in candidate.rows if row.replicas > replicas)
        if not left:
            numbers = rows_above(replicas, EXTRA_ROWS + 1)
            left = tuple(self._row_of(candidate, n) for n in numbers)
        self._candidates[index] = replace(candidate, rows=left)

    def lightest(self, bounds: Bounds, weight: Weight, most: float = math.inf) -> Chosen:
        """The lightest fleet that keeps the bounds, side constraints aside.

        () if there is none of at most this weight, which rows that are still unknown cannot
        change. It shows which rows have to be looked at before the program is solved, in a
        hundredth of the program's time.
        """
        opened = self.under(bounds)
        while True:
            lightest, path = self._lightest(opened, weight)
            if lightest > most:
                return ()
            if not [c for c in path if self._advance(c, opened, bounds)]:
                return tuple((candidate, opened[candidate.index]) for candidate in path)

    def keeps(self, bounds: Bounds, chosen: Chosen) -> bool:
        """Whether every pool of a fleet keeps the bounds; all are looked at."""
        late = [
            self._is_late(name, candidate, row, most)
            for name, most in bounds.items()
            for candidate, row in chosen
        ]
        return not any(late)

    def _advance(self, candidate: Candidate, opened: dict[int, Row], bounds: Bounds) -> bool:
        """Move a candidate on to its first row within the bounds; whether it had to move."""
        before = opened[candidate.index]
        for row in candidate.rows[candidate.rows.index(before) :]:
            if not any(self._is_late(name, candidate, row, m) for name, m in bounds.items()):
                opened[candidate.index] = row
                return row is not before
        del opened[candidate.index]
        return True

    def _value(self, name: Worst, candidate: Candidate, row: Row) -> float:
        key = (name, candidate.index, row.replicas)
        if key not in self._values:
            self._values[key] = self._latencies.value_ms(name, candidate, row)
        return self._values[key]

    def _is_open(self, candidate: Candidate, row: Row, bounds: Bounds) -> bool:
        """Whether a row is not known to break a bound."""
        for name, most in bounds.items():
            between = self._between.get((name, candidate.index, row.replicas))
            if between is not None and between[0] >= most:
                return False
        return True

    def _is_late(self, name: Worst, candidate: Candidate, row: Row, most: float) -> bool:
        """Whether a row breaks a bound; asked again only between the bounds asked before."""
        key = (name, candidate.index, row.replicas)
        within, beyond = self._between.get(key, (-math.inf, math.inf))
        if not within < most < beyond:
            return within >= most
        late = self._latencies.exceeds(name, candidate, row, most)
        self._between[key] = (most, beyond) if late else (within, most)
        return late

    def _lightest(
        self, opened: Mapping[int, Row], weight: Weight
    ) -> tuple[float, tuple[Candidate, ...]]:
        """The path of least weight with at most `max_pools` arcs, by dynamic programming."""
        arcs = [
            (self._candidates[c], weight(self._candidates[c], row)) for c, row in opened.items()
        ]
        reached: list[dict[int, tuple[float, tuple[Candidate, ...]]]] = [{0: (0.0, ())}]
        for used in range(self._max_pools):
            step: dict[int, tuple[float, tuple[Candidate, ...]]] = {}
            for candidate, more in arcs:
                if candidate.start in reached[used]:
                    so_far, path = reached[used][candidate.start]
                    if so_far + more < step.get(candidate.end, (math.inf,))[0]:
                        step[candidate.end] = so_far + more, (*path, candidate)
            reached.append(step)
        ends = [step[self._last] for step in reached if self._last in step]
        return min(ends, key=lambda end: end[0], default=(math.inf, ()))
