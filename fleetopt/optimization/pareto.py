r"""Every non-dominated fleet for two objectives, by the epsilon-constraint method.

The first objective is minimized with the second at most epsilon, then the second with the
first at its optimum, so that no weakly dominated fleet is kept. Epsilon then moves just
below the value found, until no fleet is left:

.. math::

    \min f_1 \quad \text{s.t.} \quad f_2 \le \varepsilon, \qquad \text{then} \qquad
    \min f_2 \quad \text{s.t.} \quad f_1 \le f_1^*, \; f_2 \le \varepsilon

See Haimes, Lasdon and Wismer (1971, IEEE Transactions on Systems, Man, and Cybernetics 1)
and, for the second stage, Mavrotas (2009, Applied Mathematics and Computation 213).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from fleetopt.optimization.epsilon import LimitedProgram
from fleetopt.optimization.objectives import Limits, Objective, just_below, no_more
from fleetopt.optimization.solver import Solution


@dataclass(frozen=True, slots=True)
class Point:
    """A non-dominated fleet.

    values: of both objectives, in USD, MWh or tonnes a year, GPUs, kW or ms.
    epsilon: the most that the second objective was allowed; infinite for the first point.
    solution: of the solve that found it, with its gap and why the solver stopped.
    """

    values: tuple[float, float]
    epsilon: float
    solution: Solution


def non_dominated(program: LimitedProgram, first: Objective, second: Objective) -> Iterator[Point]:
    """Every non-dominated fleet, the first objective ascending and the second descending.

    A sum is minimized under bounds on a latency and not the other way round, so with one of
    each the sum has to be first.
    """
    epsilon = math.inf
    while True:
        within: Limits = {second: epsilon} if math.isfinite(epsilon) else {}
        best = _least(program, first, within, first)
        if best is None:
            return
        most = no_more(first, program.value(first, best))
        held = _least(program, second, {**within, first: most}, first) or best
        values = program.value(first, held), program.value(second, held)
        yield Point(values, epsilon, held)
        epsilon = just_below(second, values[1])


def _least(
    program: LimitedProgram, objective: Objective, limits: Limits, first: Objective
) -> Solution | None:
    """A fleet with the least of an objective under limits; None if there is none."""
    if objective != "ttft" and objective != "tpot":
        solution = program.least_sum(objective, limits)
        return solution if solution.chosen else None
    beside = "cost" if first == "ttft" or first == "tpot" else first
    return program.least_worst(objective, limits, beside)
