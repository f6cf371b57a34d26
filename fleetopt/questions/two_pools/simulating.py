"""A split in the simulator: as it is, or with the pools that the simulator accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fleetopt.errors import InfeasibleError
from fleetopt.questions.two_pools.asked import TwoPools
from fleetopt.questions.two_pools.sizes import PoolSize, Sizes
from fleetopt.questions.two_pools.split import Simulated, SimulatedSplit, Split

if TYPE_CHECKING:
    from fleetopt.plan import Plan

Progress = Callable[[str], None]


def accepted(
    asked: TwoPools,
    split: Split,
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> SimulatedSplit:
    """A split with the pools that the simulator accepts.

    options: the keys of `VerificationOptions` that are not the default.
    Pools of the published method, and those that miss the SLO by their tables, are simulated
    as they are. Raises InputError.
    """
    b_short, gamma = split.b_short, split.gamma
    options = dict(options or {})
    everything_below = split.long is None and not asked.is_one_pool(b_short)
    if asked.method == "published" or not split.meets or everything_below:
        sizes = Sizes(asked, asked.split(b_short, [gamma], verification=options))
        return as_it_is(sizes, b_short, gamma, progress)
    from fleetopt.study import solve_program

    model = asked.program(b_short, gamma, verification=options)
    try:
        plan = solve_program(model, verify=True, progress=progress)
    except InfeasibleError as error:
        return SimulatedSplit(b_short, gamma, None, None, "no fleet", str(error))
    return _of_verdicts(b_short, gamma, *_verdicts(asked, plan, b_short))


def as_it_is(
    sizes: Sizes, b_short: int, gamma: float, progress: Progress | None = None
) -> SimulatedSplit:
    """What the simulator says of pools in the number that the tables give, and no other."""
    from fleetopt.study.judging import judge_of

    options = sizes.case.problem.verification
    with judge_of(sizes.case, options, progress or (lambda _: None), None) as judge:

        def judged(pool: PoolSize | None) -> Simulated | None:
            if pool is None:
                return None
            return Simulated(pool.gpu, pool.bought, judge.verdict(pool.judged()))

        short, long = sizes.split(b_short, gamma)
        return _of_verdicts(b_short, gamma, judged(short), judged(long))


def _of_verdicts(
    b_short: int, gamma: float, short: Simulated | None, long: Simulated | None
) -> SimulatedSplit:
    from fleetopt.verification import overall

    verdict = overall([pool.said for pool in (short, long) if pool is not None])
    return SimulatedSplit(b_short, gamma, short, long, verdict)


def _verdicts(
    asked: TwoPools, plan: Plan, b_short: int
) -> tuple[Simulated | None, Simulated | None]:
    """The pools of a verified plan, up to `b_short` and above it."""
    said = plan.verification.pools if plan.verification else ()
    found: dict[bool, Simulated] = {}
    for pool, verified in zip(plan.fleet.pools, said, strict=True):
        is_long = pool.hi_tokens > b_short
        gpu = asked.long if is_long else asked.short
        found[is_long] = Simulated(gpu, pool.bought, verified)
    return found.get(False), found.get(True)
