"""Arrival rates to one of many replicas when requests join the shortest queue.

A replica with n sequences takes arrivals at lambda_n: an arrival goes to an idle replica while
there is one, so lambda_0 is larger than lambda / N and lambda_1 far smaller. In service times,

    lambda_0 = rho (1 - Pi) / (1 - rho),   lambda_n = rho^N for n >= 2,

Pi the chance that all replicas are busy; lambda_1 follows from the utilization. The tail is that
of Gupta, Harchol-Balter, Sigman and Whitt (2007, Performance Evaluation 64).
"""

from __future__ import annotations

import numpy as np

from fleetopt.queueing.erlang import erlang_c
from fleetopt.workload.lengths import Floats


def shortest_queue_rates(replicas: int, utilization: float) -> Floats:
    """lambda_0, lambda_1 and lambda_n for all n >= 2, in arrivals per mean service time."""
    rho = utilization
    if replicas == 1:
        return np.full(3, rho)
    busy = erlang_c(replicas, replicas * rho)
    first = rho * (1.0 - busy) / (1.0 - rho)
    far = rho**replicas
    second = (rho / ((1.0 - rho) * first) - 1.0) * (1.0 - far)
    return np.array([first, max(second, far), far])
