"""The iterations of a run's first requests, walked once more by the plain twin."""

from __future__ import annotations

from typing import NamedTuple

from fleetopt.simulation.fleet import FleetOutcome, engines
from fleetopt.simulation.fleet_reference import Walk
from fleetopt.simulation.fleet_replica import Replica

MOST_WALKED = 200
"""Requests whose iterations are walked: the twin takes milliseconds for each."""


class Iteration(NamedTuple):
    """One iteration of one replica.

    replica: counted over all pools. start_s, end_s: seconds from the start of the run.
    sequences: in the batch; prefilling: those of them whose prompts are being read.
    prefill_tokens: prompt tokens of this iteration.
    """

    replica: int
    start_s: float
    end_s: float
    sequences: int
    prefilling: int
    prefill_tokens: int


def first_iterations(outcome: FleetOutcome, requests: int = MOST_WALKED) -> list[Iteration]:
    """Iterations that end before any but the first requests come, in order of their epochs.

    They are those of the run to the last bit: later requests change nothing before they come.
    """
    later_s = outcome.trajectory.arrival_s[requests:]
    until_s = outcome.trajectory.stopped_s
    if later_s.size and later_s[0] < until_s:
        until_s = float(later_s[0])
    columns = {name: column[:requests] for name, column in outcome.requests._asdict().items()}
    setting = outcome.setting._replace(
        window=outcome.setting.window._replace(stop_s=until_s),
        limits=outcome.setting.limits._replace(stop_early=0),
    )
    first = outcome.requests._replace(**columns)
    walk = _Recorder(engines(outcome.fleet.pools, outcome.routing), first, setting)
    return walk.noted(until_s)


class _Recorder(Walk):
    """A run that notes its iterations."""

    seen: list[Iteration]

    def noted(self, until_s: float) -> list[Iteration]:
        """The iterations that end before a time at which the run stops."""
        self.seen = []
        self.run()
        for replica in self.replicas:
            k = 0
            while replica.batch and replica.end_s(k + 1) < until_s:
                k += 1
            self.note(replica, k)
        return [iteration for iteration in self.seen if iteration.end_s < until_s]

    def step(self, replica: Replica, iterations: int) -> None:
        """Advance a batch, and note each of the iterations."""
        self.note(replica, iterations)
        super().step(replica, iterations)

    def note(self, replica: Replica, iterations: int) -> None:
        """Note the first iterations of a replica's epoch."""
        place = self.replicas.index(replica)
        for k in range(1, iterations + 1):
            left = [
                (s.to_prefill_tokens - s.prefilled_tokens - (k - 1) * s.share_tokens, s)
                for s in replica.batch
            ]
            reading = [min(tokens, s.share_tokens) for tokens, s in left if tokens > 0]
            self.seen.append(
                Iteration(
                    place,
                    replica.end_s(k - 1),
                    replica.end_s(k),
                    len(replica.batch),
                    len(reading),
                    sum(reading),
                )
            )
