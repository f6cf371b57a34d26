"""What clients wait for a first token beyond the engine's iterations."""

from __future__ import annotations

import numpy as np

from fleetopt.performance.calibration.constants import FIRST_TOKEN_FACTOR, FIRST_TOKEN_S
from fleetopt.performance.calibration.seconds import Floats

_PULL_SECONDS, _PULL_FACTOR = 0.5, 4.0
_SCALE = 0.2


def first_token(simulated_s: Floats, measured_s: Floats, weights: Floats) -> tuple[float, float]:
    """(a, b) of TTFT = a + b simulated, by robust least squares of logarithms, both above 0.

    a: tokenizing, the network and the client; b: prompts that run slower than decodes tell.
    Pulled to 20 ms and 1, so that one group alone moves them little.
    """
    from scipy.optimize import least_squares

    start = np.log([FIRST_TOKEN_S, FIRST_TOKEN_FACTOR])

    def residuals(logs: Floats) -> Floats:
        told = np.log(np.exp(logs[0]) + np.exp(logs[1]) * simulated_s)
        pulls = np.array([_PULL_SECONDS, _PULL_FACTOR]) * (logs - start)
        return np.concatenate((weights * (told - np.log(measured_s)), pulls))

    found = least_squares(residuals, start, bounds=(start - 5.0, start + 5.0), loss="soft_l1",
                          f_scale=_SCALE)  # fmt: skip
    return float(np.exp(found.x[0])), float(np.exp(found.x[1]))
