"""Two pools with given GPUs, and the problem and the program that they make.

The published questions fix which GPU serves which pool; a `FleetProblem` leaves that to the
program. Here a program is held to the two GPUs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleetopt.case import Case
from fleetopt.errors import InputError

if TYPE_CHECKING:
    from fleetopt.optimization.candidates import Candidate
    from fleetopt.problem import FleetProblem, LengthCdf, ProfileSpec


@dataclass(frozen=True)
class TwoPools:
    """A question about two pools: two GPUs, a bound, and what goes with them.

    short, long: profiles of the pool for short requests and of the one above it.
    t_slo_ms: bound on P99 TTFT. long_max_ctx: largest context, in tokens.
    availability: share of the time that a replica is up.
    method: "fleetopt" or "published".
    p_c: share of the requests above a split that can be compressed and are.
    """

    cdf: LengthCdf
    lam: float
    short: ProfileSpec
    long: ProfileSpec
    t_slo_ms: float
    long_max_ctx: int
    availability: float = 1.0
    method: str = "fleetopt"
    p_c: float = 0.75

    def is_one_pool(self, b_short: int) -> bool:
        """Whether every request belongs into the short pool."""
        return b_short >= min(self.long_max_ctx, self.cdf.max_tokens) > 0

    def factor(self, b_short: int, gamma: float) -> float:
        """The factor of compression at a split; none reaches beyond the largest context."""
        if self.is_one_pool(b_short):
            return 1.0
        return min(gamma, self.long_max_ctx / b_short)

    def split(self, b_short: int, gammas: Sequence[float] = (1.0,), **keys: Any) -> FleetProblem:
        """The problem with one fixed threshold. Raises InputError with every fault."""
        if self.is_one_pool(b_short):
            return self._problem(gammas, max_context=b_short, thresholds=[], **keys)
        ends = {"max_context": self.long_max_ctx, "thresholds": [b_short]}
        stated = self._problem(gammas, **ends, **keys)
        within = {self.factor(b_short, gamma) for gamma in stated.gammas}
        return stated.model_copy(update={"gammas": tuple(sorted(within))})

    def anywhere(self, gamma: float = 1.0) -> FleetProblem:
        """The problem that may split at every point of the distribution. Raises InputError."""
        return self._problem([gamma], max_context=self.long_max_ctx)

    def case(self, b_short: int, gammas: Sequence[float] = (1.0,)) -> Case:
        """The case with one fixed threshold. Raises InputError with every fault."""
        return Case.of(self.split(b_short, gammas))

    def case_anywhere(self, gamma: float = 1.0) -> Case:
        """The case that may split at every point of the distribution. Raises InputError."""
        return Case.of(self.anywhere(gamma))

    def program(self, b_short: int, gamma: float = 1.0, **keys: Any) -> Any:
        """The program of a fixed threshold and factor in which each pool has its GPU.

        Raises InputError.
        """
        from fleetopt.study import build_program

        model = build_program(self.split(b_short, [gamma], **keys))
        for c in model.candidates:
            if not self._is_asked(model.candidate[c], b_short, gamma):
                for index in model.rows_of[c]:
                    model.z[index].fix(0)
        return model

    def _is_asked(self, pool: Candidate, b_short: int, gamma: float) -> bool:
        """Whether a pool has the GPU and, at the split, the factor that were asked for."""
        gpu = self.long if pool.hi_tokens > b_short else self.short
        factor = self.factor(b_short, gamma)
        factors = {pool.lo_tokens: pool.gamma_lo, pool.hi_tokens: pool.gamma_hi}
        return pool.profile == gpu.name and factors.get(b_short, factor) == factor

    def _problem(self, gammas: Sequence[float], **keys: Any) -> FleetProblem:
        from fleetopt.problem import FleetProblem, validate

        specs = {gpu.name: gpu for gpu in (self.short, self.long)}
        if self.short != self.long and len(specs) == 1:
            place = f"profile {self.short.name!r}"
            raise InputError.single(place, "two different profiles have this name", "rename one")
        stated = {
            "cdf": self.cdf,
            "arrival_rate": self.lam,
            "slo": [{"metric": "ttft", "percentile": 99.0, "limit_ms": self.t_slo_ms}],
            "gpus": list(specs),
            "profiles": list(specs.values()),
            "max_pools": 2,
            "overlong": "clip",
            "availability": self.availability,
            "availability_rule": "mean",
            "method": self.method,
            "gammas": list(dict.fromkeys(gammas)),
            "compressible_share": self.p_c,
        }
        return validate(FleetProblem, {**stated, **keys}, "")
