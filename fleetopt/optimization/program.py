r"""The program: which pools to build, and with how many replicas.

Breakpoints :math:`0 = t_0 < \dots < t_m` cut the total lengths; a candidate c is an arc
:math:`(t_i, t_j]` with a profile, and row k builds it with :math:`n_{ck}` replicas:

.. math::

    \min \sum_{c,k} p_c n_{ck} z_{ck}, \qquad z_{ck} \in \{0, 1\},

subject to the constraints of `fleetopt.optimization.constraints`. Rows are binaries because
the arrival rate that n replicas carry is neither convex nor concave in n.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyomo.core as pyo
from pyomo.common.gc_manager import PauseGC
from pyomo.core.expr import LinearExpression

from fleetopt.optimization import constraints
from fleetopt.optimization.candidates import Candidate
from fleetopt.optimization.cuts import Index


def build(
    candidates: Sequence[Candidate], num_breakpoints: int, max_pools: int
) -> pyo.ConcreteModel:
    """The program as a Pyomo model, for a user to extend.

    num_breakpoints: m + 1, the number of t_0, ..., t_m.

    Sets: `candidates` (index c), `rows` (pairs (c, k)), `breakpoints` (0..m), `gpu_types`.
    Data: `candidate[c]` (Candidate), `row[c, k]` (Row), `rows_of[c]` (its pairs),
    `leaving[i]` and `entering[i]` (candidates whose arc starts or ends at breakpoint i).
    Variables: `z[c, k]`, binary, candidate c is built with its row k.
    Expressions: `open[c]` (1 if c is built), `pool_cost[c]` (USD/h), `pool_rate[c]`
    (requests/s), `pools` (their number), `cost` (USD/h), `gpus[type]` (GPUs of a type).
    Constraints: `flow_conservation[i]`, `pool_limit`. Objective: `least_cost`.
    """
    model = pyo.ConcreteModel(name="fleet")
    with PauseGC():  # a collection in the midst of the build doubles its time
        _attach_data(model, candidates, num_breakpoints)
        model.z = pyo.Var(model.rows, domain=pyo.Binary)
        _attach_expressions(model)
        _attach_constraints(model, max_pools)
    model.least_cost = pyo.Objective(expr=model.cost, sense=pyo.minimize)
    return model


def _attach_data(
    model: pyo.ConcreteModel, candidates: Sequence[Candidate], num_breakpoints: int
) -> None:
    model.candidate = {c.index: c for c in candidates}
    model.row = {(c.index, k): row for c in candidates for k, row in enumerate(c.rows)}
    model.rows_of = {c.index: [(c.index, k) for k in range(len(c.rows))] for c in candidates}
    model.candidates = pyo.Set(initialize=list(model.candidate))
    model.rows = pyo.Set(dimen=2, initialize=list(model.row))
    model.breakpoints = pyo.RangeSet(0, num_breakpoints - 1)
    model.gpu_types = pyo.Set(initialize=sorted({c.gpu for c in candidates}))
    model.leaving = {i: [c.index for c in candidates if c.start == i] for i in model.breakpoints}
    model.entering = {i: [c.index for c in candidates if c.end == i] for i in model.breakpoints}


def _attach_constraints(model: pyo.ConcreteModel, max_pools: int) -> None:
    model.flow_conservation = pyo.Constraint(model.breakpoints, rule=constraints.flow_conservation)
    model.pool_limit = pyo.Constraint(expr=constraints.pool_limit(model, max_pools))


def _attach_expressions(model: pyo.ConcreteModel) -> None:
    z, row, candidate = dict(model.z.items()), model.row, model.candidate
    one = dict.fromkeys(row, 1.0)
    cost = {(c, k): candidate[c].cost(built) for (c, k), built in row.items()}
    gpus = {(c, k): float(candidate[c].gpus(built)) for (c, k), built in row.items()}
    rate = {(c, k): candidate[c].arrival_rate for c, k in row}
    of_type = {
        gpu: [index for index in row if candidate[index[0]].gpu == gpu] for gpu in model.gpu_types
    }

    def weighted(weights: dict[Index, float], indices: Iterable[Index]) -> LinearExpression:
        pairs = list(indices)
        coefs, variables = [weights[p] for p in pairs], [z[p] for p in pairs]
        return LinearExpression(linear_coefs=coefs, linear_vars=variables)

    def pool(weights: dict[Index, float]) -> Any:
        return pyo.Expression(
            model.candidates, rule=lambda model, c: weighted(weights, model.rows_of[c])
        )

    model.open, model.pool_cost, model.pool_rate = pool(one), pool(cost), pool(rate)
    model.gpus = pyo.Expression(model.gpu_types, rule=lambda _, gpu: weighted(gpus, of_type[gpu]))
    model.pools = pyo.Expression(expr=weighted(one, row))
    model.cost = pyo.Expression(expr=weighted(cost, row))
