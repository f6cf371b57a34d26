"""At most so many tonnes of CO2 in a year, from the power with every slot busy."""

import pyomo.environ as pyo

GRID_G_PER_KWH = 380.0
BUDGET_T_PER_YEAR = 32.0
HOURS_PER_YEAR = 8760.0


def extend(model):
    """Cap the emissions of a year: kW x h x g/kWh are grams."""
    model.tonnes = pyo.Expression(expr=model.power * (HOURS_PER_YEAR * GRID_G_PER_KWH / 1e6))
    model.carbon_budget = pyo.Constraint(expr=model.tonnes <= BUDGET_T_PER_YEAR)
