"""What the pools of a fleet use together, told before their tables: money, power, GPUs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from fleetopt.case import Case
from fleetopt.optimization.candidates import busy_watts
from fleetopt.optimization.goals import Goal
from fleetopt.optimization.limits import SideConstraints
from fleetopt.performance.profile import Capacity, ReplicaProfile
from fleetopt.plan import HOURS_PER_YEAR
from fleetopt.problem import FleetProblem, Phase
from fleetopt.workload.compression import Served
from fleetopt.workload.lengths import Floats

OfReplica = Callable[[ReplicaProfile, Capacity, Phase | None], float]
"""What a bought replica uses at least: its profile, its batch and its phase, None for both."""


@dataclass(frozen=True, slots=True)
class Use:
    """Something of which a fleet uses the sum over its pools.

    of_replica: a bound below what a bought replica uses.
    per_kw: what a kilowatt of mean draw counts.
    by_batch: whether it depends on the batch.
    """

    of_replica: OfReplica
    per_kw: float = 0.0
    by_batch: bool = False

    def of_batches(self, profile: ReplicaProfile, batches: Sequence[Capacity]) -> list[float]:
        """A bound below what a bought replica of each batch uses, with both phases together."""
        if not self.by_batch:
            return [self.of_replica(profile, batches[0], None)] * len(batches)
        return [self.of_replica(profile, batch, None) for batch in batches]

    @classmethod
    def of_goal(cls, goal: Goal) -> Use:
        """What an hour of a pool counts in the objective."""

        def of_replica(profile: ReplicaProfile, capacity: Capacity, phase: Phase | None) -> float:
            return goal.hourly(profile.usd_per_hour, 0.0, profile.gpus_per_replica)

        return cls(of_replica, goal.per_kwh)

    def of_each(
        self, case: Case, profile: ReplicaProfile, pools: Sequence[Served], phase: Phase | None
    ) -> Floats:
        """What a replica of each pool uses."""
        each = {
            tokens: self.of_replica(profile, case.capacity(profile, tokens), phase)
            for tokens in case.breakpoints[1:]
        }
        return np.array([each[what.hi_tokens] for what in pools])


def limited_uses(problem: FleetProblem) -> list[tuple[Use, float]]:
    """What the limits of a problem are on, and the most that each allows."""
    return list(_limited(SideConstraints.of(problem)))


def _limited(side: SideConstraints) -> Iterator[tuple[Use, float]]:
    if side.budget_usd_per_year is not None:
        yield Use(_usd_per_hour), side.budget_usd_per_year / HOURS_PER_YEAR
    if side.max_gpus is not None:
        yield Use(_gpus), float(side.max_gpus)
    for gpu, most in side.inventory.items():
        yield Use(partial(_gpus_of, gpu)), float(most)
    if side.power_kw is not None:
        yield Use(_provisioned_kw, by_batch=True), side.power_kw
    for per_kw, limit in (
        (1.0, side.mean_power_kw),
        (side.site.mwh_per_kw, side.energy_mwh_per_year),
        (side.site.tonnes_per_kw, side.carbon_tonnes_per_year),
    ):
        if limit is not None:
            yield Use(_nothing, per_kw), limit


def _nothing(profile: ReplicaProfile, capacity: Capacity, phase: Phase | None) -> float:
    return 0.0


def _usd_per_hour(profile: ReplicaProfile, capacity: Capacity, phase: Phase | None) -> float:
    return profile.usd_per_hour


def _gpus(profile: ReplicaProfile, capacity: Capacity, phase: Phase | None) -> float:
    return float(profile.gpus_per_replica)


def _gpus_of(gpu: str, profile: ReplicaProfile, capacity: Capacity, phase: Phase | None) -> float:
    return float(profile.gpus_per_replica) if profile.gpu == gpu else 0.0


def _provisioned_kw(profile: ReplicaProfile, capacity: Capacity, phase: Phase | None) -> float:
    """Draw with every slot busy; where sequences take KV blocks, were all of them the longest."""
    slots = int(capacity.batch(capacity.max_context))
    return (busy_watts(profile, phase, slots) or 0.0) / 1000.0
