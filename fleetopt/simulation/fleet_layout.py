"""Records of a fleet's simulation: pools, replicas, requests, prefixes, and the run itself.

What both simulators' replicas and requests have comes from `state`, after other fields: a
record that begins like another counts as one of its kind, and numba warns of it.
"""

from __future__ import annotations

import numpy as np

from fleetopt.simulation import state

POOL = np.dtype(
    [
        ("base_s", "f8"),
        ("per_context_token_s", "f8"),
        ("prefill_base_s", "f8"),
        ("prefill_per_token_s", "f8"),
        ("current", "i8"),
        ("chunk_tokens", "i8"),
        ("token_budget", "i8"),
        ("slots", "i8"),
        ("kv_blocks", "i8"),
        ("block_tokens", "i8"),
        ("max_context", "i8"),
        ("growth", "i8"),
        ("queue_limit", "i8"),
        ("cache_tokens", "i8"),
        ("overflow", "i8"),
        ("role", "i8"),
        ("pressure_sequences", "f8"),
        ("first", "i8"),  # its replicas are first .. last - 1
        ("last", "i8"),
        ("tree", "i8"),  # where its tournament tree of sequence counts begins
        ("leaves", "i8"),
        ("histogram", "i8"),  # where its seconds by batch size begin
        ("up", "i8"),
        ("waiting", "i8"),
        ("active", "i8"),
        ("completed", "i8"),
        ("held_head", "i8"),  # requests that wait for a replica to come up
        ("held_tail", "i8"),
    ]
)
REPLICA = np.dtype(
    [
        ("evict_at", "i8"),  # iteration for which the KV blocks do not suffice
        *state.REPLICA.descr,
        ("phase", "i8"),  # where its counts by block phase begin
        ("pool", "i8"),
        ("is_down", "i8"),
        ("down_since_s", "f8"),
        ("cached", "i8"),  # tokens in its prefix cache
        ("newest", "i8"),  # ends of the cache's list by last use
        ("oldest", "i8"),
        ("busy_s", "f8"),
        ("kv_block_s", "f8"),
        ("work", "f8"),
        ("context_sum", "f8"),
        ("down_s", "f8"),
        ("lost_tokens", "i8"),
        ("preemptions", "i8"),
        ("restarts", "i8"),
        ("sending", "i8"),  # sequences whose KV is on its way to another pool
        ("sending_blocks", "i8"),
    ]
)
REPLICA_TOTALS = (
    "busy_s",
    "kv_block_s",
    "work",
    "context_sum",
    "down_s",
    "lost_tokens",
    "preemptions",
    "restarts",
)
REQUEST = np.dtype(
    [
        ("asked", "i4"),  # output tokens; `output` are those that its pool's window leaves
        ("kept", "i4"),  # output tokens from before its last preemption
        *state.REQUEST.descr,
        ("begun", "i4"),  # tokens found in the prefix cache at its last admission
        ("hit", "i4"),
        ("needs", "i4"),
        ("prefix", "i4"),
        ("prefix_tokens", "i4"),
        ("preemptions", "i4"),
        ("restarts", "i4"),
        ("pool", "i2"),
        ("status", "i1"),
        ("client", "i1"),  # whether a client of the closed loop sent it
    ]
)
NODE = np.dtype([("tokens", "i4"), ("older", "i4"), ("newer", "i4")])
RUN = np.dtype(
    [
        ("arrived", "i8"),
        ("open_measured", "i8"),  # measured requests that have arrived and not ended
        ("deadline", "i8"),  # first request that may still time out
        ("fault", "i8"),
        ("seen", "i8"),  # checkpoints passed
        ("clients", "i8"),  # clients in the heap of those that think
        ("served", "i8"),  # clients whose requests ended with this event
        ("opened", "i8"),  # open arrivals beside clients so far
        ("sent", "i8"),  # further requests that clients have begun to think of
        ("events", "i8"),
        ("stop", "i8"),
        ("now", "f8"),
    ]
)
