"""The rates at which enough requests keep both bounds, by the feasibility tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from fleetopt.problem import LatencyBound
from fleetopt.queueing.crossing import last_below

TOLERANCE = 2e-3
"""Relative precision of rates."""
_IDLE = 1e-6
"""Share of the largest rate at which replicas serve one request at a time."""


class RatedTable(Protocol):
    """What is asked of a table."""

    def at_rate(self, arrival_rate: float) -> RatedTable:
        """The same pool at another arrival rate."""
        ...

    def utilization(self, replicas: int) -> float:
        """Offered work over what the replicas do with every slot busy."""
        ...

    def row(self, replicas: int) -> MissingRow:
        """The row of a number of replicas."""
        ...


class MissingRow(Protocol):
    """A row that knows what it misses."""

    def miss(self, bound: LatencyBound, stretch: float = 1.0) -> float:
        """P(latency > limit)."""
        ...


@dataclass(frozen=True, eq=False)
class Phase:
    """Replicas of one profile that do one phase, or both, in any number.

    table: at some arrival rate. bounds: those that it is held to.
    """

    profile: str
    gpus: int
    table: RatedTable
    bounds: tuple[LatencyBound, ...]
    max_utilization: float

    def kept(self, replicas: int, rate: float) -> float:
        """Share of the requests within the bounds, taken as independent."""
        row, share = self.table.at_rate(rate).row(replicas), 1.0
        for bound in self.bounds:
            share *= 1.0 - min(1.0, row.miss(bound))
        return share

    def used(self, replicas: int, rate: float) -> float:
        """Utilization."""
        return self.table.at_rate(rate).utilization(replicas)

    def most_by_utilization(self, replicas: int) -> float:
        """The rate at which the cap of the utilization is reached."""
        return self.max_utilization / self.used(replicas, 1.0)


def most(shares: Callable[[float], float], cap: float, attainment: float) -> float:
    """The largest rate up to a cap at which the share is attained; 0 if there is none."""
    high = cap * (1.0 - 1e-9)
    if shares(high) >= attainment:
        return high
    if shares(_IDLE * cap) < attainment:
        return 0.0
    return last_below(lambda rate: attainment - shares(rate), high, TOLERANCE)


class Rates:
    """Rates of phases by themselves, and of two of them together, each computed once."""

    def __init__(self, attainment: float) -> None:
        self.attainment = attainment
        self._alone: dict[tuple[Phase, int], float] = {}

    def alone(self, phase: Phase, replicas: int) -> float:
        """The largest rate at which the share keeps the bounds of one phase."""
        key = (phase, replicas)
        if key not in self._alone:
            cap = phase.most_by_utilization(replicas)
            self._alone[key] = most(lambda rate: phase.kept(replicas, rate), cap, self.attainment)
        return self._alone[key]

    def both(self, first: Phase, n_first: int, second: Phase, n_second: int) -> float:
        """The largest rate at which the share keeps the bounds of both, independently."""
        cap = min(self.alone(first, n_first), self.alone(second, n_second))
        if cap <= 0.0:
            return 0.0
        return most(
            lambda rate: first.kept(n_first, rate) * second.kept(n_second, rate),
            cap,
            self.attainment,
        )


@dataclass(frozen=True)
class Choice:
    """Two phases with their numbers of replicas."""

    first: Phase
    n_first: int
    second: Phase
    n_second: int

    @property
    def gpus(self) -> int:
        """Of both."""
        return self.n_first * self.first.gpus + self.n_second * self.second.gpus


def choices(pairs: Sequence[tuple[Phase, Phase]], max_gpus: int) -> Iterator[Choice]:
    """Every pair of phases in every number that the GPUs allow."""
    for first, second in pairs:
        for n in range(1, (max_gpus - second.gpus) // first.gpus + 1):
            for m in range(1, (max_gpus - n * first.gpus) // second.gpus + 1):
                yield Choice(first, n, second, m)


def best_choice(
    rates: Rates, pairs: Sequence[tuple[Phase, Phase]], max_gpus: int
) -> tuple[Choice | None, float, int, int]:
    """The choice of the largest rate per GPU, its rate, the number of choices and of those tried.

    A pair carries no more than either phase by itself, and that no more than its utilization
    allows. Choices are tried in the order of the latter bound, until it falls below what was found.
    """
    caps: dict[tuple[Phase, int], float] = {}

    def cap(phase: Phase, replicas: int) -> float:
        key = (phase, replicas)
        if key not in caps:
            caps[key] = phase.most_by_utilization(replicas)
        return caps[key]

    bounded = [
        (min(cap(c.first, c.n_first), cap(c.second, c.n_second)) / c.gpus, c)
        for c in choices(pairs, max_gpus)
    ]
    bounded.sort(key=lambda pair: (-pair[0], pair[1].gpus))
    best, found, tried = None, 0.0, 0
    for top, choice in bounded:
        goodput = 0.0 if best is None else found / best.gpus
        if top <= goodput:
            break
        if rates.alone(choice.second, choice.n_second) / choice.gpus <= goodput:
            continue
        if rates.alone(choice.first, choice.n_first) / choice.gpus <= goodput:
            continue
        tried += 1
        rate = rates.both(choice.first, choice.n_first, choice.second, choice.n_second)
        if rate / choice.gpus > goodput:
            best, found = choice, rate
    return best, found, len(bounded), tried


def best_alone(
    rates: Rates, phases: Sequence[Phase], max_gpus: int
) -> tuple[Phase | None, int, float]:
    """The phase, and its replicas, with the largest rate per GPU; that rate."""
    bounded = [
        (phase.most_by_utilization(n) / (n * phase.gpus), n, phase)
        for phase in phases
        for n in range(1, max_gpus // phase.gpus + 1)
    ]
    bounded.sort(key=lambda row: (-row[0], row[1] * row[2].gpus))
    best: Phase | None = None
    replicas, found, goodput = 0, 0.0, 0.0
    for top, n, phase in bounded:
        if top <= goodput:
            break
        rate = rates.alone(phase, n)
        if rate / (n * phase.gpus) > goodput:
            best, replicas, found, goodput = phase, n, rate, rate / (n * phase.gpus)
    return best, replicas, found
