"""At least two types of GPU, because one supplier may fail to deliver."""

import pyomo.environ as pyo

LEAST_TYPES = 2


def extend(model):
    """used[type] can be 1 only where a pool of the type is built."""
    model.used = pyo.Var(model.gpu_types, domain=pyo.Binary)

    def built(model, gpu):
        pools = [model.open[c] for c in model.candidates if model.candidate[c].gpu == gpu]
        return model.used[gpu] <= sum(pools)

    model.used_if_built = pyo.Constraint(model.gpu_types, rule=built)
    model.two_types = pyo.Constraint(expr=pyo.quicksum(model.used.values()) >= LEAST_TYPES)
