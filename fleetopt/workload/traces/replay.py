"""A trace as an arrival process: the same times, again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleetopt.errors import InputError
from fleetopt.workload.arrivals import Floats
from fleetopt.workload.traces.trace import Trace


@dataclass(frozen=True, slots=True)
class Replay:
    """Arrivals at a trace's own times, once; the requests' tokens are the trace's.

    The i-th time is that of the i-th request of `trace`. Raises InputError if the trace
    has no times.
    """

    trace: Trace

    def __post_init__(self) -> None:
        if not self.trace.is_timed:
            hint = "give a rate and an arrival process instead"
            raise InputError.single(self.trace.name, "it states no arrival times", hint)

    @property
    def rate(self) -> float:
        """Mean arrival rate, in requests per second."""
        return self.trace.rate

    def times(self, rng: np.random.Generator, horizon_s: float) -> Floats:
        """The trace's arrival times in [0, horizon_s), in seconds; nothing is drawn."""
        times = self.trace.arrival_s
        return times[: int(np.searchsorted(times, horizon_s, side="left"))]
