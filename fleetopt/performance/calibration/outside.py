"""What clients wait for a first token beyond the engine's iterations."""

from __future__ import annotations

import numpy as np

from fleetopt.performance.calibration.constants import FIRST_TOKEN, FirstToken
from fleetopt.performance.calibration.seconds import Floats

_PULLS = np.array([0.5, 4.0, 0.5])
_SCALE = 0.2


def first_token(
    simulated_s: Floats, iteration_s: Floats, measured_s: Floats, weights: Floats
) -> FirstToken:
    """(a, b, k) of TTFT = a + b simulated + k iterations, by robust least squares of logarithms.

    a: tokenizing, the network and the client; b: prompts that run slower than decodes tell;
    k: iterations that pass before the engine polls, balances its groups or sends a token. All
    are above 0 and pulled to FIRST_TOKEN, so that one group alone moves them little.
    """
    from scipy.optimize import least_squares

    start = np.log(FIRST_TOKEN)

    def residuals(logs: Floats) -> Floats:
        a, b, k = np.exp(logs)
        told = np.log(a + b * simulated_s + k * iteration_s)
        return np.concatenate((weights * (told - np.log(measured_s)), _PULLS * (logs - start)))

    found = least_squares(residuals, start, bounds=(start - 5.0, start + 5.0), loss="soft_l1",
                          f_scale=_SCALE)  # fmt: skip
    a, b, k = (float(value) for value in np.exp(found.x))
    return a, b, k
