"""What the pools of a fleet use together, told before their tables: money, power, GPUs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from fleetopt.optimization.goals import Goal
from fleetopt.optimization.limits import SideConstraints
from fleetopt.performance.power import provisioned_w
from fleetopt.performance.profile import Capacity, ReplicaProfile
from fleetopt.plan import HOURS_PER_YEAR
from fleetopt.problem import FleetProblem


@dataclass(frozen=True, slots=True)
class Use:
    """Something of which a fleet uses the sum over its pools.

    of_replica: a bound below what a bought replica uses, from its profile and its batch.
    per_kw: what a kilowatt of mean draw counts.
    by_batch: whether it depends on the batch.
    """

    of_replica: Callable[[ReplicaProfile, Capacity], float]
    per_kw: float = 0.0
    by_batch: bool = False

    def of_batches(self, profile: ReplicaProfile, batches: Sequence[Capacity]) -> list[float]:
        """A bound below what a bought replica of each batch uses."""
        if not self.by_batch:
            return [self.of_replica(profile, batches[0])] * len(batches)
        return [self.of_replica(profile, batch) for batch in batches]

    @classmethod
    def of_goal(cls, goal: Goal) -> Use:
        """What an hour of a pool counts in the objective."""

        def of_replica(profile: ReplicaProfile, capacity: Capacity) -> float:
            return goal.hourly(profile.usd_per_hour, 0.0, profile.gpus_per_replica)

        return cls(of_replica, goal.per_kwh)


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


def _nothing(profile: ReplicaProfile, capacity: Capacity) -> float:
    return 0.0


def _usd_per_hour(profile: ReplicaProfile, capacity: Capacity) -> float:
    return profile.usd_per_hour


def _gpus(profile: ReplicaProfile, capacity: Capacity) -> float:
    return float(profile.gpus_per_replica)


def _gpus_of(gpu: str, profile: ReplicaProfile, capacity: Capacity) -> float:
    return float(profile.gpus_per_replica) if profile.gpu == gpu else 0.0


def _provisioned_kw(profile: ReplicaProfile, capacity: Capacity) -> float:
    """Draw with every slot busy; where sequences take KV blocks, were all of them the longest."""
    if profile.power is None:
        return 0.0
    slots = int(capacity.batch(capacity.max_context))
    return provisioned_w(profile.power, slots) * profile.gpus_per_replica / 1000.0
