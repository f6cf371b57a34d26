"""The least replicas that utilization allows: a bound on every row of many tables at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fleetopt.case import Case
from fleetopt.performance.profile import ReplicaProfile
from fleetopt.queueing.load import load_table
from fleetopt.workload.compression import Served
from fleetopt.workload.lengths import Ints


def utilization_floor(case: Case, profile: ReplicaProfile, pools: Sequence[Served]) -> Ints:
    """Least replicas n of each pool with rho(n) at most the cap; no row of it has fewer.

    One part in 1e9 is left for rounding. Every pool must have a slot for its longest requests.
    """
    time = profile.iteration
    work, context_work = load_table(case.lengths, time).work_sums(pools)
    context = context_work / work
    capacity = {t: case.capacity(profile, t) for t in {what.hi_tokens for what in pools}}
    batches = (
        capacity[what.hi_tokens].batch(tokens) for what, tokens in zip(pools, context, strict=True)
    )
    slots = np.floor(np.fromiter(batches, dtype=np.float64))
    tau = time.base_s + time.per_context_token_s * context * slots
    least = case.arrival_rate * work * tau / (slots * case.problem.max_utilization)
    floor: Ints = np.maximum(1, np.ceil(least * (1.0 - 1e-9))).astype(np.int64)
    return floor
