"""At most four H100 in the pool for the shortest requests."""

import pyomo.environ as pyo

MOST_H100 = 4


def extend(model):
    """Cap the H100 of the pool that begins at 0 tokens."""
    short = [c for c in model.leaving[0] if model.candidate[c].gpu == "h100"]
    model.few_h100_for_short = pyo.Constraint(
        expr=sum(model.pool_gpus[c] for c in short) <= MOST_H100
    )
