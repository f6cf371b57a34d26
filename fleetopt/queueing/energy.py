"""Power of a pool at the occupancy that it really has.

A pool of N replicas in state n has n mod N of them with one sequence more than the others, as
routing to the fewest sequences keeps them:

    E[P] = sum_n pi(n) ((N - r) P(q) + r P(q + 1)) / N,   q = floor(n / N), r = n mod N,

P(0) the idle draw, and P(s) in all states n >= c = N s. The draw at the mean batch, P(E[n] / N),
is another number.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from fleetopt.performance.power import PowerModel, prefilling_w
from fleetopt.performance.profile import IterationTime
from fleetopt.queueing.occupancy import Occupancy
from fleetopt.workload.lengths import Floats


def mean_watts(occupancy: Occupancy, power: PowerModel) -> float:
    """Mean draw of one GPU of a pool, in watts; with every slot busy if it is overloaded."""
    by_batch = watts_by_batch(power, occupancy.slots)
    if not occupancy.is_stable:
        return float(by_batch[-1])
    least, more = np.divmod(occupancy.states.astype(np.int64), occupancy.replicas)
    share = more / occupancy.replicas
    above = by_batch[np.minimum(least + 1, occupancy.slots)]
    drawn = (1.0 - share) * by_batch[least] + share * above
    return float(drawn @ occupancy.probabilities + by_batch[-1] * occupancy.wait_probability)


def prefill_watts(busy: float, power: PowerModel, chunk_tokens: int) -> float:
    """Mean draw of one GPU of a pool that only prefills, in watts.

    busy: share of the time in which its replica computes, and draws `prefilling_w`.
    """
    return power.idle_w + min(1.0, busy) * (prefilling_w(power, chunk_tokens) - power.idle_w)


def least_watts(
    power: PowerModel, time: IterationTime, context: Floats, slots: Floats, work: Floats,
    replicas: Floats,
) -> Floats:  # fmt: skip
    r"""A bound below the mean draw of all GPUs of pools, counted once for each replica.

    context: mean tokens of an active sequence. slots: of a replica. work: iterations per second.
    replicas: at least so many.

    In every state the pool draws N (P(b) - P(0)) watts for N b / tau(b) iterations per second
    above the idle N P(0), b = n / N, and the iterations of all states average to the offered
    work a. So with P linear between whole batches

        E[P] >= N P(0) + a min_b (P(b) - P(0)) tau(b) / b.

    Where contexts grow, iterations are only known to take W or more.
    """
    slope = time.per_context_token_s * context if time.context == "total" else 0.0 * context
    most = int(slots.max(initial=0.0))
    if most < 1:
        return np.zeros(slots.size)
    drawn = watts_by_batch(power, most)
    each = (drawn[1:] - drawn[0]) / np.arange(1.0, most + 1.0)
    lower = np.minimum(each, np.append(each[1:], math.inf))
    batch = np.arange(1.0, most + 1.0)
    joules = np.empty(slots.size)
    for i, (count, per_sequence) in enumerate(zip(slots.astype(int), slope, strict=True)):
        seconds = time.base_s + per_sequence * batch[:count]
        least = (each[0] * seconds[:1], lower[:count] * seconds)
        joules[i] = min((float(part.min()) for part in least if count), default=0.0)
    return (replicas * power.idle_w + work * joules) * (1.0 - 1e-9)


@lru_cache(maxsize=4096)
def watts_by_batch(power: PowerModel, slots: int) -> Floats:
    """Draw of one GPU with 0, 1, ..., `slots` sequences; idle with none."""
    drawn = np.array([power.idle_w, *(power.watts(batch) for batch in range(1, slots + 1))])
    drawn.setflags(write=False)  # all callers share it
    return drawn
