"""Pools and fleets with what they draw: by fleetopt's table, or by the published formulas.

Both give tokens per watt as lambda E[output] / (GPUs x watts of a GPU), in output tokens per
joule. They differ in the watts and in the output tokens:

    fleetopt:   E[P(n)] over the occupancy of the table, and the outputs of the workload;
    published:  P(rho s), as if every replica held its mean, and 0.20 of the mean length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fleetopt.case import Case
from fleetopt.errors import Fault, InputError
from fleetopt.optimization.tables import maker
from fleetopt.performance.power import PowerModel
from fleetopt.performance.profile import CalibratedProfile, ReplicaProfile
from fleetopt.problem import FleetProblem, LatencyBound
from fleetopt.queueing.energy import mean_watts
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.published import PublishedTable
from fleetopt.queueing.table import Row
from fleetopt.workload.compression import Served

PUBLISHED_OUTPUT_SHARE = 0.20
"""Output tokens as a share of the mean length, in the published formulas."""


@dataclass(frozen=True)
class PoolEnergy:
    """One pool and what it draws.

    gpu: the profile's name. slots: sequences in a replica's batch. batch: those on average.
    utilization: by the method that gives the draw. served_per_s: requests that it serves, all
    of them unless it is overloaded. output_tokens: of a request, on average.
    watts: mean draw of a GPU. p99_ttft_ms: infinite if overloaded. meets: the SLO.
    """

    lo_tokens: int
    hi_tokens: int
    gpu: str
    serves: str
    replicas: int
    gpus: int
    slots: int
    arrival_rate: float
    served_per_s: float
    utilization: float
    batch: float
    output_tokens: float
    watts: float
    p99_ttft_ms: float
    meets: bool
    usd_per_hour: float
    power_quality: str
    power_source: str

    @property
    def kilowatts(self) -> float:
        """Mean draw of all its GPUs."""
        return self.gpus * self.watts / 1000.0

    @property
    def tokens_per_s(self) -> float:
        """Output tokens per second."""
        return self.served_per_s * self.output_tokens


@dataclass(frozen=True)
class FleetEnergy:
    """Pools and what they draw together. label: what reports call the fleet."""

    label: str
    pools: tuple[PoolEnergy, ...]

    @property
    def gpus(self) -> int:
        """GPUs of all pools."""
        return sum(pool.gpus for pool in self.pools)

    @property
    def kilowatts(self) -> float:
        """Mean draw of all GPUs."""
        return sum(pool.kilowatts for pool in self.pools)

    @property
    def tokens_per_watt(self) -> float:
        """Output tokens per second and watt, which is per joule."""
        return sum(pool.tokens_per_s for pool in self.pools) / (1000.0 * self.kilowatts)

    @property
    def usd_per_million_tokens(self) -> float:
        """Price of the GPUs over their output tokens."""
        per_s = sum(pool.usd_per_hour for pool in self.pools) / 3600.0
        return 1e6 * per_s / sum(pool.tokens_per_s for pool in self.pools)

    @property
    def worst_p99_ttft_ms(self) -> float:
        """P99 TTFT of the slowest pool."""
        return max(pool.p99_ttft_ms for pool in self.pools)

    @property
    def meets(self) -> bool:
        """Whether every pool keeps the SLO."""
        return all(pool.meets for pool in self.pools)


def power_of(profile: ReplicaProfile) -> PowerModel:
    """The power model of a profile. Raises InputError if it has none."""
    check_power([profile])
    assert profile.power is not None
    return profile.power


def check_power(profiles: Sequence[ReplicaProfile]) -> None:
    """Raise InputError with every profile that does not know its power."""
    hint = "give it idle_w, nominal_w and a curve, or leave the profile out"
    faults = [
        Fault(f"profile {profile.name!r}, power", "it has no power model", hint)
        for profile in profiles
        if profile.power is None
    ]
    if faults:
        raise InputError(faults)


def is_published(problem: FleetProblem, profiles: Sequence[ReplicaProfile]) -> bool:
    """Whether the published formulas say something: of TTFT, on calibrated profiles."""
    bounded = all(bound.metric == "ttft" for bound in problem.slo)
    return bounded and all(isinstance(profile, CalibratedProfile) for profile in profiles)


def table_of(case: Case, what: Served, profile: ReplicaProfile) -> OccupancyTable | PublishedTable:
    """The table of a pool by the case's method. Raises InputError if no slot holds it."""
    if case.capacity(profile, what.hi_tokens).slots < 1:
        text = f"no replica of {profile.name} holds {what.hi_tokens:,} tokens"
        raise InputError.single("max_context", text)
    return maker(case, profile)(what, case.pool_rate(what))


def least_replicas(table: OccupancyTable | PublishedTable) -> int:
    """The fewest replicas that keep the SLO; where none do, that keep the utilization cap."""
    found = table.min_replicas()
    if found is None and isinstance(table, OccupancyTable):
        return table.least_by_utilization()
    return found or 1


def keeps_slo(row: Row, slo: Sequence[LatencyBound]) -> bool:
    """Whether a row keeps every bound; overloaded it does not."""
    return row.is_stable and all(row.miss(bound) <= bound.allowed_miss for bound in slo)


def replicas_at(table: OccupancyTable | PublishedTable, utilization: float) -> int:
    """The fewest replicas that are at most so busy; utilization falls as 1 / n."""
    return max(1, math.ceil(table.utilization(1) / utilization * (1.0 - 1e-12)))


def pool_energy(
    case: Case, what: Served, profile: ReplicaProfile, replicas: int | None = None
) -> PoolEnergy:
    """A pool of a case with what it draws, by the case's method.

    replicas: the fewest that keep the SLO if absent. Raises InputError.
    """
    power, table = power_of(profile), table_of(case, what, profile)
    count = least_replicas(table) if replicas is None else replicas
    requests, _ = case.lengths.served(what)
    utilization = table.utilization(count)
    if isinstance(table, OccupancyTable):
        occupied = table.occupancy(count)
        batch = occupied.mean() / count if occupied.is_stable else float(table.slots)
        watts = mean_watts(occupied, power)
        output = requests.mean(requests.output_tokens)
    else:
        batch = min(1.0, utilization) * table.slots
        watts = power.watts(batch)
        output = PUBLISHED_OUTPUT_SHARE * requests.mean(requests.total_tokens)
    return PoolEnergy(
        lo_tokens=what.lo_tokens,
        hi_tokens=what.hi_tokens,
        gpu=profile.name,
        serves=profile.serves,
        replicas=count,
        gpus=count * profile.gpus_per_replica,
        slots=table.slots,
        arrival_rate=table.arrival_rate,
        served_per_s=table.arrival_rate / max(1.0, utilization),
        utilization=utilization,
        batch=batch,
        output_tokens=output,
        watts=watts,
        p99_ttft_ms=1000.0 * (table.row(count).percentile_s("ttft", 99.0) or 0.0),
        meets=keeps_slo(table.row(count), case.problem.slo),
        usd_per_hour=count * profile.usd_per_hour,
        power_quality=power.quality,
        power_source=power.source,
    )
