"""What a fleet of the program draws, emits and pays for electricity in a year, by the tables."""

from __future__ import annotations

from collections.abc import Sequence

from fleetopt.optimization.design import Chosen, Design
from fleetopt.optimization.goals import pool_kilowatts
from fleetopt.plan import EnergyPrediction
from fleetopt.queueing.feasibility import OccupancyTable

_QUALITIES = ("LOW", "FAIR", "HIGH")


def energy_of(design: Design, chosen: Sequence[Chosen]) -> EnergyPrediction | None:
    """The energy of a fleet; None where a profile has no power, or the table no occupancy."""
    tables = [design.table(candidate) for candidate, _ in chosen]
    curves = [table.profile.power for table in tables]
    known = [curve for curve in curves if curve is not None]
    if len(known) < len(curves) or not all(isinstance(t, OccupancyTable) for t in tables):
        return None
    case, problem = design.case, design.case.problem
    drawn = sum(
        pool_kilowatts(table, row.bought) for table, (_, row) in zip(tables, chosen, strict=True)
    )
    tokens_per_s = case.arrival_rate * float(case.lengths.weights @ case.lengths.output_tokens)
    quality = min((curve.quality for curve in known), key=_QUALITIES.index)
    return EnergyPrediction.of(problem, drawn, tokens_per_s, design.usd_per_hour(chosen), quality)
