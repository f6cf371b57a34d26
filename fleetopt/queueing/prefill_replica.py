"""One replica that only prefills, by the way it takes its prompts.

Whole prompts one after the other; all that wait in one iteration, with the compute of their
tokens; or a chunk of every prompt of the batch in an iteration whose time grows with what they
hold.
"""

from __future__ import annotations

from typing import Protocol

from fleetopt.queueing.batched import Batched
from fleetopt.queueing.chunked import Chunked
from fleetopt.queueing.grid import LateCurve
from fleetopt.queueing.one_by_one import OneByOne
from fleetopt.queueing.prompts import Prompts


class PrefillReplica(Protocol):
    """One replica that only prefills."""

    @property
    def prompts(self) -> Prompts:
        """What it prefills."""
        ...

    @property
    def full_rate(self) -> float:
        """Prompts per second with every slot busy."""
        ...

    def waits_for_slots(self, rate: float) -> bool:
        """Whether prompts wait so much for few slots that only simulation can tell how long."""
        ...

    def ttft(self, replicas: int, rate: float) -> LateCurve:
        """The distribution of TTFT; rate: arrivals per second of one of so many replicas."""
        ...

    def computing_s(self, replicas: int, rate: float) -> float:
        """Seconds that it computes for each prompt; prompts share those of an iteration."""
        ...


def replica_of(prompts: Prompts) -> PrefillReplica:
    """The kind of replica that suits the profile."""
    if prompts.slots == 1:
        return OneByOne(prompts)
    time = prompts.time
    if time.prefill_per_token_s > 0.0 and time.chunk_tokens >= time.token_budget > 0:
        return Batched(prompts)
    return Chunked(prompts)
