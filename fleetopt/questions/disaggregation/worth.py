"""When phases apart are worth it: what they save over arrival rates and bounds on TTFT."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fleetopt.case import Case
from fleetopt.optimization.tables import PhaseTables, maker
from fleetopt.questions.disaggregation.asked import Question
from fleetopt.questions.disaggregation.designed import problem_of
from fleetopt.queueing.table import PoolTable
from fleetopt.workload.compression import Served
from fleetopt.workload.lengths import Floats

SPAN = 10.0
"""Factor between the rate that was asked for and the ends of the range."""
RATES, BOUNDS = 11, 7
"""Points of the two axes."""
_LEAST_TTFT_MS, _MOST_TTFT_MS = 20.0, 2000.0


@dataclass(frozen=True)
class Worth:
    """What phases apart save by the tables, one pool for all lengths on each side.

    rates, ttft_ms: the axes, ascending. together, apart: USD per hour of the cheapest fleet, a row
    for each bound; infinite where none keeps it. asked: the rate and the bound of the question.
    """

    rates: tuple[float, ...]
    ttft_ms: tuple[float, ...]
    together: tuple[tuple[float, ...], ...]
    apart: tuple[tuple[float, ...], ...]
    asked: tuple[float, float]

    def saving(self) -> Floats:
        """Share that phases apart save: infinite where only they have a fleet, minus infinite
        where only the others have, NaN where neither does.
        """
        together, apart = np.array(self.together), np.array(self.apart)
        with np.errstate(invalid="ignore"):
            found = 1.0 - apart / together
        found = np.where(np.isinf(together), np.inf, found)
        found = np.where(np.isinf(apart), -np.inf, found)
        neither: Floats = np.where(np.isinf(apart) & np.isinf(together), np.nan, found)
        return neither


def worth(question: Question) -> Worth:
    """Both sides from a tenth of the rate that was asked for to ten times as much."""
    stated, rate = question.stated, question.arrival_rate
    rates = [rate * float(x) for x in np.geomspace(1.0 / SPAN, SPAN, RATES)]
    bounds = np.geomspace(_LEAST_TTFT_MS, _MOST_TTFT_MS, BOUNDS).tolist()
    problem = problem_of(question, {"phases": "either", "links": stated.links})
    update = {"thresholds": (), "max_pools": 1}
    sides = _Sides(Case.of(problem.model_copy(update=update)))
    rows = [[sides.costs(each, bound) for each in rates] for bound in bounds]
    return Worth(
        tuple(rates),
        tuple(bounds),
        tuple(tuple(together for together, _ in row) for row in rows),
        tuple(tuple(apart for _, apart in row) for row in rows),
        (rate, stated.slo_ttft_ms),
    )


class _Sides:
    """Both sides of a case of one pool at any arrival rate and bound on TTFT."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._whole = Served(0, case.breakpoints[-1])
        self._decode: dict[tuple[str, float], float] = {}

    def costs(self, rate: float, ttft_ms: float) -> tuple[float, float]:
        """USD per hour of the cheapest pool, and of the cheapest pair."""
        slo = tuple(
            bound.model_copy(update={"limit_ms": ttft_ms}) if bound.metric == "ttft" else bound
            for bound in self._case.problem.slo
        )
        problem = self._case.problem.model_copy(update={"slo": slo})
        case = replace(self._case, problem=problem, arrival_rate=rate)
        together = [_cost(maker(case, profile)(self._whole, rate)) for profile in case.profiles]
        return min(together), min(self._pairs(case), default=math.inf)

    def _pairs(self, case: Case) -> Iterator[float]:
        tables, whole = PhaseTables(case), self._whole
        for pairs in case.phase_pairs:
            first = (_cost(tables.prefill(case.profile(n), pairs, whole)) for n in pairs.prefill)
            yield min(first) + min(self._of_decode(case, tables, name) for name in pairs.decode)

    def _of_decode(self, case: Case, tables: PhaseTables, name: str) -> float:
        """The same whatever bounds TTFT."""
        key = (name, case.arrival_rate)
        if key not in self._decode:
            self._decode[key] = _cost(tables.decode(case.profile(name), self._whole))
        return self._decode[key]


def _cost(table: PoolTable) -> float:
    """USD per hour of the least admissible row; infinite if there is none."""
    replicas = table.min_replicas()
    return math.inf if replicas is None else replicas * table.profile.usd_per_hour
