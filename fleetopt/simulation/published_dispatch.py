"""The published dispatch simulator, to show what its figures leave out.

A request that starts with n others in a batch of s slots, all of mean length L, has its
first token after

    wait + ceil(prompt / chunk) tau(n, L),   tau(n, L) = W + h n L,

and gives its slot back after S / s, S = (ceil(prompt / chunk) + output) tau(s, L), as if s
requests took turns. So a slot is free long before its sequence has ended. Requests go to the
replica with the fewest waiting, whatever runs there; the run begins empty; completed requests
are measured, all of them, once. Source: vllm-sr-sim, the event model behind its `simulate`,
`optimize` and `compare-routers`.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from fleetopt.performance.profile import IterationTime
from fleetopt.simulation.records import Floats, Ints, Requests

Route = Callable[[int], int]
"""Pool of the i-th request."""


@dataclass(frozen=True, slots=True)
class DispatchPool:
    """One pool: replicas of so many slots, and the time of an iteration."""

    iteration: IterationTime
    slots: int
    replicas: int


@dataclass(slots=True)
class _Replica:
    """What runs and what waits; running: (slot free at, request) with its total tokens."""

    running: list[tuple[float, int, int]] = field(default_factory=list)
    waiting: deque[int] = field(default_factory=deque)
    tokens: int = 0


def dispatched_ttft_s(requests: Requests, pools: Sequence[DispatchPool], route: Route) -> Floats:
    """TTFT of every request, in seconds, as the published simulator reports it.

    requests: arrivals ascending, in seconds, with prompt and output tokens.
    """
    return dispatched(requests, pools, route)[0]


def dispatched(
    requests: Requests, pools: Sequence[DispatchPool], route: Route
) -> tuple[Floats, Ints]:
    """TTFT of every request, in seconds, and which replica of its pool it was sent to."""
    ttft = np.full(requests.arrival_s.size, np.nan)
    sent = np.zeros(requests.arrival_s.size, dtype=np.int64)
    replicas = [[_Replica() for _ in range(pool.replicas)] for pool in pools]
    for i, now in enumerate(requests.arrival_s.tolist()):
        chosen = route(i)
        pool = pools[chosen]
        for replica in replicas[chosen]:
            _advance(requests, pool, replica, now, ttft)
        members = replicas[chosen]
        sent[i] = min(range(len(members)), key=lambda r: len(members[r].waiting))
        members[sent[i]].waiting.append(i)
        _advance(requests, pool, members[sent[i]], now, ttft)
    for pool, members in zip(pools, replicas, strict=True):
        for replica in members:
            _advance(requests, pool, replica, np.inf, ttft)
    return ttft, sent


def _advance(
    requests: Requests, pool: DispatchPool, replica: _Replica, until_s: float, ttft: Floats
) -> None:
    """Free the slots due until then, and start waiting requests in those that are free."""
    while replica.running and replica.running[0][0] <= until_s:
        now, _, tokens = heapq.heappop(replica.running)
        replica.tokens -= tokens
        if replica.waiting:
            _start(requests, pool, replica, now, ttft)
    while replica.waiting and len(replica.running) < pool.slots:
        _start(requests, pool, replica, until_s, ttft)


def _start(
    requests: Requests, pool: DispatchPool, replica: _Replica, now: float, ttft: Floats
) -> None:
    """Start the request that waited longest."""
    i = replica.waiting.popleft()
    prompt, output = int(requests.prompt_tokens[i]), int(requests.output_tokens[i])
    replica.tokens += prompt + output
    active = len(replica.running) + 1
    mean_tokens = replica.tokens / active
    prefill = -(-prompt // pool.iteration.chunk_tokens)
    ttft[i] = now - requests.arrival_s[i] + prefill * pool.iteration.seconds(replica.tokens)
    full_s = (prefill + output) * pool.iteration.seconds(pool.slots * mean_tokens)
    heapq.heappush(replica.running, (now + full_s / pool.slots, i, prompt + output))
