"""Coefficients from measured runs: exact, from simulated runs, and what is refused."""

import numpy as np
import pytest

from fleetopt.errors import InputError
from fleetopt.performance.fit import Point, fit
from fleetopt.performance.profile import Capacity, IterationTime
from fleetopt.questions.validation.loop import Habit, play

W, H, F0, F1 = 8e-3, 6e-8, 6e-3, 4e-5
DESIGNS = [
    (p, o, c) for p in (512, 2048, 4096) for o in (256, 1024) for c in (1, 8, 32, 96)
]  # fmt: skip


def exact(p: float, o: float, c: float) -> Point:
    """A run that follows the equations."""
    ttft = F0 + F1 * p if c == 1 else 0.3
    e2e = (o - c) * (W + H * c * (p + o / 2)) + c * (F0 + F1 * p)
    return Point("", p, o, c, ttft, (e2e - ttft) / o)


def test_exact_runs_give_their_coefficients() -> None:
    found = fit([exact(*design) for design in DESIGNS], 8192)
    time = found.iteration
    values = (time.base_s, time.per_context_token_s, time.prefill_base_s, time.prefill_per_token_s)
    assert values == pytest.approx((W, H, F0, F1), rel=1e-3)
    assert found.median_error < 1e-4
    assert time.context == "current"


def test_one_wrong_run_moves_them_little() -> None:
    points = [exact(*design) for design in DESIGNS]
    wrong = points[7]
    points[7] = Point("", wrong.prompt_tokens, wrong.output_tokens, wrong.clients, 9.0, 0.5)
    found = fit(points, 8192)
    assert found.iteration.base_s == pytest.approx(W, rel=0.05)
    assert found.iteration.prefill_per_token_s == pytest.approx(F1, rel=0.1)


def test_runs_of_the_simulator_give_back_its_coefficients() -> None:
    """The equations are means; the simulator plays every iteration."""
    engine = IterationTime(W, H, F0, F1, "current", 8192, 8192)
    points = []
    for p, o, c in DESIGNS:
        capacity = Capacity(256, 200_000, 16, p + o)
        run = play(engine, capacity, (p, o), c, Habit(6, 0.95))
        points.append(Point("", p, o, c, run.ttft_s, run.tpot_s))
    found = fit(points, 8192)
    assert found.median_error < 0.04
    contexts = [point.context_tokens for point in points]
    ratios = [found.iteration.seconds(c) / engine.seconds(c) for c in contexts]
    assert float(np.median(ratios)) == pytest.approx(1.0, rel=0.1)


def test_fewer_runs_than_coefficients_are_refused() -> None:
    with pytest.raises(InputError, match="4 coefficients need as many runs, got 3"):
        fit([exact(1024, 256, c) for c in (8, 16, 32)], 8192)
    found = fit([exact(1024, 256, c) for c in (1, 8, 32)], 8192)
    assert np.isfinite(found.median_error)


BATCHES = [(p, 128, c) for p in (256, 512, 2048) for c in (1, 2, 8, 32)]


def batch(p: float, o: float, c: float, prefill_base_s: float = F0) -> Point:
    """A batch that starts together and follows the equations."""
    return Point("", p, o, c, prefill_base_s + F1 * c * p, W + H * c * (p + o / 2), at_once=True)


def test_batches_that_start_together_give_their_coefficients() -> None:
    found = fit([batch(*design) for design in BATCHES], 2048)
    time = found.iteration
    values = (time.base_s, time.per_context_token_s, time.prefill_base_s, time.prefill_per_token_s)
    assert values == pytest.approx((W, H, F0, F1), rel=1e-3)
    timed = [error is not None for error in found.ttft_errors]
    assert timed == [c * p <= 2048 for p, _, c in BATCHES]
    assert max(abs(error or 0.0) for error in (*found.ttft_errors, *found.tpot_errors)) < 1e-3


def test_batches_and_closed_loops_go_together() -> None:
    found = fit([*(batch(*d) for d in BATCHES), *(exact(*d) for d in DESIGNS)], 2048)
    assert found.iteration.prefill_per_token_s == pytest.approx(F1, rel=1e-3)
    assert [error is None for error in found.tpot_errors] == [False] * 12 + [True] * 24


def test_an_iteration_without_prompts_takes_what_decodes_take() -> None:
    """F0 is at most W, also where prompts say otherwise."""
    found = fit([batch(*design, prefill_base_s=3 * W) for design in BATCHES], 2048)
    assert found.iteration.prefill_base_s <= found.iteration.base_s * (1 + 1e-12)
    assert found.iteration.seconds(0.0) == pytest.approx(W, rel=0.05)


def test_a_design_beyond_the_runs_is_told() -> None:
    found = fit([exact(*design) for design in DESIGNS], 8192)
    assert found.beyond(sequences=96, prompt_tokens=512) == []
    (told,) = found.beyond(sequences=384)
    assert "384 is 4.0 times outside of the measured 1 to 96" in told
    (low,) = found.beyond(prompt_tokens=128)
    assert "128 is 4.0 times outside" in low
