"""The published verification of a pool, to show what its figures leave out.

Every slot is a server of its own: a request waits for the first free one of c = N s and
holds it for the published service time, as if its batch had its own length. Its TTFT is that
wait and ceil(prompt / chunk) (W + H), a prefill alone in the replica. One seed, from an empty
start whose first sixth is left out. Source: vllm-sr-sim, the second phase of its `optimize`.
"""

from __future__ import annotations

import heapq

import numpy as np

from fleetopt.performance.profile import CalibratedProfile
from fleetopt.simulation.records import Floats, Requests

WARMUP_SHARE = 1 / 6
"""Share of the requests that are simulated first and not measured."""
PUBLISHED_REQUESTS = 40_000
"""Requests measured by default."""


def slots_p99_ms(
    requests: Requests, profile: CalibratedProfile, max_context: int, replicas: int
) -> float:
    """P99 TTFT of a pool, in ms, as the published verification reports it.

    requests: arrivals ascending, in seconds, with prompt and output tokens.
    """
    spec, slots = profile.spec, profile.reserved(max_context).slots
    time = profile.iteration
    prefill = -(-requests.prompt_tokens // time.chunk_tokens)
    total = requests.prompt_tokens + requests.output_tokens
    full_s = time.base_s + time.per_context_token_s * slots * total
    hold_s = (prefill + requests.output_tokens) * full_s
    waits = _waits_s(requests.arrival_s, hold_s, replicas * slots)
    return reported_p99_ms(
        (waits + prefill * (spec.base_s + spec.per_sequence_s))[_first(waits.size) :]
    )


def reported_p99_ms(ttft_s: Floats) -> float:
    """P99 as the published simulators read it off: an order statistic, in ms."""
    return 1000.0 * float(np.sort(ttft_s)[max(0, int(ttft_s.size * 0.99) - 1)])


def _first(count: int) -> int:
    return round(count * WARMUP_SHARE)


def _waits_s(arrival_s: Floats, hold_s: Floats, servers: int) -> Floats:
    """Waits for the first free of so many servers, in order of arrival."""
    free = [0.0] * servers
    waits = arrival_s.copy()
    for i, (now, hold) in enumerate(zip(arrival_s.tolist(), hold_s.tolist(), strict=True)):
        start = max(free[0], now)
        heapq.heapreplace(free, start + hold)
        waits[i] = start - now
    return waits
