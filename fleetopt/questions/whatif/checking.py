"""Step thresholds in the simulator: just below a threshold pools pass, just above they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetopt.questions.two_pools import Split
from fleetopt.questions.whatif.asked import pools_over_rates
from fleetopt.questions.whatif.growth import GrowingFleet, pools_of
from fleetopt.questions.whatif.staircase import CAP, Reach

if TYPE_CHECKING:
    from fleetopt.plan import PoolVerification
    from fleetopt.verification import Verifier

BELOW, ABOVE = 0.98, 1.05
"""Shares of a pool's Lambda(n) at which it is simulated."""
MOST_SIZES = 60
"""Sizes of pools above which only those of the given rates are simulated."""
_MISSED = ("fail", "unstable")


@dataclass(frozen=True)
class CheckedSize:
    """A pool of n replicas just below and just above the rate that it carries.

    pool: "short" or "long". rate: Lambda(n), requests per second of this pool.
    limit: what holds it back there, by the table.
    below, above: what the simulator says at 0.98 and at 1.05 times that.
    utilization_above: at 1.05 times that, by the table. max_utilization: the cap.
    """

    pool: str
    gpu: str
    replicas: int
    rate: float
    limit: str
    below: PoolVerification
    above: PoolVerification
    utilization_above: float
    max_utilization: float

    @property
    def runs_into_cap(self) -> bool:
        """Whether the utilization cap alone forbids the rate above."""
        return self.above.verdict not in _MISSED and self.utilization_above > self.max_utilization

    @property
    def holds(self) -> bool:
        """Whether the pool passes below, and fails above or runs into the cap."""
        return self.below.verdict == "pass" and (
            self.above.verdict in _MISSED or self.runs_into_cap
        )

    @property
    def words(self) -> str:
        """What happens above, in words."""
        if self.runs_into_cap:
            return f"{self.above.verdict}, but above the {CAP}"
        return self.above.verdict


def check_steps(
    growing: GrowingFleet,
    progress: Callable[[str], None] | None = None,
    executor: Executor | None = None,
) -> tuple[CheckedSize, ...]:
    """Every size of every pool of the steps, below and above its Lambda(n).

    Of more than `MOST_SIZES` only those of the rates that were asked for.
    """
    from fleetopt.study.judging import judge_of

    _, sizes = pools_over_rates(growing.stated)
    options = sizes.case.problem.verification
    with judge_of(sizes.case, options, progress or (lambda _: None), executor) as judge:
        return tuple(
            _checked(judge, name, growing.reaches[name], replicas)
            for name, replicas in sizes_of(growing)
        )


def sizes_of(growing: GrowingFleet) -> list[tuple[str, int]]:
    """The pools to simulate, as (pool, replicas)."""
    asked = {size for fleet in growing.fleets for size in _of_fleet(growing, fleet.split)}
    every = asked | {(name, n) for step in growing.steps for name, n in step.replicas.items()}
    chosen = every if len(every) <= MOST_SIZES else asked
    order = list(growing.reaches)
    return sorted(chosen, key=lambda size: (order.index(size[0]), size[1]))


def _of_fleet(growing: GrowingFleet, split: Split) -> Iterator[tuple[str, int]]:
    for name, pool in pools_of(split).items():
        if name not in growing.hopeless:
            yield name, pool.replicas


def _checked(judge: Verifier, name: str, pool: Reach, replicas: int) -> CheckedSize:
    from fleetopt.verification import Judged

    what, rate = pool.what, pool.pool_rate(replicas)

    def said(factor: float) -> PoolVerification:
        ends = (what.lo_tokens, what.hi_tokens)
        asked = Judged(*ends, pool.gpu.name, replicas, factor * rate, *what.gammas)
        return judge.verdict(asked)

    return CheckedSize(
        pool=name,
        gpu=pool.gpu.name,
        replicas=replicas,
        rate=rate,
        limit=pool.limit(replicas),
        below=said(BELOW),
        above=said(ABOVE),
        utilization_above=pool.utilization(replicas, ABOVE * rate),
        max_utilization=pool.table.limits.max_utilization,
    )
