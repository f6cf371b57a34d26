"""Closed forms of the mean TTFT of a prefill replica that takes one prompt at a time.

Prompts arrive as a Poisson process of rate R and each takes D seconds on one GPU: M/D/1.
Parallelism over two GPUs makes either two stages of D / 2, or one of D / K.

Source: Y. Zhong et al., DistServe, OSDI 2024 (arXiv:2401.09670), section 3.1, equations 1
to 3; the wait is that of Pollaczek and Khinchine with constant service.
"""

from __future__ import annotations

import math


def single_ttft_s(prefill_s: float, rate: float) -> float:
    """Mean TTFT on one GPU: D + R D^2 / (2 (1 - R D)); infinite from R D = 1 on.

    prefill_s: D, seconds of one prompt, above 0. rate: R, prompts per second, 0 or more.
    Raises ValueError for others.
    """
    if not (prefill_s > 0 and rate >= 0):
        raise ValueError("Expected a prefill time above 0 and a rate of 0 or more.")
    if rate * prefill_s >= 1.0:
        return math.inf
    return prefill_s + rate * prefill_s**2 / (2.0 * (1.0 - rate * prefill_s))


def inter_op_ttft_s(prefill_s: float, rate: float, stages: int = 2) -> float:
    """Mean TTFT on a pipeline of equal stages: D, and the wait before the first of them.

    With two, D + R D^2 / (4 (2 - R D)); infinite from R D = stages on.
    Raises ValueError for less than one stage, and as `single_ttft_s`.
    """
    if stages < 1:
        raise ValueError("Expected at least one stage.")
    stage_s = prefill_s / stages
    return (prefill_s - stage_s) + single_ttft_s(stage_s, rate)


def intra_op_ttft_s(prefill_s: float, rate: float, speed_up: float) -> float:
    """Mean TTFT on GPUs that share each prompt: D / K + R D^2 / (2 K (K - R D)).

    speed_up: K, how much faster they are than one, above 0; infinite from R D = K on.
    Raises ValueError for others, and as `single_ttft_s`.
    """
    if not speed_up > 0:
        raise ValueError("Expected a speed-up above 0.")
    return single_ttft_s(prefill_s / speed_up, rate)


def crossing_load(speed_up: float) -> float:
    """Offered load R D from which two stages beat two GPUs with speed-up K, 1 < K < 2.

    With x = R D, the forms are equal where

        1 + x / (4 (2 - x)) = 1 / K + x / (2 K (K - x)),

    a quadratic equation with one root in (0, K). Raises ValueError for another speed-up: at
    K <= 1 stages always win, at K >= 2 sharing.
    """
    if not 1.0 < speed_up < 2.0:
        raise ValueError("Expected a speed-up above 1 and below 2.")
    # 4 (2 - x) (K - x) times the difference of both sides
    k = speed_up
    gain = 1.0 - 1.0 / k
    square = 4.0 * gain - 1.0 + 2.0 / k
    linear = -4.0 * gain * (2.0 + k) + k - 4.0 / k
    constant = 8.0 * gain * k
    root = math.sqrt(linear * linear - 4.0 * square * constant)
    return 2.0 * constant / (root - linear)
