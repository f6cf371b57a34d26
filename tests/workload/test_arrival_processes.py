"""Arrival processes have the rate and the burstiness they state."""

from __future__ import annotations

import numpy as np
import pytest

from fleetopt.workload.arrivals import ArrivalProcess, Gamma, Poisson

HORIZON_S = 50_000.0


@pytest.mark.parametrize(
    ("process", "cv2"),
    [(Poisson(3.0), 1.0), (Gamma(3.0, 1.0), 1.0), (Gamma(3.0, 8.0), 8.0), (Gamma(3.0, 0.2), 0.2)],
)
def test_rate_and_variation_of_the_gaps(process: ArrivalProcess, cv2: float) -> None:
    """Counts within five standard errors; the gaps' variation within a tenth."""
    times = process.times(np.random.default_rng(), HORIZON_S)
    expected = 3.0 * HORIZON_S
    assert abs(times.size - expected) < 5 * (max(1.0, cv2) * expected) ** 0.5
    gaps = np.diff(times)
    assert gaps.var() / gaps.mean() ** 2 == pytest.approx(cv2, rel=0.1)
    assert (gaps >= 0).all()
    assert 0 <= times[0] <= times[-1] < HORIZON_S


def test_a_quiet_process_may_bring_nobody() -> None:
    """A short horizon at a tiny rate is an empty array."""
    for process in (Poisson(1e-9), Gamma(1e-9, 4.0)):
        assert process.times(np.random.default_rng(), 1e-3).size == 0
