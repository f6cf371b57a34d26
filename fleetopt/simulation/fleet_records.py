"""What goes into a fleet's simulation and what comes out: arrays and plain numbers."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from fleetopt.performance.profile import Capacity, IterationTime
from fleetopt.simulation.fleet_links import Link, Role
from fleetopt.simulation.records import Engine, Floats, Ints, Window

LEAST_MARKS = 16
"""Checkpoints before a backlog can prove that it diverges."""


class Status(IntEnum):
    """What became of a request.

    TRUNCATED ones reached the end of their pool's context window and got no further tokens.
    """

    UNFINISHED = 0
    COMPLETED = 1
    TRUNCATED = 2
    TOO_LONG = 3
    NO_POOL = 4
    QUEUE_FULL = 5
    TIMEOUT = 6


REJECTED = (Status.TOO_LONG, Status.NO_POOL, Status.QUEUE_FULL, Status.TIMEOUT)


class Rule(IntEnum):
    """How a request finds its replica when it arrives.

    STATIC: in its own pool, the replica with the fewest sequences.
    FEWEST: the replica with the fewest sequences in any pool that it fits.
    TWO_CHOICES: of its two drawn replicas, the one with fewer sequences.
    SPILLOVER: its own pool, or that pool's overflow while the pressure exceeds a threshold.
    PREFIX: in its own pool, the replica that holds most of its prefix, unless that has
        `threshold` sequences more than the emptiest.
    """

    STATIC = 0
    FEWEST = 1
    TWO_CHOICES = 2
    SPILLOVER = 3
    PREFIX = 4


class Stop(IntEnum):
    """Why a run stopped: all measured requests ended, its time was over, a backlog that
    could no longer drain in the time left, or the bound on events.
    """

    ENDED = 0
    TIME = 1
    DIVERGED = 2
    EVENTS = 3


class PoolEngine(NamedTuple):
    """A pool as plain numbers.

    max_context: longest total length that it serves, in tokens; longer outputs are cut.
    growth: 1 if a sequence takes KV blocks as it grows and may be preempted, 0 if it takes
        all of them at admission.
    queue_limit: most requests waiting at a busy replica; 0 is no limit.
    cache_tokens: prefixes that a replica keeps for later requests; 0 is no prefix cache.
    overflow: index of the pool that takes over under Rule.SPILLOVER; -1 is none.
    pressure_sequences: sequences of one replica at which its pressure is 1.
    role: a Role. Under Role.PREFILL a sequence holds its prompt only, and keeps its slot and
        blocks until its KV has left; under Role.DECODE requests come over links only.
    """

    engine: Engine
    replicas: int
    max_context: int
    growth: int = 0
    queue_limit: int = 0
    cache_tokens: int = 0
    overflow: int = -1
    pressure_sequences: float = math.inf
    role: int = Role.MIXED

    @classmethod
    def of(cls, iteration: IterationTime, capacity: Capacity, replicas: int) -> PoolEngine:
        """A pool that takes all KV blocks at admission, without limits or caches."""
        return cls(Engine.of(iteration, capacity), replicas, capacity.max_context)


class FleetRequests(NamedTuple):
    """Requests in order of arrival at the router, one entry each.

    arrival_s: seconds; with clients beside, times of arrivals, which take the next request
        each. prompt_tokens, output_tokens: at least 1.
    pool: pool that the router chose; -1 if none.
    needs_tokens: total length that the router expects; pools with less context are no choice.
    prefix: what its first `prefix_tokens` prompt tokens are shared with; -1 is nothing.
    choices: two replicas for Rule.TWO_CHOICES, shape (n, 2); else shape (0, 2).
    """

    arrival_s: Floats
    prompt_tokens: Ints
    output_tokens: Ints
    pool: Ints
    needs_tokens: Ints
    prefix: Ints
    prefix_tokens: Ints
    choices: Ints


class ClosedLoop(NamedTuple):
    """Clients that send their next request after the last one has ended.

    Whoever sends takes the next of the requests, in order.

    clients: how many; 0 for open arrivals alone. Each sends its first at time 0.
    think_s: seconds before each further request, in the order of sending; empty for none.
    is_beside: 1 if requests also arrive at the stated times; else these are not used.
    """

    clients: int = 0
    think_s: Floats = np.zeros(0)
    is_beside: int = 0


class Faults(NamedTuple):
    """Failures and repairs in order of time: replicas [first, last) go down or come up."""

    time_s: Floats
    first: Ints
    last: Ints
    down: Ints

    @classmethod
    def none(cls) -> Faults:
        """A fleet that never fails."""
        empty = np.zeros(0, dtype=np.int64)
        return cls(np.zeros(0), empty, empty, empty)

    def down_at(self, time_s: Floats) -> Ints:
        """How many outages each of these times falls into."""
        open_after = np.concatenate(([0], np.cumsum(2 * self.down - 1)))
        outages: Ints = open_after[np.searchsorted(self.time_s, time_s, side="right")]
        return outages


class Limits(NamedTuple):
    """What ends waiting and runs.

    timeout_s: longest wait for admission. events: most events of a run.
    stop_early: 1 to stop when a pool's backlog cannot drain in the time left.
    least_marks: checkpoints before a backlog can prove that.
    """

    timeout_s: float = math.inf
    events: int = 2**62
    stop_early: int = 1
    least_marks: int = LEAST_MARKS


class Setting(NamedTuple):
    """Everything about a run besides its pools and requests."""

    window: Window
    checkpoint_s: Floats
    rule: int = Rule.STATIC
    threshold: float = 0.0
    loop: ClosedLoop = ClosedLoop()
    faults: Faults = Faults.none()
    limits: Limits = Limits()
    links: tuple[Link, ...] = ()


class FleetTrajectory(NamedTuple):
    """Outcome of a run.

    Of each request (n entries; NaN or -1 where a thing did not happen):
    arrival_s: as given, or as sent by the clients of a closed loop.
    admitted_s, prefill_end_s, end_s: first admission, first token's start and end. A request
        whose replica failed starts anew, and these are those of its last start.
    pool, replica: where it was last sent; replicas are counted over all pools.
    served_tokens: output tokens that it gets at most; fewer than asked if truncated.
    hit_tokens: prompt tokens found in a prefix cache. preemptions, restarts: counts.
    status: a Status each. client: 1 if a client of a closed loop sent it, else 0.
    landed_s, entered, handovers: when its KV came to the pool that decodes it, the pool that it
        came to first, and how often its KV was handed to a link; empty without links.

    Of each replica, inside the window except for the counts:
    busy_s, kv_block_s (KV blocks held, or slots where these reserve), work
    (sequence-iterations), context (context tokens summed over them), down_s; lost_tokens,
    preemptions and restarts over the whole run.

    occupancy_s: by pool, seconds that its replicas ran k sequences, k = 0 .. slots, where
        k = 0 stays 0: idle time is what remains.
    tokens: by pool and bin of fleet_state.token_bin_edges_s, output tokens made inside the
        window by the time of their iteration, averaged over stretches without a change.
    lines: of each line of each link, busy_s inside the window; transfers, sent_tokens and
        lost_tokens (of transfers that a failure of their source cut off) over the whole run.
    waiting, active, completed, up, saturated: by checkpoint and pool: requests waiting,
        sequences running, requests completed so far, replicas up, replicas with requests
        waiting.
    stop, stopped_s, events: why and when the run stopped, and how many events it took.
    """

    arrival_s: Floats
    admitted_s: Floats
    prefill_end_s: Floats
    end_s: Floats
    pool: Ints
    replica: Ints
    served_tokens: Ints
    hit_tokens: Ints
    preemptions: Ints
    restarts: Ints
    status: Ints
    client: Ints
    landed_s: Floats
    entered: Ints
    handovers: Ints
    replicas: np.ndarray
    lines: np.ndarray
    occupancy_s: tuple[Floats, ...]
    tokens: Ints
    waiting: Ints
    active: Ints
    completed: Ints
    up: Ints
    saturated: Ints
    stop: int
    stopped_s: float
    events: int
