"""FleetOptimizer: two pools split at a fixed length, sized by tables and then simulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from fleetopt.compat.pools import Cdf, PoolSize, Sizes, TwoPools
from fleetopt.compat.profiles import A100_80GB, ManualProfile
from fleetopt.compat.report import OptimizationReport, progress_line
from fleetopt.compat.results import Simulated, SweepResult
from fleetopt.compat.workload import lengths_of
from fleetopt.errors import InfeasibleError, InputError
from fleetopt.plan import Plan
from fleetopt.study import solve_program
from fleetopt.study.judging import judge_of


class FleetOptimizer:
    """The least two pools that keep a bound on P99 TTFT, split at `B_short` tokens.

    gpu_short, gpu_long: profiles of the pools up to `B_short` and above it.
    t_slo_ms: bound on P99 TTFT, in ms. long_max_ctx: largest context, in tokens.
    p_c: share of the requests that can be compressed.
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
        """
        asked = self._asked(cdf, lam)
        results = [self._sized(asked, gamma) for gamma in checked_gammas(gammas)]
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
        A simulated result may have more GPUs than its sweep: those that the simulator asks for.
        """
        asked = self._asked(cdf, lam)
        swept = self.sweep_analytical(cdf, lam, gammas, verbose)
        count = 0 if n_sim_requests == 0 else verify_top_n
        simulated = []
        for result in swept[:count]:
            accepted = self._simulated(asked, result, n_sim_requests)
            simulated.append(accepted)
            if verbose:
                print(progress_line(accepted))
        as_published = self._sized(replace(asked, method="published"), 1.0)
        return OptimizationReport(
            self.B_short, self.t_slo_ms, lam, swept, simulated, as_published, self.method
        )

    def _asked(self, cdf: Cdf, lam: float) -> TwoPools:
        return TwoPools(
            lengths_of(cdf),
            lam,
            self.gpu_short,
            self.gpu_long,
            self.t_slo_ms,
            self.long_max_ctx,
            self.node_avail,
            self.method,
        )

    def _sized(self, asked: TwoPools, gamma: float) -> SweepResult:
        sizes = Sizes(asked, asked.split(self.B_short))
        return SweepResult.of_sizes(gamma, *sizes.split(self.B_short))

    def _simulated(self, asked: TwoPools, result: SweepResult, requests: int | None) -> SweepResult:
        options = {} if requests is None else {"requests": requests}
        if not result.slo_met:
            sizes = Sizes(asked, asked.split(self.B_short, verification=options))
            return SweepResult.of_verdicts(result.gamma, *judged_as_they_are(sizes, self.B_short))
        model = asked.program(self.B_short, verification=options)
        try:
            plan = solve_program(model, verify=True)
        except InfeasibleError as error:
            return SweepResult.without_fleet(result.gamma, "simulated", str(error))
        return SweepResult.of_verdicts(result.gamma, *self._verdicts(plan))

    def _verdicts(self, plan: Plan) -> tuple[Simulated | None, Simulated | None]:
        """The pools of a verified plan, up to `B_short` and above it."""
        said = plan.verification.pools if plan.verification else ()
        found: dict[bool, Simulated] = {}
        for pool, verified in zip(plan.fleet.pools, said, strict=True):
            is_long = pool.hi_tokens > self.B_short
            gpu = self.gpu_long if is_long else self.gpu_short
            found[is_long] = Simulated(pool.bought, pool.bought * gpu.cost_per_hr, verified)
        return found.get(False), found.get(True)


def judged_as_they_are(sizes: Sizes, b_short: int) -> tuple[Simulated | None, Simulated | None]:
    """What the simulator says of pools that no number of replicas would save."""
    options = sizes.case.problem.verification
    with judge_of(sizes.case, options, lambda _: None, None) as judge:

        def judged(pool: PoolSize | None) -> Simulated | None:
            if pool is None:
                return None
            return Simulated(pool.bought, pool.usd_per_hour, judge.verdict(pool.judged()))

        short, long = sizes.split(b_short)
        return judged(short), judged(long)


def checked_gammas(gammas: Sequence[float] | None) -> Sequence[float]:
    """The factors of compression to sweep; 1.0 alone if none are given. Raises InputError."""
    asked = [1.0] if gammas is None else list(gammas)
    if any(gamma != 1.0 for gamma in asked):
        raise InputError.single(
            "gammas",
            f"this version does not compress requests, got {asked}",
            "leave gammas out, or say [1.0]",
        )
    return asked
