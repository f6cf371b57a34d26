"""State of a simulation as arrays of records, one record a replica or a request."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fleetopt.simulation.records import Floats, Ints, Requests, Trajectory

NEVER = np.int64(2**62)
"""An iteration number that is never reached."""

REPLICA = np.dtype(
    [
        ("epoch_s", "f8"),
        ("first_s", "f8"),  # iteration time at the epoch's start
        ("growth_s", "f8"),  # seconds that each further iteration takes longer
        ("floor_s", "f8"),  # least iteration time in the epoch
        ("epoch_iteration", "i8"),
        ("admit_at", "i8"),  # iteration before which waiting requests join the batch
        ("context", "i8"),  # context tokens at the epoch's start
        ("growth", "i8"),  # context tokens that one iteration adds
        ("active", "i8"),
        ("decoding", "i8"),
        ("blocks", "i8"),
        ("waiting", "i8"),
        ("queue_head", "i8"),
        ("queue_tail", "i8"),
        ("prefill_head", "i8"),
        ("heap", "i8"),  # where the replica's part of the heap begins
    ]
)
REQUEST = np.dtype(
    [
        ("arrival_s", "f8"),
        ("admitted_s", "f8"),
        ("prefill_end_s", "f8"),
        ("end_s", "f8"),
        ("prompt", "i4"),
        ("output", "i4"),
        ("replica", "i4"),
        ("next", "i4"),  # link of the queue or the prefill list it stands in
        ("prefill", "i4"),  # "total": iteration at which it ends; "current": tokens left
        ("share", "i4"),  # prompt tokens that it prefills in the running iteration
    ]
)


class State(NamedTuple):
    """Everything that a run reads and writes.

    replicas, requests: records. heap: decode ends, each replica's part after the other's.
    times, counts: tournament trees over replicas, of their next events and their sequences.
    backlog, saturated, totals: as in Trajectory.
    """

    replicas: Any
    requests: Any
    heap: Ints
    times: Floats
    counts: Ints
    backlog: Ints
    saturated: Ints
    totals: Floats


def new_state(slots: int, replicas: int, requests: Requests, checkpoints: int) -> State:
    """Idle replicas with this many slots each, before any request has arrived."""
    leaves = 2 ** max(0, math.ceil(math.log2(replicas)))
    return State(
        replicas=_idle_replicas(replicas, slots),
        requests=_open_requests(requests),
        heap=np.zeros(replicas * slots, dtype=np.int64),
        times=np.full(2 * leaves, math.inf),
        counts=_counts(replicas, leaves),
        backlog=np.zeros(checkpoints, dtype=np.int64),
        saturated=np.zeros(checkpoints, dtype=np.int64),
        totals=np.zeros(3),
    )


def trajectory(state: State) -> Trajectory:
    """What a run that has ended says of its requests."""
    return Trajectory(
        np.ascontiguousarray(state.requests["admitted_s"]),
        np.ascontiguousarray(state.requests["prefill_end_s"]),
        np.ascontiguousarray(state.requests["end_s"]),
        state.requests["replica"].astype(np.int64),
        state.backlog,
        state.saturated,
        state.totals,
    )


def _counts(replicas: int, leaves: int) -> Ints:
    """A tournament tree of zeros; leaves without a replica never win."""
    tree = np.full(2 * leaves, NEVER)
    first, last = leaves, leaves + replicas
    while last > first > 0:
        tree[first:last] = 0
        first, last = first // 2, (last + 1) // 2
    return tree


def _open_requests(requests: Requests) -> Any:
    """Records of requests before the run."""
    records = np.zeros(requests.arrival_s.size, dtype=REQUEST)
    records["arrival_s"] = requests.arrival_s
    records["prompt"] = requests.prompt_tokens
    records["output"] = requests.output_tokens
    records["replica"] = -1
    for name in ("admitted_s", "prefill_end_s", "end_s"):
        records[name] = np.nan
    return records


def _idle_replicas(count: int, slots: int) -> Any:
    """Records of idle replicas, each with its part of the heap of decode ends."""
    records = np.zeros(count, dtype=REPLICA)
    records["admit_at"] = NEVER
    records["heap"] = slots * np.arange(count)
    for name in ("queue_head", "queue_tail", "prefill_head"):
        records[name] = -1
    return records
