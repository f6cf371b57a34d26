"""FleetOptimizer: two pools split at a fixed length, sized by tables and then simulated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from numbers import Real
from typing import Literal

from fleetopt.compat.profiles import A100_80GB, ManualProfile
from fleetopt.compat.report import OptimizationReport, progress_line
from fleetopt.compat.results import Simulated, SweepResult
from fleetopt.compat.workload import Cdf, lengths_of
from fleetopt.errors import InfeasibleError, InputError
from fleetopt.plan import Plan
from fleetopt.questions.two_pools import PoolSize, Sizes, TwoPools
from fleetopt.study import solve_program
from fleetopt.study.judging import judge_of

GAMMAS = tuple(round(1.0 + 0.1 * step, 1) for step in range(11))
"""Factors of compression that are swept if none are given, as published: 1.0, 1.1, ..., 2.0."""


class FleetOptimizer:
    """The least two pools that keep a bound on P99 TTFT, split at `B_short` tokens.

    gpu_short, gpu_long: profiles of the pools up to `B_short` and above it.
    t_slo_ms: bound on P99 TTFT, in ms. long_max_ctx: largest context, in tokens.
    p_c: share of the requests above `B_short` that can be compressed and are.
    node_avail: share of the time that a replica is up.
    method: "published" gives the figures of the published formulas, for comparison.
    Wrong values raise InputError when a sweep is asked for.
    """

    def __init__(
        self,
        gpu_short: ManualProfile = A100_80GB,
        gpu_long: ManualProfile = A100_80GB,
        B_short: int = 4096,
        t_slo_ms: float = 500.0,
        long_max_ctx: int = 65536,
        p_c: float = 0.75,
        node_avail: float = 1.0,
        *,
        method: Literal["fleetopt", "published"] = "fleetopt",
    ) -> None:
        self.gpu_short = gpu_short
        self.gpu_long = gpu_long
        self.B_short = B_short
        self.t_slo_ms = t_slo_ms
        self.long_max_ctx = long_max_ctx
        self.p_c = p_c
        self.node_avail = node_avail
        self.method = method

    def sweep_analytical(
        self,
        cdf: Cdf,
        lam: float,
        gammas: Sequence[float] | None = None,
        verbose: bool = False,
    ) -> list[SweepResult]:
        """Pools by the tables for each factor of compression, the cheapest first.

        cdf: points, a file, a bundled name or a CdfWorkload. lam: requests per second.
        gammas: requests of up to gamma times `B_short` are compressed into the short pool;
            1.0, 1.1, ..., 2.0 if absent.
        """
        results = self._swept(self._asked(cdf, lam), checked_gammas(gammas))
        for result in results if verbose else ():
            print(progress_line(result))
        return sorted(results, key=lambda result: result.cost_per_hr)

    def optimize(
        self,
        cdf: Cdf,
        lam: float,
        gammas: Sequence[float] | None = None,
        n_sim_requests: int | None = None,
        verify_top_n: int = 3,
        verbose: bool = True,
    ) -> OptimizationReport:
        """The sweep, and the best of it designed until the simulator accepts them.

        n_sim_requests: measured requests of a pool and replication; by the longest residence
            if absent; 0 leaves simulation out, as does `verify_top_n` = 0.
        The best are the cheapest that meet the SLO, and then the others.
        A simulated result may have more GPUs than its sweep: those that the simulator asks for.
        """
        asked, factors = self._asked(cdf, lam), checked_gammas(gammas)
        swept = self.sweep_analytical(cdf, lam, factors, verbose)
        count = 0 if n_sim_requests == 0 else verify_top_n
        simulated = []
        for result in _in_turn(swept)[:count]:
            accepted = self._simulated(asked, result, n_sim_requests)
            simulated.append(accepted)
            if verbose:
                print(progress_line(accepted))
        compressing = (1.0,) if asked.is_one_pool(self.B_short) else factors
        published = self._swept(replace(asked, method="published"), compressing)
        return OptimizationReport(
            self.B_short, self.t_slo_ms, lam, swept, simulated, tuple(published), self.method
        )

    def _asked(self, cdf: Cdf, lam: float) -> TwoPools:
        return TwoPools(
            lengths_of(cdf),
            lam,
            self.gpu_short.spec,
            self.gpu_long.spec,
            self.t_slo_ms,
            self.long_max_ctx,
            self.node_avail,
            self.method,
            self.p_c,
        )

    def _swept(self, asked: TwoPools, gammas: Sequence[float]) -> list[SweepResult]:
        """The pools of each factor by the tables, in the order of the factors."""
        sizes = Sizes(asked, asked.split(self.B_short, gammas))
        return [swept(sizes, self.B_short, gamma) for gamma in gammas]

    def _simulated(self, asked: TwoPools, result: SweepResult, requests: int | None) -> SweepResult:
        options = {} if requests is None else {"requests": requests}
        gamma = result.gamma
        everything_below = result.n_l == 0 and not asked.is_one_pool(self.B_short)
        if self.method == "published" or not result.slo_met or everything_below:
            sizes = Sizes(asked, asked.split(self.B_short, [gamma], verification=options))
            return SweepResult.of_verdicts(gamma, *judged_as_they_are(sizes, self.B_short, gamma))
        model = asked.program(self.B_short, gamma, verification=options)
        try:
            plan = solve_program(model, verify=True)
        except InfeasibleError as error:
            return SweepResult.without_fleet(gamma, "simulated", str(error))
        return SweepResult.of_verdicts(gamma, *self._verdicts(plan))

    def _verdicts(self, plan: Plan) -> tuple[Simulated | None, Simulated | None]:
        """The pools of a verified plan, up to `B_short` and above it."""
        said = plan.verification.pools if plan.verification else ()
        found: dict[bool, Simulated] = {}
        for pool, verified in zip(plan.fleet.pools, said, strict=True):
            is_long = pool.hi_tokens > self.B_short
            gpu = self.gpu_long if is_long else self.gpu_short
            found[is_long] = Simulated(pool.bought, pool.bought * gpu.cost_per_hr, verified)
        return found.get(False), found.get(True)


def swept(sizes: Sizes, b_short: int, gamma: float) -> SweepResult:
    """The pools of one split and one factor of compression by their tables."""
    try:
        return SweepResult.of_sizes(gamma, *sizes.split(b_short, gamma))
    except InfeasibleError as error:
        return SweepResult.without_fleet(gamma, "analytical", str(error))


def judged_as_they_are(
    sizes: Sizes, b_short: int, gamma: float
) -> tuple[Simulated | None, Simulated | None]:
    """What the simulator says of pools in the number that the tables give, and no other."""
    options = sizes.case.problem.verification
    with judge_of(sizes.case, options, lambda _: None, None) as judge:

        def judged(pool: PoolSize | None) -> Simulated | None:
            if pool is None:
                return None
            return Simulated(pool.bought, pool.usd_per_hour, judge.verdict(pool.judged()))

        short, long = sizes.split(b_short, gamma)
        return judged(short), judged(long)


def _in_turn(results: Iterable[SweepResult]) -> list[SweepResult]:
    """Fleets in the order in which they are worth simulating: those that meet the SLO first."""
    fleets = [result for result in results if result.total_gpus]
    return sorted(fleets, key=lambda result: not result.slo_met)


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
