"""State of a fleet's simulation, before a run and after it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fleetopt.simulation.fleet_layout import NODE, POOL, REPLICA, REPLICA_TOTALS, REQUEST, RUN
from fleetopt.simulation.fleet_links import LINE_TOTALS, LinkState, new_links
from fleetopt.simulation.fleet_outages import new_faults
from fleetopt.simulation.fleet_records import (
    FleetRequests,
    FleetTrajectory,
    PoolEngine,
    Setting,
)
from fleetopt.simulation.records import Floats, Ints, Window
from fleetopt.simulation.state import NEVER

_PART = 16_384
"""Requests that are filled in at once, so that their records stay in the processor's cache."""
BINS = 64
"""Bins of token times in each octave."""
OCTAVES = 18
LEAST_EXPONENT = -13
"""The first octave begins at 2**(LEAST_EXPONENT - 1) seconds, 61 microseconds."""


class FleetState(NamedTuple):
    """Everything that a run reads and writes, besides links: see fleet_links.LinkState.

    window, checkpoint_s, rule, threshold: as in Setting; timeout_s to least_marks: its limits.
    pools, replicas, requests: records. heap: decode ends, each replica's part after the
    other's. phases: decoding sequences by the iteration, modulo the block size, in which
    they take a KV block. times: tournament tree over replicas of their next events.
    counts: one such tree a pool, of sequences. nodes: prefixes by replica. clients: heap
    of the times at which clients send. open_s: arrivals beside clients. series: shape
    (5, checkpoints, pools). run: one record.
    """

    window: Window
    checkpoint_s: Floats
    rule: int
    threshold: float
    timeout_s: float
    most_events: int
    stop_early: int
    least_marks: int
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
    run: Any


def new_fleet(
    pools: Sequence[PoolEngine], requests: FleetRequests, setting: Setting
) -> tuple[FleetState, LinkState]:
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
    fleet = FleetState(
        window=setting.window,
        checkpoint_s=setting.checkpoint_s,
        rule=int(setting.rule),
        threshold=float(setting.threshold),
        timeout_s=float(setting.limits.timeout_s),
        most_events=int(setting.limits.events),
        stop_early=int(setting.limits.stop_early),
        least_marks=int(setting.limits.least_marks),
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
        run=np.zeros(1, dtype=RUN),
    )
    return fleet, linked


def token_bin_edges_s() -> Floats:
    """Edges of the bins of token times, in seconds."""
    octaves = 2.0 ** (LEAST_EXPONENT - 1 + np.arange(OCTAVES))
    inner = np.outer(octaves, 1.0 + np.arange(BINS) / BINS).ravel()
    return np.append(inner, 2.0 * octaves[-1])


def fleet_trajectory(state: FleetState, linked: LinkState) -> FleetTrajectory:
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
        landed_s=linked.handovers["landed_s"],
        entered=linked.handovers["entered"],
        handovers=linked.handovers["handovers"],
        replicas=state.replicas[list(REPLICA_TOTALS)],
        lines=linked.lines[list(LINE_TOTALS)],
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
    records = np.zeros(len(pools), dtype=POOL)
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
    records = np.zeros(slots.size, dtype=REPLICA)
    records["admit_at"] = records["evict_at"] = NEVER
    records["heap"] = np.cumsum(slots) - slots
    records["phase"] = blocks * np.arange(slots.size)
    records["pool"] = np.repeat(np.arange(pools.size), pools["last"] - pools["first"])
    for name in ("queue_head", "queue_tail", "prefill_head", "newest", "oldest"):
        records[name] = -1
    return records


def _requests(requests: FleetRequests, setting: Setting) -> Any:
    """Records of requests before the run."""
    blank = np.zeros(1, dtype=REQUEST)
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
    records = np.empty(requests.prompt_tokens.size, dtype=REQUEST)
    for first in range(0, records.size, _PART):
        part = slice(first, first + _PART)
        records[part] = blank
        for name, column in columns.items():
            records[name][part] = column[part]
    return records


def _nodes(size: int) -> Any:
    nodes = np.zeros(size, dtype=NODE)
    nodes["older"] = nodes["newer"] = -1
    return nodes
