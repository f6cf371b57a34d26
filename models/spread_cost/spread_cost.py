"""No pool above 40 % of the cost, so that no single failure is too dear."""

import pyomo.environ as pyo

LARGEST_SHARE = 0.4


def extend(model):
    """Every length has one pool, so the costs of all candidates that cover it are that pool's.

    One constraint for each step between breakpoints bounds every pool, without a big M; the
    cost in a variable of its own keeps them short.
    """
    model.total = pyo.Var(domain=pyo.NonNegativeReals)
    model.total_is_cost = pyo.Constraint(expr=model.total == model.cost)

    def of_the_pool(model, i):
        covering = [
            c for c in model.candidates if model.candidate[c].start <= i < model.candidate[c].end
        ]
        return sum(model.pool_cost[c] for c in covering) <= LARGEST_SHARE * model.total

    steps = [i for i in model.breakpoints if i != model.breakpoints.last()]
    model.no_pool_too_dear = pyo.Constraint(steps, rule=of_the_pool)
