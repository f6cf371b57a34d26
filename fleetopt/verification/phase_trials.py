"""Pools of one phase in the simulator: both phases of a pair and the link between, in one run."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import numpy as np

from fleetopt.case import Case
from fleetopt.problem import LatencyBound, Phase
from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.fleet_model import FleetPool, KvLink
from fleetopt.simulation.phase_pair import Both, PairModel, replicate_pair
from fleetopt.simulation.pool import LEAST_RESIDENCES, MIN_REQUESTS, Horizon, PoolModel, Replication
from fleetopt.verification.verifier import Judged
from fleetopt.workload.arrivals import ArrivalProcess

METRICS_OF: dict[Phase | None, tuple[str, ...]] = {
    None: ("ttft", "tpot", "e2e"),
    "prefill": ("ttft",),
    "decode": ("tpot",),
}
"""The latencies that a pool is held to."""


@dataclass
class PairTrial:
    """A pair in the simulator with the replications that were run so far."""

    model: PairModel
    horizon: Horizon
    runs: list[Both] = field(default_factory=list)

    def phase(self, phase: Phase | None) -> PoolModel:
        """One of its pools by itself."""
        return self.model.phases[phase == "decode"]

    def run(
        self,
        seeds: Sequence[np.random.SeedSequence],
        slo: Sequence[LatencyBound],
        executor: Executor,
    ) -> None:
        """Add a replication for each seed."""
        self.runs += replicate_pair(self.model, self.horizon, slo, seeds, executor)

    def runs_of(self, phase: Phase | None, count: int) -> list[Replication]:
        """What the first replications say of one of its pools."""
        return [both[phase == "decode"] for both in self.runs[:count]]


def pair_trial(
    case: Case, pool: Judged, arrivals: ArrivalProcess, requests: int | None
) -> PairTrial:
    """The pair that a pool of one phase belongs to, before its first run."""
    first = pool.whole
    model = _model(case, first, first.other, arrivals)
    return PairTrial(model, _horizon(model, requests))


def _model(case: Case, first: Judged, second: Judged, arrivals: ArrivalProcess) -> PairModel:
    what = case.serves(first.lo_tokens, first.hi_tokens, first.gamma_lo, first.gamma_hi)
    assert first.path is not None
    path = first.path
    return PairModel(
        _pool(case, first, Role.PREFILL),
        _pool(case, second, Role.DECODE),
        KvLink(
            Role.PREFILL.name, Role.DECODE.name, path.bytes_per_s, path.kv_bytes_per_token,
            path.latency_s, path.shared, path.overlap_layers,
        ),
        case.lengths.served(what)[0],
        arrivals,
    )  # fmt: skip


def _pool(case: Case, pool: Judged, role: Role) -> FleetPool:
    profile = case.profile(pool.profile)
    of = case.prefill_capacity if role is Role.PREFILL else case.capacity
    capacity = of(profile, pool.hi_tokens)
    return FleetPool(role.name, profile.iteration, capacity, pool.replicas, role=role)


def _horizon(model: PairModel, requests: int | None) -> Horizon:
    """As for any pool, but of the fewest residences: a run holds two pools and a link."""
    horizon = Horizon.by_law(model.phases[1], requests)
    if requests is not None:
        return horizon
    least_s = LEAST_RESIDENCES * model.longest_residence_s()
    return replace(horizon, measured_s=max(least_s, MIN_REQUESTS / model.arrivals.rate))
