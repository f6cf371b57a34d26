"""The constraints of the program, one function each, its equation in its docstring.

Every public function here takes the model and the indices or data of one constraint and
returns its relation; its component in the model has the function's name. With z[c,k] the
binary of candidate c and row k, and open[c] = sum_k z[c,k]. Row k has n[c,k] replicas that
must be up and s[c,k] spare ones, N[c,k] = n[c,k] + s[c,k] in all; see
`fleetopt.optimization.program` for sets and expressions.
"""

from __future__ import annotations

from typing import Any

from pyomo.core import ConcreteModel, inequality
from pyomo.core.expr import LinearExpression

from fleetopt.queueing.availability import SpareRule

Relation = Any
"""A Pyomo relational expression."""


def flow_conservation(model: ConcreteModel, breakpoint: int) -> Relation:
    r"""The arcs of built pools form a path: every length has exactly one pool.

    For every position :math:`i = 0, \dots, M` of a path, a breakpoint with the factor by which
    requests are compressed to it, with :math:`S_i` the candidates whose arc starts there and
    :math:`E_i` those whose arc ends there, a pool that only decodes left out,

    .. math::

        \sum_{c \in S_i} \sum_k z_{ck} - \sum_{c \in E_i} \sum_k z_{ck} =
        \begin{cases} 1 & i = 0 \\ -1 & i = M \\ 0 & \text{otherwise} \end{cases}
    """
    leaving, entering = model.leaving[breakpoint], model.entering[breakpoint]
    out = [model.z[index] for c in leaving for index in model.rows_of[c]]
    into = [model.z[index] for c in entering for index in model.rows_of[c]]
    net = LinearExpression(linear_coefs=[1] * len(out) + [-1] * len(into), linear_vars=out + into)
    supply = (breakpoint == model.breakpoints.first()) - (breakpoint == model.breakpoints.last())
    return net == supply


def pool_limit(model: ConcreteModel, max_pools: int) -> Relation:
    r"""At most `max_pools` pools are built; prefill and its decode count as one.

    .. math:: \sum_{c \notin D} \sum_k z_{ck} \le P_{\max}

    with :math:`D` the candidates that only decode.
    """
    return model.pools <= max_pools


def phase_pairing(model: ConcreteModel, start: int, end: int, link: str) -> Relation:
    r"""Every prompt that is prefilled is decoded, by a pool to which a link takes its KV.

    For every arc :math:`a` and every link :math:`l`, with :math:`P_{al}` the candidates of the
    arc that prefill before the link and :math:`D_{al}` those that decode behind it,

    .. math:: \sum_{c \in P_{al}} \sum_k z_{ck} = \sum_{c \in D_{al}} \sum_k z_{ck}

    A link joins each of its prefill profiles with each of its decode profiles. The path has at
    most one pool on an arc, so each side has at most one; how many replicas each has is free.
    """
    prefill, decode = model.paired[start, end, link]
    first = [model.z[index] for c in prefill for index in model.rows_of[c]]
    second = [model.z[index] for c in decode for index in model.rows_of[c]]
    signs = [1] * len(first) + [-1] * len(second)
    return LinearExpression(linear_coefs=signs, linear_vars=first + second) == 0


def inventory(model: ConcreteModel, gpu: str, available: int) -> Relation:
    r"""At most `available` GPUs of a type are bought.

    With :math:`G_g` the GPUs of type :math:`g` that are bought, see `whole_nodes`,

    .. math:: G_g \le I_g
    """
    return model.gpus_bought[gpu] <= available


def gpu_limit(model: ConcreteModel, max_gpus: int) -> Relation:
    r"""At most `max_gpus` GPUs are bought, all types together.

    .. math:: \sum_g G_g \le G_{\max}
    """
    return model.total_gpus <= max_gpus


def power_limit(model: ConcreteModel, power_kw: float) -> Relation:
    r"""The pools draw at most `power_kw` with every slot busy.

    With :math:`g_c` GPUs a replica, :math:`s_c` slots and the power curve :math:`w_c` of a
    GPU in kilowatts,

    .. math:: \sum_{c,k} w_c(s_c)\, g_c N_{ck} z_{ck} \le W

    Spare replicas are counted; spare GPUs of a node serve nothing and are not.
    """
    return model.power <= power_kw


def mean_power_limit(model: ConcreteModel, mean_power_kw: float) -> Relation:
    r"""The GPUs draw at most `mean_power_kw` on average.

    With :math:`\bar P_{ck}` the mean draw of all GPUs of row k at the occupancy of its table,
    spare replicas included,

    .. math:: \sum_{c,k} \bar P_{ck} z_{ck} \le \bar W
    """
    return model.mean_power <= mean_power_kw


def energy_limit(model: ConcreteModel, mwh_per_year: float) -> Relation:
    r"""The site uses at most `mwh_per_year` for the fleet.

    .. math:: 8.76 \, \mathrm{PUE} \sum_{c,k} \bar P_{ck} z_{ck} \le E
    """
    return model.energy <= mwh_per_year


def carbon_limit(model: ConcreteModel, tonnes_per_year: float) -> Relation:
    r"""The electricity of the fleet stands for at most `tonnes_per_year` of CO2.

    With :math:`g` the grams of a kilowatt-hour,

    .. math:: \frac{g}{1000} \, 8.76 \, \mathrm{PUE} \sum_{c,k} \bar P_{ck} z_{ck} \le C
    """
    return model.carbon <= tonnes_per_year


def budget(model: ConcreteModel, usd_per_hour: float) -> Relation:
    r"""The fleet costs at most `usd_per_hour`, spare GPUs of whole nodes included.

    With the price :math:`p_c` of a replica and :math:`q_g` of a spare GPU,

    .. math:: \sum_{c,k} p_c N_{ck} z_{ck} + \sum_g q_g (G_g - \sum_{c \in C_g} \sum_k
        g_c N_{ck} z_{ck}) \le B
    """
    return model.cost <= usd_per_hour


def whole_nodes(model: ConcreteModel, gpu: str, node_size: int) -> Relation:
    r"""The nodes that are bought of a type are as many as its GPUs fill, the last in part.

    Pools of one type share nodes, :math:`y_g` in number and of :math:`S` GPUs. Of the type,
    :math:`G_g = S y_g` GPUs are bought; without nodes it is the sum below itself:

    .. math:: 0 \le S y_g - \sum_{c \in C_g} \sum_k g_c N_{ck} z_{ck} \le S - 1, \qquad
        y_g \in \{0, 1, \dots\}
    """
    return inequality(0, node_size * model.nodes[gpu] - model.gpus[gpu], node_size - 1)


def least_replicas(model: ConcreteModel, candidate: int, min_replicas: int) -> Relation:
    r"""A pool that is built has at least `min_replicas` replicas that must be up.

    .. math:: \sum_k (n_{ck} - n_{\min}) z_{ck} \ge 0
    """
    rows = model.rows_of[candidate]
    beyond = [model.row[index].replicas - min_replicas for index in rows]
    built = [model.z[index] for index in rows]
    return LinearExpression(linear_coefs=beyond, linear_vars=built) >= 0


def availability(model: ConcreteModel, candidate: int, spares: SpareRule) -> Relation:
    r"""Of the replicas that a pool buys, as many as must be up are up often enough.

    .. math:: \sum_k (N_{ck} - N_{\min}(n_{ck})) z_{ck} \ge 0, \qquad N_{ck} = n_{ck} + s_{ck}

    With :math:`U_N` the replicas up out of :math:`N`, and :math:`p` the target, the rule of
    probability has :math:`N_{\min}(n) = \min \{N : P(U_N \ge n) \ge p\}`. That of the mean has
    :math:`\lceil n / A \rceil`, with :math:`A` the share of the time that a node is up.
    """
    rows, gpus = model.rows_of[candidate], model.candidate[candidate].gpus_per_replica
    built_with = [model.row[index] for index in rows]
    beyond = [row.bought - spares.to_buy(row.replicas, gpus) for row in built_with]
    built = [model.z[index] for index in rows]
    return LinearExpression(linear_coefs=beyond, linear_vars=built) >= 0


def fleet_attainment(model: ConcreteModel, bound: int, allowed_miss: float) -> Relation:
    r"""Of all requests together, at most the share `allowed_miss` is beyond a bound of the SLO.

    With :math:`\lambda_c` the arrival rate of a pool, :math:`\lambda` that of the fleet and
    :math:`m_{bck}` the share of the pool's requests beyond bound :math:`b` on percentile
    :math:`q_b`,

    .. math:: \sum_{c,k} \lambda_c m_{bck} z_{ck} \le (1 - q_b) \lambda

    In the model both sides are divided by the right one, so that a solver's tolerance is
    relative to what is allowed.
    """
    return model.miss[bound] / allowed_miss <= 1
