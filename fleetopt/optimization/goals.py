r"""What a fleet has least of: its cost, its energy, its carbon, or its cost with electricity.

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
from fleetopt.optimization.limits import Site
from fleetopt.performance.profile import ReplicaProfile
from fleetopt.plan import HOURS_PER_YEAR
from fleetopt.problem import FleetProblem
from fleetopt.queueing.energy import mean_watts
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.table import PoolTable

_MEANINGS = {
    "energy": "kWh a year",
    "carbon": "tonnes of CO2 a year",
    "cost+energy": "USD a year, electricity included",
}


@dataclass(frozen=True, slots=True)
class Goal:
    """What is minimized, and what a kilowatt-hour of the GPUs counts in it.

    name: "cost", "energy", "carbon" or "cost+energy". per_kwh: kWh, tonnes or USD, PUE included.
    """

    name: str = "cost"
    per_kwh: float = 0.0

    @classmethod
    def of(cls, problem: FleetProblem) -> Goal:
        """The goal that a problem states."""
        of_kwh = {
            "cost": 0.0,
            "rate": 0.0,
            "energy": 1.0,
            "carbon": (problem.carbon_g_per_kwh or 0.0) / 1e6,
            "cost+energy": problem.electricity_usd_per_kwh or 0.0,
        }
        name = "cost" if problem.objective == "rate" else problem.objective
        return cls(name, of_kwh[problem.objective] * problem.pue)

    @property
    def is_of_energy(self) -> bool:
        """Whether the draw of rows has to be known."""
        return self.name != "cost"

    def hourly(self, usd: float, kilowatts: float) -> float:
        """What a pool of this cost and mean draw has of it in an hour."""
        paid = usd if self.name in ("cost", "cost+energy") else 0.0
        return paid + self.per_kwh * kilowatts

    def value(self, chosen: Sequence[tuple[Candidate, Row]], usd_per_hour: float) -> float:
        """What a fleet has of it in a year; usd_per_hour: of the fleet, all that is spare too."""
        drawn = sum(row.drawn_kw or 0.0 for _, row in chosen)
        return HOURS_PER_YEAR * self.hourly(usd_per_hour, drawn)


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
    if not goal.is_of_energy:
        return
    energy: Any = HOURS_PER_YEAR * goal.per_kwh * model.mean_power
    cost = HOURS_PER_YEAR * model.cost if goal.name == "cost+energy" else 0.0
    model.least_cost.deactivate()
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
    if not isinstance(table, OccupancyTable):
        raise InputError.single("method", "the published method knows no occupancy")
    watts = mean_watts(table.occupancy(replicas), profile.power)
    return replicas * profile.gpus_per_replica * watts / 1000.0
