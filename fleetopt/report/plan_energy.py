"""What a plan draws, emits and pays for electricity, in words."""

from __future__ import annotations

from collections.abc import Iterator

from fleetopt.plan import Plan
from fleetopt.problem import FleetProblem
from fleetopt.report import wording


def energy_lines(plan: Plan) -> Iterator[str]:
    """Its draw and energy of a year, if the problem states anything about energy."""
    energy = plan.prediction.energy
    if energy is None or not asks(plan.problem):
        return
    space = wording.NO_BREAK
    site = f", PUE{space}{energy.pue:g} included" if energy.pue > 1.0 else ""
    parts = [
        f"The GPUs draw {energy.mean_kw:.2f}{space}kW on average: "
        f"{energy.kwh_per_year / 1000.0:,.1f}{space}MWh a year{site}"
    ]
    if energy.co2_kg_per_year is not None:
        parts.append(f"{energy.co2_kg_per_year / 1000.0:,.2f}{space}t of CO2")
    if energy.electricity_usd_per_year is not None:
        parts.append(f"{wording.money(energy.electricity_usd_per_year)} of electricity")
    yield f"{', '.join(parts)}."
    paid = "" if energy.electricity_usd_per_year is None else ", electricity included"
    yield (
        f"{energy.joules_per_output_token:.3g}{space}J an output token, "
        f"{energy.usd_per_million_output_tokens:.3g}{space}$ a million output tokens{paid}; "
        f"power curves of {energy.quality} quality."
    )


def asks(problem: FleetProblem) -> bool:
    """Whether a problem states anything about energy."""
    stated = (problem.electricity_usd_per_kwh, problem.carbon_g_per_kwh)
    return bool(problem.draw_keys) or problem.pue > 1.0 or any(x is not None for x in stated)
