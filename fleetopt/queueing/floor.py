"""The least replicas that utilization allows: a bound on every row of many tables at once."""

from __future__ import annotations

import numpy as np

from fleetopt.case import Case
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.queueing.load import load_table
from fleetopt.workload.compression import Served
from fleetopt.workload.lengths import Floats, Ints


def utilization_floor(
    case: Case, profile: CalibratedProfile, pools: list[Served]
) -> tuple[Ints, Floats]:
    """Least replicas n of each pool with rho(n) <= the cap, and its arrival rate per second.

    No row of the pool's table has fewer; one part in 1e9 is left for rounding. Pools that
    serve nothing, or whose context finds no slot, get 0.
    """
    time = profile.iteration
    share, work, context_work = load_table(case.lengths, time).mean_sums(pools)
    mean_context = context_work / np.maximum(work, 1e-300)
    capacities = {t: case.capacity(profile, t) for t in {what.hi_tokens for what in pools}}
    slots = np.array(
        [
            int(capacities[what.hi_tokens].batch(context)) if capacities[what.hi_tokens].slots else 0
            for what, context in zip(pools, mean_context, strict=True)
        ]
    )
    full = time.base_s + time.per_context_token_s * mean_context * slots
    offered = case.arrival_rate * work * full
    least = offered / (np.maximum(slots, 1) * case.problem.max_utilization)
    floor = np.maximum(1, np.ceil(least * (1.0 - 1e-9))).astype(np.int64)
    served = (slots > 0) & (share > 1e-12)
    return np.where(served, floor, 0), case.arrival_rate * share
