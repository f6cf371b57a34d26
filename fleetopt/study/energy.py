"""What a fleet of the program draws, emits and pays for electricity in a year, by the tables."""

from __future__ import annotations

from collections.abc import Sequence

from fleetopt.optimization.design import Chosen, Design
from fleetopt.optimization.goals import pool_kilowatts
from fleetopt.plan import HOURS_PER_YEAR, EnergyPrediction
from fleetopt.queueing.feasibility import OccupancyTable

_QUALITIES = ("LOW", "FAIR", "HIGH")
_SECONDS_PER_HOUR = 3600.0


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
    site_kw = problem.pue * drawn
    kwh, price = HOURS_PER_YEAR * site_kw, problem.electricity_usd_per_kwh
    tokens_per_s = case.arrival_rate * float(case.lengths.weights @ case.lengths.output_tokens)
    usd_per_hour = design.usd_per_hour(chosen) + site_kw * (price or 0.0)
    grams = problem.carbon_g_per_kwh
    return EnergyPrediction(
        mean_kw=drawn,
        pue=problem.pue,
        kwh_per_year=kwh,
        joules_per_output_token=1000.0 * site_kw / tokens_per_s,
        usd_per_million_output_tokens=1e6 * usd_per_hour / (_SECONDS_PER_HOUR * tokens_per_s),
        electricity_usd_per_year=None if price is None else price * kwh,
        co2_kg_per_year=None if grams is None else grams * kwh / 1000.0,
        quality=min((curve.quality for curve in known), key=_QUALITIES.index),
    )
