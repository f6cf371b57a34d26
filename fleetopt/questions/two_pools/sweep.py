"""The sweep over factors of compression at one split, and which of them come first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING

from fleetopt.errors import InfeasibleError, InputError
from fleetopt.questions.two_pools.asked import TwoPools
from fleetopt.questions.two_pools.sizes import Sizes
from fleetopt.questions.two_pools.split import SimulatedSplit, Split
from fleetopt.workload.compression import Served

if TYPE_CHECKING:
    from fleetopt.problem import ProfileSpec


def sweep(asked: TwoPools, b_short: int, gammas: Sequence[float]) -> list[Split]:
    """The pools of each factor by the tables, in the order of the factors. Raises InputError."""
    sizes = Sizes(asked, asked.case(b_short, gammas))
    return sweep_sizes(sizes, b_short, gammas)


def sweep_sizes(sizes: Sizes, b_short: int, gammas: Sequence[float]) -> list[Split]:
    """The same of sizes that are there already."""
    sizes.find(pool for gamma in gammas for pool in sizes.pools(b_short, gamma))
    return [sized(sizes, b_short, gamma) for gamma in gammas]


def published_sweep(asked: TwoPools, b_short: int, gammas: Sequence[float]) -> list[Split]:
    """The same by the published formulas; one pool has nothing to compress."""
    compressing = (1.0,) if asked.is_one_pool(b_short) else gammas
    return sweep(replace(asked, method="published"), b_short, compressing)


def sized(sizes: Sizes, b_short: int, gamma: float) -> Split:
    """The pools of one split and one factor of compression by their tables."""
    try:
        return Split(b_short, gamma, *sizes.split(b_short, gamma))
    except InfeasibleError as error:
        return Split(b_short, gamma, None, None, str(error))


def one_pool(sizes: Sizes, gpu: ProfileSpec) -> Split:
    """All requests in one pool of a GPU. Raises InputError if it cannot hold the context."""
    last = sizes.points[-1]
    return Split(last, 1.0, sizes.size(Served(0, last), gpu), None)


def worth_simulating(splits: Iterable[Split]) -> list[Split]:
    """Fleets, the cheapest that meet the SLO first, and then the others."""
    fleets = [split for split in splits if split.pools]
    return sorted(fleets, key=lambda split: (not split.meets, split.usd_per_hour))


def best(splits: Sequence[Split]) -> Split:
    """The cheapest by the tables that meets the SLO; else the cheapest of all."""
    meeting = [split for split in splits if split.meets] or splits
    return min(meeting, key=lambda split: split.usd_per_hour)


def best_simulated(splits: Sequence[SimulatedSplit]) -> SimulatedSplit | None:
    """The cheapest that the simulator accepts; else the first; None of none."""
    meeting = [split for split in splits if split.meets] or splits[:1]
    return min(meeting, key=lambda split: split.usd_per_hour, default=None)


def factors_to(largest: float) -> tuple[float, ...]:
    """Factors of compression from 1 by steps of 0.1, the largest among them."""
    steps = math.ceil(10.0 * (largest - 1.0) - 1e-9)
    return (*(round(1.0 + 0.1 * step, 1) for step in range(steps)), largest)


GAMMAS = factors_to(2.0)
"""Factors of compression that are swept if none are given, as published: 1.0, 1.1, ..., 2.0."""


def checked_gammas(gammas: Sequence[float] | None) -> tuple[float, ...]:
    """The factors of compression to sweep; `GAMMAS` if absent.

    Raises InputError unless they are numbers; the problem says which numbers it takes.
    """
    if gammas is None:
        return GAMMAS
    asked = tuple(gammas) if isinstance(gammas, Iterable) else ()
    if not asked or not all(isinstance(gamma, Real) for gamma in asked):
        expected = f"expected factors of compression such as [1.0, 1.5], got {gammas!r}"
        raise InputError.single("gammas", expected, "leave it out for 1.0, 1.1, ..., 2.0")
    return tuple(float(gamma) for gamma in asked)
