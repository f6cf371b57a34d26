"""Placement for goodput against plain enumeration, by hand, and in the simulator."""

from __future__ import annotations

from itertools import product

import pytest

from fleetopt.errors import InfeasibleError, InputError
from fleetopt.performance.profile import Capacity
from fleetopt.problem import FleetProblem
from fleetopt.questions.placement import place
from fleetopt.questions.placement.placing import Question
from fleetopt.questions.placement.rates import TOLERANCE
from fleetopt.questions.placement.rule import MeanRequest

STATED = {
    "cdf": "azure",
    "gpus": ["h100", "a100"],
    "max_context": 8192,
    "overlong": "clip",
    "max_gpus": 4,
    "slo": ["p90 ttft 300", "p90 tpot 60"],
    "phases": "either",
    "links": ["25"],
    "verification": {"enabled": False},
}


def problem(**keys: object) -> FleetProblem:
    return FleetProblem.model_validate({**STATED, **keys})


SLOWER = [(300, 60), (100, 30), (1000, 20)]


@pytest.mark.parametrize(
    ("ttft", "tpot"),
    [(60, 16), *(pytest.param(*bounds, marks=pytest.mark.slow) for bounds in SLOWER)],
)
def test_counts_are_those_of_enumeration(ttft: int, tpot: int) -> None:
    """Every pair of profiles in every number, each by its own bisection, without any bound."""
    stated = problem(slo=[f"p90 ttft {ttft}", f"p90 tpot {tpot}"], max_gpus=3)
    question = Question(stated, 0.9)
    best = 0.0
    for pairs, first, second in question.linked():
        prefill, decode = question.prefill(first.name, pairs), question.decode(second.name)
        for n, m in product(range(1, 3), range(1, 3)):
            if n + m > 3:
                continue
            low, high = 0.0, 200.0
            while high - low > max(TOLERANCE * high, 1e-3):
                rate = 0.5 * (low + high)
                used = max(decode.used(m, rate), prefill.used(n, rate))
                kept = prefill.kept(n, rate) * decode.kept(m, rate) if used <= 0.85 else 0.0
                low, high = (rate, high) if kept >= 0.9 else (low, rate)
            best = max(best, low / (n + m))
    found = place(stated, 0.9)
    if best == 0.0:
        assert found.apart is None
    else:
        assert found.apart is not None
        assert found.apart.goodput == pytest.approx(best, rel=4 * TOLERANCE)
        assert found.tried < found.considered == 12


def test_more_attainment_carries_less() -> None:
    tight = problem(gpus=["h100"], max_gpus=2, slo=["p90 ttft 40", "p90 tpot 14"])
    rates = [place(tight, share).apart for share in (0.5, 0.8, 0.95)]
    goodputs = [placed.goodput for placed in rates if placed is not None]
    assert goodputs == sorted(goodputs, reverse=True)
    assert goodputs[0] > goodputs[-1]


def test_the_simulator_attains_the_share() -> None:
    """Of both kinds, at rates that simulation may have lowered."""
    found = place(problem(verification={"replications": 4, "requests": 4000}), 0.9)
    assert found.best is not None
    for placed in (found.apart, found.together):
        assert placed is not None
        assert placed.attained is not None
        assert (placed.attained.low or 0.0) >= 0.9


def test_the_rule_by_hand() -> None:
    """0.90 / prefill; 0.92 sequences / (output * iteration) for the largest batch in time."""
    question = Question(problem(), 0.9)
    h100 = question.case.profile("h100")
    time, request = h100.iteration, MeanRequest(1000.0, 200.0)
    prefill_s = -(-1000 // time.chunk_tokens) * time.seconds(1000.0)
    assert request.prefill_rate(h100, 1.0) == pytest.approx(0.90 / prefill_s)
    assert request.prefill_rate(h100, 1.79 * prefill_s) == 0.0
    token_s = time.seconds(10.0 * 1100.0) + 1e-9
    decoded = request.decode_rate(h100, Capacity(256, 0, 16, 8192), token_s)
    assert decoded == pytest.approx(0.92 * 10 / (200.0 * token_s))
    assert request.decode_rate(h100, Capacity(256, 0, 16, 8192), 0.5 * time.base_s) == 0.0


def test_bounds_that_nothing_keeps() -> None:
    with pytest.raises(InfeasibleError, match="no placement on 4 GPUs keeps both bounds"):
        place(problem(gpus=["h100"], slo=["p90 ttft 1", "p90 tpot 60"]))


def test_both_metrics_are_needed() -> None:
    with pytest.raises(InputError, match="one bound on TTFT and one on TPOT"):
        place(problem(slo=["p90 ttft 100"]))
    with pytest.raises(InputError, match="between 0 and 1"):
        place(problem(), 1.0)
