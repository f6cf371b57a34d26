"""State of a fleet's simulation as arrays of records: pools, replicas, requests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fleetopt.simulation.fleet_links import LINE_TOTALS, new_links
from fleetopt.simulation.fleet_outages import new_faults
from fleetopt.simulation.fleet_records import (
    FleetRequests,
    FleetTrajectory,
    PoolEngine,
    Setting,
)
from fleetopt.simulation.records import Floats, Ints
from fleetopt.simulation.state import NEVER

_PART = 16_384
"""Requests that are filled in at once, so that their records stay in the processor's cache."""
BINS = 64
"""Bins of token times in each octave."""
OCTAVES = 18
LEAST_EXPONENT = -13
"""The first octave begins at 2**(LEAST_EXPONENT - 1) seconds, 61 microseconds."""

_POOL = np.dtype(
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
_REPLICA = np.dtype(
    [
        ("epoch_s", "f8"),
        ("first_s", "f8"),  # iteration time at the epoch's start
        ("growth_s", "f8"),  # seconds that each further iteration takes longer
        ("floor_s", "f8"),  # least iteration time in the epoch
        ("epoch_iteration", "i8"),
        ("admit_at", "i8"),  # iteration before which waiting requests join the batch
        ("evict_at", "i8"),  # iteration for which the KV blocks do not suffice
        ("context", "i8"),  # context tokens at the epoch's start
        ("growth", "i8"),  # context tokens that one iteration adds
        ("active", "i8"),
        ("decoding", "i8"),
        ("blocks", "i8"),  # KV blocks held in the epoch's first iteration
        ("waiting", "i8"),
        ("queue_head", "i8"),
        ("queue_tail", "i8"),
        ("prefill_head", "i8"),
        ("heap", "i8"),  # where the replica's part of the heap begins
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
_REQUEST = np.dtype(
    [
        ("arrival_s", "f8"),
        ("admitted_s", "f8"),
        ("prefill_end_s", "f8"),
        ("end_s", "f8"),
        ("prompt", "i4"),
        ("asked", "i4"),  # output tokens
        ("output", "i4"),  # those that its pool's context window leaves
        ("kept", "i4"),  # output tokens from before its last preemption
        ("begun", "i4"),  # tokens found in the prefix cache at its last admission
        ("hit", "i4"),
        ("replica", "i4"),
        ("next", "i4"),  # link of the queue or the prefill list it stands in
        ("prefill", "i4"),  # "total": iteration at which it ends; "current": tokens left
        ("share", "i4"),  # prompt tokens that it prefills in the running iteration
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
_NODE = np.dtype([("tokens", "i4"), ("older", "i4"), ("newer", "i4")])
_RUN = np.dtype(
    [
        ("arrived", "i8"),
        ("open_measured", "i8"),  # measured requests that have arrived and not ended
        ("deadline", "i8"),  # first request that may still time out
        ("fault", "i8"),
        ("seen", "i8"),  # checkpoints passed
        ("clients", "i8"),  # clients in the heap of those that think
        ("served", "i8"),  # clients whose requests ended with this event
        ("opened", "i8"),  # open arrivals beside clients so far
        ("landed", "i8"),  # request whose KV has arrived with this event
        ("sent", "i8"),  # further requests that clients have begun to think of
        ("events", "i8"),
        ("stop", "i8"),
        ("now", "f8"),
    ]
)


class FleetState(NamedTuple):
    """Everything that a run reads and writes, in the order of the kernel's arguments.

    pools, replicas, requests: records. heap: decode ends, each replica's part after the
    other's. phases: decoding sequences by the iteration, modulo the block size, in which
    they take a KV block. times: tournament tree over replicas of their next events.
    counts: one such tree a pool, of sequences. nodes: prefixes by replica. clients: heap
    of the times at which clients send. open_s: arrivals beside clients. series: shape
    (5, checkpoints, pools). links to handovers: see fleet_links.LinkState.
    """

    pools: Any
    replicas: Any
    requests: Any
    heap: Ints
    phases: Ints
    times: Floats
    counts: Ints
    nodes: Any
    choices: Ints
    clients: Floats
    think_s: Floats
    open_s: Floats
    faults: Any
    histogram: Floats
    tokens: Ints
    series: Ints
    links: Any
    lines: Any
    line_times: Any
    handovers: Any
    run: Any

    def without_links(self) -> FleetState:
        """The same with None for links, for which the kernel is compiled without their code."""
        return self._replace(links=None, lines=None, line_times=None, handovers=None)


def new_fleet(pools: Sequence[PoolEngine], requests: FleetRequests, setting: Setting) -> FleetState:
    """Idle replicas, before any request has arrived."""
    count = sum(pool.replicas for pool in pools)
    pool_records = _pools(pools)
    prefixes = int(requests.prefix.max(initial=-1)) + 1
    caches = prefixes if any(pool.cache_tokens for pool in pools) else 0
    slots = np.repeat([p.engine.slots for p in pools], [p.replicas for p in pools])
    blocks = max(pool.engine.block_tokens for pool in pools)
    linked = new_links(
        setting.links, [pool.replicas for pool in pools], requests.prompt_tokens.size
    )
    return FleetState(
        pools=pool_records,
        replicas=_replicas(pool_records, slots, blocks),
        requests=_requests(requests, setting),
        heap=np.zeros(int(slots.sum()), dtype=np.int64),
        phases=np.zeros(count * blocks, dtype=np.int64),
        times=np.full(2 * _leaves(count), math.inf),
        counts=_counts(pool_records),
        nodes=_nodes(caches * count),
        choices=requests.choices,
        clients=np.zeros(setting.loop.clients),
        think_s=setting.loop.think_s,
        open_s=requests.arrival_s if setting.loop.is_beside else np.zeros(0),
        faults=new_faults(setting.faults),
        histogram=np.zeros(sum(pool.engine.slots + 1 for pool in pools)),
        tokens=np.zeros((len(pools), OCTAVES * BINS), dtype=np.int64),
        series=np.zeros((5, setting.checkpoint_s.size, len(pools)), dtype=np.int64),
        **linked._asdict(),
        run=np.zeros(1, dtype=_RUN),
    )


def token_bin_edges_s() -> Floats:
    """Edges of the bins of token times, in seconds."""
    octaves = 2.0 ** (LEAST_EXPONENT - 1 + np.arange(OCTAVES))
    inner = np.outer(octaves, 1.0 + np.arange(BINS) / BINS).ravel()
    return np.append(inner, 2.0 * octaves[-1])


def fleet_trajectory(state: FleetState) -> FleetTrajectory:
    """What a run that has ended says; the columns of requests are views of its records."""
    records, run = state.requests, state.run[0]
    ends = np.cumsum(state.pools["slots"] + 1)[:-1]
    waiting, active, completed, up, saturated = state.series
    return FleetTrajectory(
        arrival_s=records["arrival_s"],
        admitted_s=records["admitted_s"],
        prefill_end_s=records["prefill_end_s"],
        end_s=records["end_s"],
        pool=records["pool"],
        replica=records["replica"],
        served_tokens=records["output"],
        hit_tokens=records["hit"],
        preemptions=records["preemptions"],
        restarts=records["restarts"],
        status=records["status"],
        client=records["client"],
        landed_s=state.handovers["landed_s"],
        entered=state.handovers["entered"],
        handovers=state.handovers["handovers"],
        replicas=state.replicas[list(REPLICA_TOTALS)],
        lines=state.lines[list(LINE_TOTALS)],
        occupancy_s=tuple(np.split(state.histogram, ends)),
        tokens=state.tokens,
        waiting=waiting,
        active=active,
        completed=completed,
        up=up,
        saturated=saturated,
        stop=int(run["stop"]),
        stopped_s=float(run["now"]),
        events=int(run["events"]),
    )


def _leaves(count: int) -> int:
    return int(2 ** max(0, math.ceil(math.log2(count))))


def _pools(pools: Sequence[PoolEngine]) -> Any:
    records = np.zeros(len(pools), dtype=_POOL)
    first = tree = histogram = 0
    for record, pool in zip(records, pools, strict=True):
        for name, value in pool.engine._asdict().items():
            record[name] = value
        for name in ("max_context", "growth", "queue_limit", "cache_tokens", "overflow", "role"):
            record[name] = getattr(pool, name)
        record["pressure_sequences"] = pool.pressure_sequences
        record["first"], record["last"] = first, first + pool.replicas
        record["tree"], record["leaves"] = tree, _leaves(pool.replicas)
        record["histogram"] = histogram
        record["up"] = pool.replicas
        record["held_head"] = record["held_tail"] = -1
        first += pool.replicas
        tree += 2 * _leaves(pool.replicas)
        histogram += pool.engine.slots + 1
    return records


def _counts(pools: Any) -> Ints:
    """Tournament trees of zeros; leaves without a replica never win."""
    whole = []
    for pool in pools:
        leaves, size = int(pool["leaves"]), int(pool["last"] - pool["first"])
        tree = np.full(2 * leaves, NEVER)
        first, last = leaves, leaves + size
        while last > first > 0:
            tree[first:last] = 0
            first, last = first // 2, (last + 1) // 2
        whole.append(tree)
    return np.concatenate(whole)


def _replicas(pools: Any, slots: Ints, blocks: int) -> Any:
    """Records of idle replicas, each with its part of the heap and of the phases."""
    records = np.zeros(slots.size, dtype=_REPLICA)
    records["admit_at"] = records["evict_at"] = NEVER
    records["heap"] = np.cumsum(slots) - slots
    records["phase"] = blocks * np.arange(slots.size)
    records["pool"] = np.repeat(np.arange(pools.size), pools["last"] - pools["first"])
    for name in ("queue_head", "queue_tail", "prefill_head", "newest", "oldest"):
        records[name] = -1
    return records


def _requests(requests: FleetRequests, setting: Setting) -> Any:
    """Records of requests before the run."""
    blank = np.zeros(1, dtype=_REQUEST)
    for name in ("arrival_s", "admitted_s", "prefill_end_s", "end_s"):
        blank[name] = np.nan
    blank["replica"] = -1
    columns: dict[str, Any] = {
        "prompt": requests.prompt_tokens,
        "asked": requests.output_tokens,
        "output": requests.output_tokens,
        "pool": requests.pool,
        "needs": requests.needs_tokens,
        "prefix": requests.prefix,
        "prefix_tokens": requests.prefix_tokens,
    }
    if not setting.loop.clients:
        columns["arrival_s"] = requests.arrival_s
    records = np.empty(requests.prompt_tokens.size, dtype=_REQUEST)
    for first in range(0, records.size, _PART):
        part = slice(first, first + _PART)
        records[part] = blank
        for name, column in columns.items():
            records[name][part] = column[part]
    return records


def _nodes(size: int) -> Any:
    nodes = np.zeros(size, dtype=_NODE)
    nodes["older"] = nodes["newer"] = -1
    return nodes
