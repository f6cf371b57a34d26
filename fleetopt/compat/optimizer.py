"""FleetOptimizer: two pools split at a fixed length, sized by tables and then simulated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from fleetopt.compat.profiles import A100_80GB, ManualProfile
from fleetopt.compat.report import OptimizationReport, progress_line
from fleetopt.compat.results import SweepResult
from fleetopt.compat.workload import Cdf, lengths_of
from fleetopt.questions.two_pools import Split, TwoPools
from fleetopt.questions.two_pools.simulating import accepted
from fleetopt.questions.two_pools.sweep import (
    checked_gammas,
    published_sweep,
    sweep,
    worth_simulating,
)


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
        return _results(self._swept(self._asked(cdf, lam), checked_gammas(gammas), verbose))

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
        swept = self._swept(asked, factors, verbose)
        count = 0 if n_sim_requests == 0 else verify_top_n
        options = {} if n_sim_requests is None else {"requests": n_sim_requests}
        simulated = []
        for split in worth_simulating(swept)[:count]:
            result = SweepResult.of_simulated(accepted(asked, split, options))
            simulated.append(result)
            if verbose:
                print(progress_line(result))
        published = published_sweep(asked, self.B_short, factors)
        return OptimizationReport(
            self.B_short,
            self.t_slo_ms,
            lam,
            _results(swept),
            simulated,
            tuple(SweepResult.of(split) for split in published),
            self.method,
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

    def _swept(self, asked: TwoPools, gammas: Sequence[float], verbose: bool) -> list[Split]:
        """The pools of each factor by the tables, in the order of the factors."""
        splits = sweep(asked, self.B_short, gammas)
        for split in splits if verbose else ():
            print(progress_line(SweepResult.of(split)))
        return splits


def _results(splits: Sequence[Split]) -> list[SweepResult]:
    """The cheapest first."""
    return [SweepResult.of(s) for s in sorted(splits, key=lambda split: split.usd_per_hour)]
