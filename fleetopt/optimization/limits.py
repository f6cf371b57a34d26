"""Side constraints: what a fleet may use beyond the pools that its requests need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fleetopt.optimization.candidates import NO_SPARES, Candidate, Row
from fleetopt.problem import FleetProblem, LatencyBound
from fleetopt.queueing.availability import SpareRule


@dataclass(frozen=True, slots=True)
class FleetSlo:
    """Bounds that the requests of all pools keep together.

    arrival_rate: requests per second of all pools.
    """

    bounds: tuple[LatencyBound, ...]
    arrival_rate: float


@dataclass(frozen=True, slots=True)
class SideConstraints:
    """Limits on the whole fleet; what is absent limits nothing.

    inventory: GPUs of each type that can be had; a type that is not named is not limited.
    max_gpus: GPUs of all types together.
    power_kw: provisioned power, every slot busy.
    budget_usd_per_year: cost of the fleet over a year of 8760 h.
    node_size: GPUs of one type are bought in whole nodes of this size.
    min_replicas: least replicas of each pool.
    spares: how many replicas a pool buys, so that enough are up.
    slo: what all requests together are held to; absent where the rows see to it.
    """

    inventory: Mapping[str, int] = field(default_factory=dict)
    max_gpus: int | None = None
    power_kw: float | None = None
    budget_usd_per_year: float | None = None
    node_size: int = 1
    min_replicas: int = 1
    spares: SpareRule = NO_SPARES
    slo: FleetSlo | None = None

    @classmethod
    def of(cls, problem: FleetProblem) -> SideConstraints:
        """The limits that a problem states."""
        return cls(
            inventory=problem.inventory,
            max_gpus=problem.max_gpus,
            power_kw=problem.power_kw,
            budget_usd_per_year=problem.budget_usd_per_year,
            node_size=problem.node_size,
            min_replicas=problem.min_replicas,
            spares=SpareRule.of(problem),
        )


NONE = SideConstraints()
"""No limit but the number of pools."""


def spare_gpus(chosen: Iterable[tuple[Candidate, Row]], node_size: int) -> dict[str, int]:
    """GPUs of each type that whole nodes have beyond what the pools use."""
    used: Counter[str] = Counter()
    for candidate, row in chosen:
        used[candidate.gpu] += candidate.gpus(row)
    return {gpu: -count % node_size for gpu, count in used.items()}
