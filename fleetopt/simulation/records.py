"""What goes into a simulation and what comes out: arrays and plain numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleetopt.performance.profile import Capacity, IterationTime

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Engine(NamedTuple):
    """One replica as plain numbers; see performance.profile for their meaning.

    current: 1 if a sequence counts at the tokens it holds, 0 at its total length.
    kv_blocks: KV blocks of the replica; 0 if every slot holds a context window.
    """

    base_s: float
    per_context_token_s: float
    prefill_base_s: float
    prefill_per_token_s: float
    current: int
    chunk_tokens: int
    token_budget: int
    slots: int
    kv_blocks: int
    block_tokens: int

    @classmethod
    def of(cls, iteration: IterationTime, capacity: Capacity) -> Engine:
        """The numbers of a profile's iteration time and capacity.

        Raises ValueError for slots below 1, or prefill compute with context "total".
        """
        if capacity.slots < 1:
            raise ValueError("Expected at least one slot.")
        prefill_compute = iteration.prefill_base_s > 0 or iteration.prefill_per_token_s > 0
        if iteration.context == "total" and prefill_compute:
            raise ValueError("Expected no prefill compute with context 'total'.")
        return cls(
            iteration.base_s,
            iteration.per_context_token_s,
            iteration.prefill_base_s,
            iteration.prefill_per_token_s,
            int(iteration.context == "current"),
            iteration.chunk_tokens,
            iteration.token_budget,
            capacity.slots,
            capacity.kv_blocks,
            capacity.block_tokens,
        )


class Requests(NamedTuple):
    """Requests in order of arrival: times in seconds, prompt and output in tokens."""

    arrival_s: Floats
    prompt_tokens: Ints
    output_tokens: Ints


ALL_REPLICAS = 2**31
"""More replicas than a pool has."""


class PoolLimits(NamedTuple):
    """What a pool may use over time, from at_s[j] on; all of it before.

    at_s: ascending, in seconds. slots: of every replica, at least 1; more than the engine's is as
    many as it has. replicas: the first so many take requests, at least 1; more is all of them.
    A limit holds back admissions, and the other replicas take no new requests; sequences that run,
    and requests that wait where they were sent, end as they would.
    """

    at_s: Floats
    slots: Ints
    replicas: Ints

    @classmethod
    def of(cls, *changes: tuple[float, int] | tuple[float, int, int]) -> PoolLimits:
        """Changes (time in seconds, slots, replicas if not all) in their order.

        Raises ValueError for times that do not ascend, or less than one slot or replica.
        """
        whole = [change if len(change) == 3 else (*change, ALL_REPLICAS) for change in changes]
        times = np.array([time_s for time_s, _, _ in whole], dtype=np.float64)
        slots = np.array([count for _, count, _ in whole], dtype=np.int64)
        replicas = np.array([count for _, _, count in whole], dtype=np.int64)
        if (np.diff(times) <= 0.0).any() or (slots < 1).any() or (replicas < 1).any():
            raise ValueError("Expected ascending times, each with a slot and a replica at least.")
        return cls(times, slots, replicas)


UNLIMITED = PoolLimits.of()
"""The engine's slots and every replica, all the time."""


class Window(NamedTuple):
    """When a run is observed, in seconds from its start.

    Requests that arrive in [warmup_s, measure_end_s) are measured. The run stops when the
    last of them has ended, or at stop_s.
    """

    warmup_s: float
    measure_end_s: float
    stop_s: float


class Trajectory(NamedTuple):
    """Outcome of a run, one entry a request; NaN where a thing did not happen.

    admitted_s, prefill_end_s, end_s: times in seconds.
    replica: index of the replica; -1 if the run stopped before the request arrived.
    backlog: waiting requests at the checkpoints.
    saturated: replicas with requests waiting at the checkpoints.
    totals: sequence-iterations and context tokens summed over iterations, both inside the
        window, and events of the whole run.
    """

    admitted_s: Floats
    prefill_end_s: Floats
    end_s: Floats
    replica: Ints
    backlog: Ints
    saturated: Ints
    totals: Floats


def checkpoints(window: Window, count: int = 32) -> Floats:
    """Times at which the backlog is read: evenly over the measured part."""
    return np.linspace(window.warmup_s, window.measure_end_s, count)
