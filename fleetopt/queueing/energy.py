"""Power of a pool at the occupancy that it really has.

A pool of N replicas in state n has n mod N of them with one sequence more than the others, as
routing to the fewest sequences keeps them:

    E[P] = sum_n pi(n) ((N - r) P(q) + r P(q + 1)) / N,   q = floor(n / N), r = n mod N,

P(0) the idle draw, and P(s) in all states n >= c = N s. The draw at the mean batch, P(E[n] / N),
is another number.
"""

from __future__ import annotations

import numpy as np

from fleetopt.performance.power import PowerModel
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


def watts_by_batch(power: PowerModel, slots: int) -> Floats:
    """Draw of one GPU with 0, 1, ..., `slots` sequences; idle with none."""
    return np.array([power.idle_w, *(power.watts(batch) for batch in range(1, slots + 1))])
