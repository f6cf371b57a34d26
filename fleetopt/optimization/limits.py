"""Side constraints: what a fleet may use beyond the pools that its requests need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fleetopt.optimization.candidates import NO_SPARES, Candidate, Row
from fleetopt.plan import HOURS_PER_YEAR
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
class Site:
    """What a kilowatt of the GPUs is over a year of 8760 h.

    pue: power usage effectiveness. carbon_g_per_kwh: of electricity; None if nobody says.
    """

    pue: float = 1.0
    carbon_g_per_kwh: float | None = None

    @property
    def mwh_per_kw(self) -> float:
        """Energy of a year, PUE included."""
        return self.pue * HOURS_PER_YEAR / 1000.0

    @property
    def tonnes_per_kw(self) -> float:
        """CO2 of a year; 0 if nobody says what a kilowatt-hour stands for."""
        return (self.carbon_g_per_kwh or 0.0) * self.mwh_per_kw / 1000.0


@dataclass(frozen=True, slots=True)
class SideConstraints:
    """Limits on the whole fleet; what is absent limits nothing.

    inventory: GPUs of each type that can be had; a type that is not named is not limited.
    max_gpus: GPUs of all types together.
    power_kw: provisioned power, every slot busy.
    budget_usd_per_year: cost of the fleet over a year of 8760 h.
    mean_power_kw: mean draw of the GPUs at the occupancy of the tables.
    energy_mwh_per_year, carbon_tonnes_per_year: of that draw, at the site.
    node_size: GPUs of one type are bought in whole nodes of this size.
    min_replicas: least replicas of each pool.
    spares: how many replicas a pool buys, so that enough are up.
    slo: what all requests together are held to; absent where the rows see to it.
    """

    inventory: Mapping[str, int] = field(default_factory=dict)
    max_gpus: int | None = None
    power_kw: float | None = None
    budget_usd_per_year: float | None = None
    mean_power_kw: float | None = None
    energy_mwh_per_year: float | None = None
    carbon_tonnes_per_year: float | None = None
    site: Site = Site()
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
            mean_power_kw=problem.mean_power_kw,
            energy_mwh_per_year=problem.energy_mwh_per_year,
            carbon_tonnes_per_year=problem.carbon_tonnes_per_year,
            site=Site(problem.pue, problem.carbon_g_per_kwh),
            node_size=problem.node_size,
            min_replicas=problem.min_replicas,
            spares=SpareRule.of(problem),
        )

    @property
    def limits_draw(self) -> bool:
        """Whether the mean draw of rows has to be known."""
        limits = (self.mean_power_kw, self.energy_mwh_per_year, self.carbon_tonnes_per_year)
        return any(limit is not None for limit in limits)


NONE = SideConstraints()
"""No limit but the number of pools."""


def spare_gpus(chosen: Iterable[tuple[Candidate, Row]], node_size: int) -> dict[str, int]:
    """GPUs of each type that whole nodes have beyond what the pools use."""
    used: Counter[str] = Counter()
    for candidate, row in chosen:
        used[candidate.gpu] += candidate.gpus(row)
    return {gpu: -count % node_size for gpu, count in used.items()}
