"""State of a simulation as arrays of records, one record a replica or a request."""

from __future__ import annotations

from typing import Any

import numpy as np

from fleetopt.simulation.records import Requests

NEVER = np.int64(2**62)
"""An iteration number that is never reached."""

_REPLICA = np.dtype(
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
_REQUEST = np.dtype(
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


def new_requests(requests: Requests) -> Any:
    """Records of requests before the run."""
    records = np.zeros(requests.arrival_s.size, dtype=_REQUEST)
    records["arrival_s"] = requests.arrival_s
    records["prompt"] = requests.prompt_tokens
    records["output"] = requests.output_tokens
    records["replica"] = -1
    for name in ("admitted_s", "prefill_end_s", "end_s"):
        records[name] = np.nan
    return records


def new_replicas(count: int, slots: int) -> Any:
    """Records of idle replicas, each with its part of the heap of decode ends."""
    records = np.zeros(count, dtype=_REPLICA)
    records["admit_at"] = NEVER
    records["heap"] = slots * np.arange(count)
    for name in ("queue_head", "queue_tail", "prefill_head"):
        records[name] = -1
    return records
