"""One pool on recorded requests: every one of them, from an empty pool until the last has ended.

Under length routing no pool sees another, so pools that are replayed one by one are the fleet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fleetopt.performance.profile import Capacity, IterationTime
from fleetopt.simulation.pool import fits, latencies_s
from fleetopt.simulation.records import Engine, Floats, Requests, Window, checkpoints


@dataclass(frozen=True, eq=False)
class Replayed:
    """What became of recorded requests, in their order.

    arrival_s: seconds. latencies_s: TTFT, TPOT and E2E; NaN where a request did not end.
    rejected: requests that no empty replica could hold.
    work: iterations of sequences. mean_context_tokens: of the active sequences.
    """

    arrival_s: Floats
    latencies_s: dict[str, Floats]
    rejected: int
    work: float
    mean_context_tokens: float

    @property
    def arrivals(self) -> int:
        """Requests, whatever became of them."""
        return self.arrival_s.size

    @property
    def completed(self) -> int:
        """Requests that ended."""
        return int(np.count_nonzero(~np.isnan(self.latencies_s["e2e"])))

    def within(self, metric: str, limit_s: float) -> np.ndarray:
        """Which requests kept a bound; one that did not end has missed it."""
        return np.asarray(self.latencies_s[metric] <= limit_s)


def replay(
    iteration: IterationTime, capacity: Capacity, replicas: int, requests: Requests
) -> Replayed:
    """Every request on a pool of so many replicas, in order of arrival."""
    from fleetopt.simulation.kernel import run_pool

    fitting = fits(requests, capacity)
    kept = requests if fitting.all() else Requests(*(column[fitting] for column in requests))
    last_s = float(requests.arrival_s[-1]) if requests.arrival_s.size else 0.0
    window = Window(0.0, math.nextafter(last_s, math.inf), math.inf)
    engine = Engine.of(iteration, capacity)
    trajectory = run_pool(engine, replicas, kept, window, checkpoints(window, 2))
    work, context = (float(total) for total in trajectory.totals[:2])
    latencies = latencies_s(kept, trajectory, iteration.first_token_s)
    return Replayed(
        requests.arrival_s,
        {m: _spread(v, fitting) for m, v in latencies.items()},
        int(np.count_nonzero(~fitting)),
        work,
        context / work if work else 0.0,
    )


def _spread(values: Floats, fitting: np.ndarray) -> Floats:
    """Values of the requests that fit, NaN for the others."""
    if fitting.all():
        return values
    whole = np.full(fitting.size, np.nan)
    whole[fitting] = values
    return whole
