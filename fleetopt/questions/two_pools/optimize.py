"""What to compress at a fixed split: the sweep, its best in the simulator, and the published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fleetopt.errors import InputError
from fleetopt.questions.two_pools.asked import TwoPools
from fleetopt.questions.two_pools.sizes import Sizes
from fleetopt.questions.two_pools.split import SimulatedSplit, Split
from fleetopt.questions.two_pools.sweep import (
    best,
    best_simulated,
    one_pool,
    sweep_sizes,
    worth_simulating,
)

if TYPE_CHECKING:
    from fleetopt.problem import ProfileSpec

VERIFY_TOP = 3
"""Splits that are verified if nothing else is said, as published."""
Progress = Callable[[str], None]


@dataclass(frozen=True)
class OnePool:
    """All requests in one pool of a GPU, for comparison."""

    gpu: ProfileSpec
    split: Split
    simulated: SimulatedSplit | None = None

    @property
    def found(self) -> Split | SimulatedSplit:
        """The pool by what is known best of it: its simulation if there is one."""
        return self.simulated or self.split


@dataclass(frozen=True)
class Answer:
    """What one method says of a split: the sweep, and the best of it in the simulator.

    one_pools: all requests in one pool, on the GPU of the long pool and then of the short one,
        where a replica holds the largest context.
    swept: every factor of compression by the tables, in ascending order.
    simulated: those that were simulated, the best first.
    """

    one_pools: Sequence[OnePool]
    swept: Sequence[Split]
    simulated: Sequence[SimulatedSplit]

    @property
    def best(self) -> Split:
        """The cheapest that meets the SLO by the tables; else the cheapest of all."""
        return best(self.swept)

    @property
    def best_simulated(self) -> SimulatedSplit | None:
        """The cheapest that the simulator accepts; else the first; None without simulation."""
        return best_simulated(self.simulated)

    @property
    def found(self) -> Split | SimulatedSplit:
        """The best by what is known best of it."""
        return self.best_simulated or self.best


@dataclass(frozen=True)
class Optimization:
    """A fixed split by fleetopt and, beside it, by the published method.

    published: its one pools and its best split are simulated as they are.
    """

    asked: TwoPools
    b_short: int
    own: Answer
    published: Answer


def optimize(
    asked: TwoPools,
    b_short: int,
    gammas: Sequence[float],
    verify_top: int = VERIFY_TOP,
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Optimization:
    """The pools of each factor of compression, and the best of them in the simulator.

    b_short: split, in tokens; at `long_max_ctx` there is one pool.
    gammas: requests of up to gamma times `b_short` are compressed into the short pool.
    verify_top: splits to simulate, the cheapest that meet the SLO first; 0 simulates nothing.
    options: the keys of `VerificationOptions` that are not the default.
    Raises InputError.
    """
    as_published = replace(asked, method="published")
    sizes = Sizes(asked, asked.case(b_short, gammas))
    own = _answer(asked, sizes, b_short, gammas)
    compressing = (1.0,) if asked.is_one_pool(b_short) else gammas
    published = _answer(asked, sizes.published(), b_short, compressing)
    if verify_top:
        own = _verified(asked, own, verify_top, options, progress)
        if asked.method != "published":
            published = _verified(as_published, published, 1, options, progress)
    return Optimization(asked, b_short, own, published)


def _answer(asked: TwoPools, sizes: Sizes, b_short: int, gammas: Sequence[float]) -> Answer:
    """By the tables alone."""
    return Answer(_one_pools(asked, sizes), sweep_sizes(sizes, b_short, gammas), ())


def _one_pools(asked: TwoPools, sizes: Sizes) -> list[OnePool]:
    found = []
    for gpu in dict.fromkeys((asked.long.name, asked.short.name)):
        spec = asked.long if gpu == asked.long.name else asked.short
        try:
            found.append(OnePool(spec, one_pool(sizes, spec)))
        except InputError:  # no replica of it holds the largest context
            continue
    return found


def _verified(
    asked: TwoPools,
    answer: Answer,
    count: int,
    options: Mapping[str, Any] | None,
    progress: Progress | None,
) -> Answer:
    from fleetopt.questions.two_pools.simulating import accepted

    top = worth_simulating(answer.swept)[:count]
    simulated = [accepted(asked, split, options, progress) for split in top]
    one_pools = [
        replace(
            pool,
            simulated=accepted(replace(asked, short=pool.gpu), pool.split, options, progress),
        )
        for pool in answer.one_pools
    ]
    return replace(answer, simulated=simulated, one_pools=one_pools)
