"""The cost and a fee for every pool: somebody has to run it."""

import pyomo.environ as pyo

FEE_USD_PER_HOUR = 5.0


def extend(model):
    """Replace the objective: cost + fee x pools."""
    model.least_cost.deactivate()
    model.cost_and_fees = pyo.Objective(
        expr=model.cost + FEE_USD_PER_HOUR * model.pools,
        doc="USD per hour, 5 of them for each pool",
    )
