"""The constraints of the program, one function each, its equation in its docstring.

Every public function here takes the model and the indices or data of one constraint and
returns its relation. With z[c,k] the binary of candidate c and row k, and
open[c] = sum_k z[c,k]; see `fleetopt.optimization.program` for sets and expressions.
"""

from __future__ import annotations

from typing import Any

from pyomo.core import ConcreteModel
from pyomo.core.expr import LinearExpression

Relation = Any
"""A Pyomo relational expression."""


def flow_conservation(model: ConcreteModel, breakpoint: int) -> Relation:
    r"""The arcs of built pools form a path: every length has exactly one pool.

    For every breakpoint :math:`i = 0, \dots, m`, with :math:`S_i` the candidates whose arc
    starts at :math:`t_i` and :math:`E_i` those whose arc ends there,

    .. math::

        \sum_{c \in S_i} \sum_k z_{ck} - \sum_{c \in E_i} \sum_k z_{ck} =
        \begin{cases} 1 & i = 0 \\ -1 & i = m \\ 0 & \text{otherwise} \end{cases}
    """
    leaving, entering = model.leaving[breakpoint], model.entering[breakpoint]
    out = [model.z[index] for c in leaving for index in model.rows_of[c]]
    into = [model.z[index] for c in entering for index in model.rows_of[c]]
    net = LinearExpression(linear_coefs=[1] * len(out) + [-1] * len(into), linear_vars=out + into)
    supply = (breakpoint == model.breakpoints.first()) - (breakpoint == model.breakpoints.last())
    return net == supply


def pool_limit(model: ConcreteModel, max_pools: int) -> Relation:
    r"""At most `max_pools` pools are built.

    .. math:: \sum_c \sum_k z_{ck} \le P_{\max}
    """
    return model.pools <= max_pools
