"""Ratios of prefill to decode replicas around the best one: cost and percentiles, by the tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fleetopt.case import Case
from fleetopt.optimization.tables import PhaseTables
from fleetopt.plan import HOURS_PER_YEAR
from fleetopt.questions.disaggregation.asked import Question
from fleetopt.questions.disaggregation.designed import Designed, links_of, problem_of
from fleetopt.workload.compression import Served

AROUND = 2
"""Replicas fewer and more of each phase."""


@dataclass(frozen=True)
class Ratio:
    """Replicas of both phases, what they cost, and what they keep by the tables.

    ttft_ms, tpot_ms: P99; None if the phase is overloaded. keeps: every bound and the
    utilization cap. is_best: the fleet of the program.
    """

    n_prefill: int
    n_decode: int
    usd_per_year: float
    ttft_ms: float | None
    tpot_ms: float | None
    keeps: bool
    is_best: bool


def ratios_around(question: Question, asked: Designed) -> tuple[Ratio, ...]:
    """Every ratio with at most two replicas fewer or more in each phase, cheapest first."""
    assert asked.plan is not None
    best = {pool.phase: pool.replicas for pool in asked.plan.fleet.pools}
    found = _ratios(question, best["prefill"], best["decode"])
    return tuple(sorted(found, key=lambda ratio: (ratio.usd_per_year, ratio.n_prefill)))


def _ratios(question: Question, most_prefill: int, most_decode: int) -> Iterator[Ratio]:
    stated = question.stated
    names = (stated.gpu_prefill, stated.gpu_decode)
    own = tuple(k for k in links_of(question) if (k.prefill, k.decode) == names)
    update = {"phases": "apart", "links": own, "thresholds": (), "max_pools": 1}
    case = Case.of(problem_of(question, update))
    (pairs,), whole = case.phase_pairs, Served(0, case.breakpoints[-1])
    first, second = (case.profile(name) for name in names)
    tables = PhaseTables(case)
    prefill, decode = tables.prefill(first, pairs, whole), tables.decode(second, whole)
    for p in _numbers(most_prefill):
        for d in _numbers(most_decode):
            ttft = prefill.row(p).percentile_s("ttft", 99.0)
            tpot = decode.row(d).percentile_s("tpot", 99.0)
            yield Ratio(
                p,
                d,
                HOURS_PER_YEAR * (p * first.usd_per_hour + d * second.usd_per_hour),
                _finite_ms(ttft),
                _finite_ms(tpot),
                prefill.is_admissible(p) and decode.is_admissible(d),
                (p, d) == (most_prefill, most_decode),
            )


def _numbers(best: int) -> range:
    return range(max(1, best - AROUND), best + AROUND + 1)


def _finite_ms(seconds: float | None) -> float | None:
    if seconds is None or seconds == float("inf"):
        return None
    return 1000.0 * seconds
