"""When GPUs have to be added as the arrival rate grows: fleets, thresholds and dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from fleetopt.errors import InputError
from fleetopt.problem import ProfileSpec, WhatIf
from fleetopt.questions.two_pools import PoolSize, Sizes, Split
from fleetopt.questions.whatif.asked import pools_over_rates
from fleetopt.questions.whatif.staircase import Reach, Step, carried, staircase, weakest
from fleetopt.workload.compression import Served

MOST_STEPS = 2000
"""Steps of a range from which they are no list to read; thresholds of the given rates remain."""
SHORT, LONG = "short", "long"


@dataclass(frozen=True)
class SizedFleet:
    """The least fleet for one arrival rate.

    lam: requests per second. split: its pools.
    add_before_lam: the arrival rate from which it no longer keeps every limit; None where it
        does not even at `lam`.
    grows: the pools that need one replica more by then. limit: what holds them back.
    """

    lam: float
    split: Split
    add_before_lam: float | None
    grows: tuple[str, ...]
    limit: str


@dataclass(frozen=True)
class GrowingFleet:
    """Two pools over a range of arrival rates.

    fleets: for each rate that was asked for, in its order.
    reaches: what the pools carry, by "short" and "long"; those without requests are left out.
    steps: every least fleet between the ends of the range; empty where one of them keeps the
        bound on no number of replicas, and where there are more than `MOST_STEPS`.
    notes: what to know of the lengths.
    """

    stated: WhatIf
    fleets: tuple[SizedFleet, ...]
    reaches: Mapping[str, Reach]
    steps: tuple[Step, ...]
    notes: tuple[str, ...]

    @property
    def hopeless(self) -> tuple[str, ...]:
        """Pools that keep the bound on no number of replicas."""
        most = {name: pool.replicas for name, pool in pools_of(_largest(self.fleets).split).items()}
        return tuple(name for name, n in most.items() if self.reaches[name].rate(n) == 0.0)

    @property
    def factors(self) -> tuple[float, float]:
        """By how much the arrival rate and the GPUs grow from the least rate to the largest."""
        least, largest = min(self.fleets, key=lambda fleet: fleet.lam), _largest(self.fleets)
        return largest.lam / least.lam, largest.split.gpus / least.split.gpus

    def day_of(self, lam: float) -> date | None:
        """The day on which the arrival rate reaches `lam`.

        None if it never does or not before the year 9999, or if no growth or start is known.
        """
        days, start = self.days_until(lam), self.stated.start
        if days is None or start is None or days > (date.max - start).days:
            return None
        return start + timedelta(days=int(days))

    def days_until(self, lam: float) -> float | None:
        """Days until the arrival rate reaches `lam`; None if it never does."""
        growth = self.stated.growth
        return None if growth is None else growth.days_until(lam / self.stated.today)


def when_to_add(stated: WhatIf) -> GrowingFleet:
    """The least fleet for each arrival rate, and all those between the ends of the range.

    Raises InputError for wrong input, and InfeasibleError where the published method has no
    figures.
    """
    asked, sizes = pools_over_rates(stated)
    short, long = sizes.ranges(stated.b_short)
    named = {SHORT: (short, asked.short), LONG: (long, asked.long)}
    reaches = {
        name: _reach(sizes, name, what, gpu)
        for name, (what, gpu) in named.items()
        if what is not None
    }
    fleets = tuple(_sized(sizes.at(lam), stated.b_short, lam, reaches) for lam in stated.rates)
    return GrowingFleet(stated, fleets, reaches, _steps(fleets, reaches), sizes.case.notes)


def _reach(sizes: Sizes, name: str, what: Served, gpu: ProfileSpec) -> Reach:
    try:
        table = sizes.table(what, gpu)
    except InputError as error:
        place = f"gpu_{name}"
        raise InputError([replace(fault, place=place) for fault in error.faults]) from None
    return Reach(what, gpu, sizes.case.lengths.served_share(what), table)


def _sized(sizes: Sizes, b_short: int, lam: float, reaches: Mapping[str, Reach]) -> SizedFleet:
    """The least fleet at the rate of `sizes`."""
    split = Split(b_short, 1.0, *sizes.split(b_short))
    replicas = {name: pool.replicas for name, pool in pools_of(split).items()}
    most = carried(reaches, replicas)
    if most < lam * (1.0 - 1e-5):
        return SizedFleet(lam, split, None, (), "")
    grows = weakest(reaches, replicas)
    limit = ", ".join(dict.fromkeys(reaches[name].limit(replicas[name]) for name in grows))
    return SizedFleet(lam, split, max(most, lam), grows, limit)


def _steps(fleets: Sequence[SizedFleet], reaches: Mapping[str, Reach]) -> tuple[Step, ...]:
    least, largest = min(fleets, key=lambda fleet: fleet.lam), _largest(fleets)
    if any(fleet.add_before_lam is None for fleet in (least, largest)):
        return ()
    first = {name: pool.replicas for name, pool in pools_of(least.split).items()}
    last = {name: pool.replicas for name, pool in pools_of(largest.split).items()}
    if sum(last.values()) - sum(first.values()) > MOST_STEPS:
        return ()
    return tuple(staircase(reaches, first, least.lam, largest.lam))


def _largest(fleets: Sequence[SizedFleet]) -> SizedFleet:
    return max(fleets, key=lambda fleet: fleet.lam)


def pools_of(split: Split) -> Mapping[str, PoolSize]:
    """The pools of a split by their names, those without requests left out."""
    both = {SHORT: split.short, LONG: split.long}
    return {name: pool for name, pool in both.items() if pool is not None}
