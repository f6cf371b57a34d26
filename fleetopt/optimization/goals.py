r"""What a fleet has least of: its cost, GPUs, energy, carbon, or its cost with electricity.

With :math:`\bar P_{ck}` the mean draw of row k's GPUs at the occupancy of its table, in kW,
and a year of 8760 h,

.. math::

    E = 8760 \, \mathrm{PUE} \sum_{c,k} \bar P_{ck} z_{ck}, \qquad
    \text{carbon} = g E, \qquad \text{cost} + e E.

All replicas that are bought draw power and share the requests, spare ones too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyomo.core as pyo
from pyomo.core.expr import LinearExpression

from fleetopt.errors import Fault, InputError
from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.limits import Site, spare_gpus
from fleetopt.performance.power import PowerModel
from fleetopt.performance.profile import ReplicaProfile
from fleetopt.plan import HOURS_PER_YEAR
from fleetopt.problem import FleetProblem
from fleetopt.queueing.energy import mean_watts, prefill_watts
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.table import PoolTable

_MEANINGS = {
    "gpus": "GPUs, spare ones included",
    "energy": "kWh a year",
    "carbon": "tonnes of CO2 a year",
    "cost+energy": "USD a year, electricity included",
}


@dataclass(frozen=True, slots=True)
class Goal:
    """What is minimized, and what a kilowatt-hour of the GPUs counts in it.

    name: "cost", "gpus", "energy", "carbon" or "cost+energy". per_kwh: kWh, tonnes or USD, PUE
    included. node_size: GPUs of one type are counted in whole nodes of this size.
    """

    name: str = "cost"
    per_kwh: float = 0.0
    node_size: int = 1

    @classmethod
    def of(cls, problem: FleetProblem) -> Goal:
        """The goal that a problem states."""
        of_kwh = {
            "cost": 0.0,
            "rate": 0.0,
            "gpus": 0.0,
            "energy": 1.0,
            "carbon": (problem.carbon_g_per_kwh or 0.0) / 1e6,
            "cost+energy": problem.electricity_usd_per_kwh or 0.0,
        }
        name = "cost" if problem.objective == "rate" else problem.objective
        return cls(name, of_kwh[problem.objective] * problem.pue, problem.node_size)

    @property
    def is_of_energy(self) -> bool:
        """Whether the draw of rows has to be known."""
        return self.name not in ("cost", "gpus")

    def hourly(self, usd: float, kilowatts: float, gpus: float) -> float:
        """What a pool of this cost, mean draw and GPUs has of it in an hour; GPUs at any time."""
        if self.name == "gpus":
            return gpus
        paid = usd if self.name in ("cost", "cost+energy") else 0.0
        return paid + self.per_kwh * kilowatts

    def of_fleet(self, chosen: Sequence[tuple[Candidate, Row]], usd_per_hour: float) -> float:
        """What a fleet has of it in an hour; usd_per_hour: of the fleet, all that is spare too."""
        drawn = sum(row.drawn_kw or 0.0 for _, row in chosen)
        gpus = sum(candidate.gpus(row) for candidate, row in chosen)
        spare = sum(spare_gpus(chosen, self.node_size).values())
        return self.hourly(usd_per_hour, drawn, gpus + spare)


COST = Goal()
"""The cost alone."""


def attach_draw(model: pyo.ConcreteModel, site: Site) -> None:
    """Put the mean draw of the fleet into the model, and its energy and carbon, if it is known."""
    drawn = [row.drawn_kw for row in model.row.values() if row.drawn_kw is not None]
    if len(drawn) < len(model.row):
        return
    built = list(model.z.values())

    def yearly(per_kw: float) -> pyo.Expression:
        coefs = [per_kw * kilowatts for kilowatts in drawn]
        return pyo.Expression(expr=LinearExpression(linear_coefs=coefs, linear_vars=built))

    model.mean_power, model.energy = yearly(1.0), yearly(site.mwh_per_kw)
    if site.carbon_g_per_kwh is not None:
        model.carbon = yearly(site.tonnes_per_kw)


def attach_goal(model: pyo.ConcreteModel, goal: Goal) -> None:
    """Put a goal in the place of the cost."""
    if goal.name == "cost":
        return
    model.least_cost.deactivate()
    if goal.name == "gpus":
        bought = sum(model.gpus_bought[gpu] for gpu in model.gpu_types)
        model.goal = pyo.Objective(expr=bought, sense=pyo.minimize, doc=_MEANINGS["gpus"])
        return
    energy: Any = HOURS_PER_YEAR * goal.per_kwh * model.mean_power
    cost = HOURS_PER_YEAR * model.cost if goal.name == "cost+energy" else 0.0
    model.goal = pyo.Objective(expr=energy + cost, sense=pyo.minimize, doc=_MEANINGS[goal.name])


def check_power(profiles: Iterable[ReplicaProfile]) -> None:
    """Raise InputError for every profile without a power model."""
    text = "it has no power model, which the objective or a limit asks for"
    hint = "give it idle_w, nominal_w and a curve, or leave the profile out"
    dark = [profile.name for profile in profiles if profile.power is None]
    if dark:
        raise InputError([Fault(f"profile {name!r}, power", text, hint) for name in dark])


def pool_kilowatts(table: PoolTable, replicas: int) -> float:
    """Mean draw of all GPUs of a pool at its occupancy. Raises InputError without power."""
    profile = table.profile
    check_power([profile])
    assert profile.power is not None
    if isinstance(table, OccupancyTable):
        watts = mean_watts(table.occupancy(replicas), profile.power)
    else:
        watts = _prefill_watts(table, replicas, profile.power)
    return replicas * profile.gpus_per_replica * watts / 1000.0


def _prefill_watts(table: PoolTable, replicas: int, power: PowerModel) -> float:
    """Mean draw of one GPU of a pool that only prefills. Raises InputError for other tables."""
    from fleetopt.queueing.phases import PrefillPhaseTable

    if not isinstance(table, PrefillPhaseTable):
        raise InputError.single("method", "the published method knows no occupancy")
    return prefill_watts(table.busy_share(replicas), power, table.profile.iteration.chunk_tokens)
