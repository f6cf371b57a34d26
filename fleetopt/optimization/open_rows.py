"""Rows under bounds on latency: which of each candidate may be built, as far as is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from fleetopt.optimization.candidates import EXTRA_ROWS, Candidate, Row, rows_above, with_just
from fleetopt.optimization.lightest import Arc, Weighed, lightest_path, lightest_pools
from fleetopt.optimization.objectives import Chosen, Latencies, Worst

Bounds = Mapping[Worst, float]
"""The most milliseconds of each latency that is bounded."""
Weight = Callable[[Candidate, Row], float]
RowOf = Callable[[Candidate, int], Row]
Evaluate = Callable[[Candidate], Candidate | None]
"""A candidate with its own rows, in the place of one that uses no more; None if it has none."""
Key = tuple[Worst, int, int]
"""A latency, a candidate and its number of replicas."""
_IDLE = Row(0)
"""Stands for all rows of a candidate, of which none is faster than idle replicas."""


class OpenRows:
    """The first row of each candidate that keeps bounds; those above it have larger sums.

    A latency takes a millisecond to compute, a comparison with a bound a tenth of that. Both
    are done for rows that some lightest fleet would have, and kept.

    row_of: the row of a candidate with a number of replicas, for rows that are added; one
        without spare replicas if absent.
    evaluate: where candidates are drafts; those that some lightest fleet would have get their
        rows by it. Candidates have their own rows if it is absent.
    """

    def __init__(
        self, candidates: Sequence[Candidate], num_breakpoints: int, max_pools: int,
        latencies: Latencies,
        row_of: RowOf | None = None,
        evaluate: Evaluate | None = None,
    ) -> None:  # fmt: skip
        self._candidates = {c.index: c for c in sorted(candidates, key=lambda c: c.start)}
        self._last = num_breakpoints - 1
        self._max_pools = max_pools
        self._on_arc: dict[Arc, list[int]] = {}
        for c in self._candidates.values():
            self._on_arc.setdefault((c.start, c.end), []).append(c.index)
        self._latencies = latencies
        self._row_of = row_of or (lambda _, replicas: Row(replicas))
        self._evaluate = evaluate
        self._drafts = set(self._candidates) if evaluate else set[int]()
        self._values: dict[Key, float] = {}
        self._between: dict[Key, tuple[float, float]] = {}
        self._seen = set[int]()

    def worst(self, name: Worst, chosen: Chosen) -> float:
        """The latency of a fleet's worst pool."""
        return max(self._value(name, candidate, row) for candidate, row in chosen)

    def under(self, bounds: Bounds) -> dict[int, Row]:
        """The first row of each candidate, by its index, that is not known to break a bound."""
        first = ((c.index, self._first(c, bounds)) for c in self._candidates.values())
        return {index: row for index, row in first if row is not None}

    def with_one_row(self, bounds: Bounds) -> list[Candidate]:
        """The candidates, each with that row alone."""
        return [
            with_just(self._candidates[index], (row,)) for index, row in self.under(bounds).items()
        ]

    def with_all_rows(self, bounds: Bounds) -> list[Candidate]:
        """The candidates with every row that is not known to break a bound."""
        return [
            with_just(candidate, rows)
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
        arcs = {arc: self._lightest_on(arc, opened, weight) for arc in self._on_arc}
        while True:
            lightest, path = lightest_path(arcs, self._last, self._max_pools)
            if lightest > most:
                return ()
            moved = {(c.start, c.end) for c in path if self._advance(c, opened, bounds)}
            if not moved:
                return tuple((self._candidates[c.index], opened[c.index]) for c in path)
            arcs |= {arc: self._lightest_on(arc, opened, weight) for arc in moved}

    def keeps(self, bounds: Bounds, chosen: Chosen) -> bool:
        """Whether every pool of a fleet keeps the bounds; all are looked at, drafts evaluated."""
        drafts = [c for c, _ in chosen if c.index in self._drafts]
        late = [
            self._is_late(name, candidate, row, most)
            for name, most in bounds.items()
            for candidate, row in chosen
            if candidate.index not in self._drafts
        ]
        for candidate in drafts:
            self._own(candidate, bounds)
        return not drafts and not any(late)

    def _advance(self, candidate: Candidate, opened: dict[int, Row], bounds: Bounds) -> bool:
        """Move a candidate on to its first row within the bounds; whether its weight changed."""
        before = opened.pop(candidate.index)
        own = self._own(candidate, bounds)
        for row in own.rows if own else ():
            if not any(self._is_late(name, candidate, row, m) for name, m in bounds.items()):
                opened[candidate.index] = row
                return row != before or (own is not None and own.watts != candidate.watts)
        return True

    def _own(self, candidate: Candidate, bounds: Bounds) -> Candidate | None:
        """A candidate with its own rows; None if it has none, or none of them can be in time."""
        index = candidate.index
        if any(self._is_never_within(name, candidate, most) for name, most in bounds.items()):
            return None
        if index in self._drafts and self._evaluate is not None:
            self._drafts.remove(index)
            found = self._evaluate(self._candidates.pop(index))
            if found is not None:
                self._candidates[index] = found
        return self._candidates.get(index)

    def _first(self, candidate: Candidate, bounds: Bounds) -> Row | None:
        """The first row that is not known to break a bound."""
        if candidate.index not in self._seen:
            return next(iter(candidate.rows), None)
        if not self._is_open(candidate, _IDLE, bounds):
            return None
        return next((row for row in candidate.rows if self._is_open(candidate, row, bounds)), None)

    def _lightest_on(self, arc: Arc, opened: Mapping[int, Row], weight: Weight) -> Weighed:
        """The lightest pools of an arc, at the rows that are open."""
        there = [self._candidates[i] for i in self._on_arc[arc] if i in opened]
        return lightest_pools([(weight(c, opened[c.index]), c) for c in there])

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
        if row is _IDLE:
            late = self._latencies.is_never_within(name, candidate, most)
        else:
            late = self._latencies.exceeds(name, candidate, row, most)
        self._between[key] = (most, beyond) if late else (within, most)
        self._seen.add(candidate.index)
        return late

    def _is_never_within(self, name: Worst, candidate: Candidate, most: float) -> bool:
        """Whether every row breaks a bound, as idle replicas do."""
        return self._is_late(name, candidate, _IDLE, most)
