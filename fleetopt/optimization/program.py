r"""The program: which pools to build, and with how many replicas.

Breakpoints :math:`0 = t_0 < \dots < t_m` cut the total lengths; a candidate c is an arc
:math:`(t_i, t_j]` with a profile, and row k builds it with :math:`n_{ck}` replicas that must
be up, of :math:`N_{ck} \ge n_{ck}` that are bought:

.. math::

    \min \sum_{c,k} p_c N_{ck} z_{ck}, \qquad z_{ck} \in \{0, 1\},

subject to the constraints of `fleetopt.optimization.constraints`; where GPUs are bought in
whole nodes, the spare ones are paid for too. Rows are binaries because
the arrival rate that n replicas carry is neither convex nor concave in n.

Where a problem has compression factors, an arc begins and ends at a breakpoint with one of
them, and what is compressed below it is no longer than what the pool itself serves:

.. math:: (t_i, \gamma) \to (t_j, \gamma'), \qquad \gamma t_i \le t_j

Where prefill and decode may be apart, each phase is a candidate of its own. The path has the
pools that do both phases and those that prefill; `phase_pairing` adds the decode of the latter.
Costs, GPUs and power are sums over all of them, so the ratio of the two phases is an outcome.
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
from fleetopt.optimization.goals import COST, Goal, attach_draw, attach_goal
from fleetopt.optimization.limits import NONE, FleetSlo, SideConstraints
from fleetopt.plan import HOURS_PER_YEAR

_ArcOnLink = tuple[int, int, str]
"""Positions of an arc's ends, and the name of a link."""


def build(
    candidates: Sequence[Candidate],
    num_breakpoints: int,
    max_pools: int,
    side: SideConstraints = NONE,
    goal: Goal = COST,
) -> pyo.ConcreteModel:
    """The program as a Pyomo model, for a user to extend.

    num_breakpoints: M + 1, the number of positions on a path; with no compression they are
        t_0, ..., t_m.

    side: limits on the whole fleet; a constraint that is not stated is not in the model.
    goal: what the fleet has least of.
    Its sets, data, variables, expressions and constraints are listed in
    `fleetopt.optimization.interface`.
    """
    model = pyo.ConcreteModel(name="fleet")
    with PauseGC():  # a collection in the midst of the build doubles its time
        _attach_data(model, candidates, num_breakpoints, side.node_size)
        model.z = pyo.Var(model.rows, domain=pyo.Binary)
        _attach_expressions(model)
        model.total_gpus = pyo.Expression(expr=pyo.quicksum(model.gpus_bought.values()))
        attach_draw(model, side.site)
        _attach_constraints(model, max_pools)
        _attach_side_constraints(model, side)
    model.least_cost = pyo.Objective(expr=model.cost, sense=pyo.minimize)
    attach_goal(model, goal)
    return model


def _attach_data(
    model: pyo.ConcreteModel,
    candidates: Sequence[Candidate],
    num_breakpoints: int,
    node_size: int,
) -> None:
    model.candidate = {c.index: c for c in candidates}
    model.node_size = node_size
    model.row = {(c.index, k): row for c in candidates for k, row in enumerate(c.rows)}
    model.rows_of = {c.index: [(c.index, k) for k in range(len(c.rows))] for c in candidates}
    model.candidates = pyo.Set(initialize=list(model.candidate))
    model.rows = pyo.Set(dimen=2, initialize=list(model.row))
    model.breakpoints = pyo.RangeSet(0, num_breakpoints - 1)
    model.gpu_types = pyo.Set(initialize=sorted({c.gpu for c in candidates}))
    whole = [c for c in candidates if not c.is_decode]
    model.leaving = {i: [c.index for c in whole if c.start == i] for i in model.breakpoints}
    model.spare_price = _spare_prices(candidates)
    model.entering = {i: [c.index for c in whole if c.end == i] for i in model.breakpoints}
    model.paired = _paired(candidates)


def _paired(candidates: Sequence[Candidate]) -> dict[_ArcOnLink, tuple[list[int], list[int]]]:
    """For each arc and link the candidates that prefill, and those that decode."""
    paired: dict[_ArcOnLink, tuple[list[int], list[int]]] = {}
    for c in candidates:
        if c.phase is not None:
            sides = paired.setdefault((c.start, c.end, c.link), ([], []))
            sides[c.is_decode].append(c.index)
    return paired


def _spare_prices(candidates: Sequence[Candidate]) -> dict[str, float]:
    """USD per hour of one GPU of each type, by the cheapest profile."""
    prices: dict[str, float] = {}
    for c in candidates:
        price = c.usd_per_hour / c.gpus_per_replica
        prices[c.gpu] = min(price, prices.get(c.gpu, price))
    return prices


def _attach_constraints(model: pyo.ConcreteModel, max_pools: int) -> None:
    model.flow_conservation = pyo.Constraint(model.breakpoints, rule=constraints.flow_conservation)
    model.pool_limit = pyo.Constraint(expr=constraints.pool_limit(model, max_pools))
    if model.paired:
        model.phase_pairing = pyo.Constraint(list(model.paired), rule=constraints.phase_pairing)


def _attach_side_constraints(model: pyo.ConcreteModel, side: SideConstraints) -> None:
    held = [gpu for gpu in model.gpu_types if gpu in side.inventory]
    if held:
        model.inventory = pyo.Constraint(
            held, rule=lambda model, gpu: constraints.inventory(model, gpu, side.inventory[gpu])
        )
    if side.max_gpus is not None:
        model.gpu_limit = pyo.Constraint(expr=constraints.gpu_limit(model, side.max_gpus))
    if side.power_kw is not None:
        model.power_limit = pyo.Constraint(expr=constraints.power_limit(model, side.power_kw))
    if side.budget_usd_per_year is not None:
        hourly = side.budget_usd_per_year / HOURS_PER_YEAR
        model.budget = pyo.Constraint(expr=constraints.budget(model, hourly))
    _attach_draw_limits(model, side)
    if side.node_size > 1:
        model.whole_nodes = pyo.Constraint(
            model.gpu_types,
            rule=lambda model, gpu: constraints.whole_nodes(model, gpu, side.node_size),
        )
    if side.min_replicas > 1:
        model.least_replicas = pyo.Constraint(
            model.candidates,
            rule=lambda model, c: constraints.least_replicas(model, c, side.min_replicas),
        )
    if side.spares.availability < 1.0:
        model.availability = pyo.Constraint(
            model.candidates,
            rule=lambda model, c: constraints.availability(model, c, side.spares),
        )
    if side.slo is not None:
        _attach_fleet_slo(model, side.slo)


def _attach_draw_limits(model: pyo.ConcreteModel, side: SideConstraints) -> None:
    """Hold what the GPUs draw on average to its limits."""
    if (most := side.mean_power_kw) is not None:
        model.mean_power_limit = pyo.Constraint(expr=constraints.mean_power_limit(model, most))
    if (most := side.energy_mwh_per_year) is not None:
        model.energy_limit = pyo.Constraint(expr=constraints.energy_limit(model, most))
    if (most := side.carbon_tonnes_per_year) is not None:
        model.carbon_limit = pyo.Constraint(expr=constraints.carbon_limit(model, most))


def _attach_fleet_slo(model: pyo.ConcreteModel, slo: FleetSlo) -> None:
    """Hold all requests together to the SLO."""
    model.bounds = pyo.RangeSet(0, len(slo.bounds) - 1)
    model.arrival_rate = slo.arrival_rate
    model.miss = pyo.Expression(model.bounds, rule=missed)
    model.fleet_attainment = pyo.Constraint(
        model.bounds,
        rule=lambda model, b: constraints.fleet_attainment(model, b, slo.bounds[b].allowed_miss),
    )


def remeasure(model: pyo.ConcreteModel, candidates: Iterable[Candidate]) -> None:
    """Put candidates whose rows miss other shares, and are otherwise the same, into a model."""
    model.candidate = {c.index: c for c in candidates}
    model.row = {(c.index, k): row for c in candidates for k, row in enumerate(c.rows)}
    for bound in model.bounds:
        model.miss[bound].set_value(missed(model, bound))


def missed(model: pyo.ConcreteModel, bound: int) -> LinearExpression:
    """Share of all requests beyond a bound, by the present rows of the candidates."""
    shares = [
        model.candidate[c].arrival_rate * row.misses[bound] / model.arrival_rate
        for (c, _), row in model.row.items()
    ]
    return LinearExpression(linear_coefs=shares, linear_vars=list(model.z.values()))


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
    whole = [index for index in row if not candidate[index[0]].is_decode]
    model.pools = pyo.Expression(expr=weighted(one, whole))
    if all(c.watts is not None for c in candidate.values()):
        power = {(c, k): candidate[c].kilowatts(built) for (c, k), built in row.items()}
        model.power = pyo.Expression(expr=weighted(power, row))
    if model.node_size == 1:
        model.gpus_bought = pyo.Expression(
            model.gpu_types, rule=lambda _, gpu: weighted(gpus, of_type[gpu])
        )
        model.cost = pyo.Expression(expr=weighted(cost, row))
    else:
        model.nodes = pyo.Var(model.gpu_types, domain=pyo.NonNegativeIntegers)
        model.gpus_bought = pyo.Expression(
            model.gpu_types, rule=lambda model, gpu: model.node_size * model.nodes[gpu]
        )
        model.cost = pyo.Expression(expr=_cost_of_nodes(model, cost, gpus))


def _cost_of_nodes(
    model: pyo.ConcreteModel, cost: dict[Index, float], gpus: dict[Index, float]
) -> LinearExpression:
    """Cost of the pools and of the GPUs that their nodes have to spare."""
    candidate, price = model.candidate, model.spare_price
    net = [cost[c, k] - price[candidate[c].gpu] * gpus[c, k] for c, k in model.row]
    whole = [model.node_size * price[gpu] for gpu in model.gpu_types]
    variables = [*model.z.values(), *(model.nodes[gpu] for gpu in model.gpu_types)]
    return LinearExpression(linear_coefs=[*net, *whole], linear_vars=variables)
