"""Arrival processes stated as text have the rate and the burstiness that they say."""

from __future__ import annotations

import numpy as np
import pytest

from fleetopt.errors import InputError
from fleetopt.problem import ArrivalFigures, RateProfile
from fleetopt.simulation.statistics import mean_interval
from fleetopt.workload.stated import arrival_process

FIGURES = ArrivalFigures(
    requests=600, duration_s=100.0, rate=6.0, gap_cv2=3.0,
    dispersion=((1.0, 2.0), (10.0, 5.0)), peak_rates=(),
    profile=RateProfile(bin_s=50.0, rates=(2.0, 10.0)),
)  # fmt: skip


@pytest.mark.parametrize("text", ["poisson", "gamma:4", "mmpp:5:2", "fitted", "profile"])
def test_rate(text: str) -> None:
    process = arrival_process(text, 30.0, FIGURES)
    assert process.rate == pytest.approx(30.0)
    rng = np.random.default_rng()
    found = mean_interval([process.times(rng, 400.0).size for _ in range(100)], 1.0 - 1e-6)
    assert found.low <= 12_000 <= found.high


def test_gamma_varies_as_stated() -> None:
    times = arrival_process("gamma:4", 30.0).times(np.random.default_rng(), 5000.0)
    gaps = np.diff(times)
    assert gaps.var() / gaps.mean() ** 2 == pytest.approx(4.0, rel=0.1)


def test_profile_follows_the_recorded_rates() -> None:
    times = arrival_process("profile", 60.0, FIGURES).times(np.random.default_rng(), 100.0)
    first = np.count_nonzero(times < 50.0) / times.size
    assert first == pytest.approx(1 / 6, abs=0.03)


@pytest.mark.parametrize(
    "text", ["", "poison", "gamma", "gamma:0", "gamma:x", "mmpp:5", "mmpp:1:2", "poisson:3",
             "fitted", "profile"],
)  # fmt: skip
def test_texts_that_say_nothing(text: str) -> None:
    with pytest.raises(InputError, match="arrivals"):
        arrival_process(text, 30.0)
