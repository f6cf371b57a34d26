"""Which side is cheaper: both phases apart, or together, over the arrival rate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fleetopt.questions.disaggregation.asked import Question

SPAN = 10.0
"""Factor between the rate that was asked for and the ends of the range."""
POINTS = 161


@dataclass(frozen=True)
class CostsOverRates:
    """USD a year of the cheapest fleet of each kind, one entry for each rate.

    rates: requests per second, ascending. asked: the rate that was asked for.
    Infinite where no fleet of the kind keeps the SLO.
    """

    asked: float
    rates: tuple[float, ...]
    published_apart: tuple[float, ...]
    published_together: tuple[float, ...]
    corrected_apart: tuple[float, ...]
    corrected_together: tuple[float, ...]


def costs_over_rates(question: Question) -> CostsOverRates:
    """The costs from a tenth of the rate that was asked for to ten times as much."""
    asked = question.arrival_rate
    rates = [asked * float(x) for x in np.geomspace(1.0 / SPAN, SPAN, POINTS)]
    columns = list(zip(*(_costs(question, rate) for rate in rates), strict=True))
    return CostsOverRates(asked, tuple(rates), *columns)


def _costs(question: Question, rate: float) -> tuple[float, float, float, float]:
    """Apart and together by the published count, apart and together as corrected."""
    pairs = [question.pair(*names, rate) for names in question.pairs]
    kept = [pair for pair in pairs if not pair.misses]
    pools = [question.aggregated(gpu, rate) for gpu in question.gpus]
    return (
        _least(pair.published.usd_per_year for pair in kept),
        _least(pool.published.usd_per_year for pool in pools),
        _least(pair.corrected.usd_per_year for pair in kept),
        _least(pool.corrected.usd_per_year for pool in pools if pool.corrected),
    )


def _least(costs: Iterable[float]) -> float:
    return min(costs, default=math.inf)
