"""What a run adds up, and what it reads at checkpoints."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.simulation.fleet_kernel.kv import blocks_gained
from fleetopt.simulation.fleet_state import BINS, LEAST_EXPONENT, OCTAVES
from fleetopt.simulation.kernel import _compiled, _inlined


@_compiled
def token_bin(seconds: float) -> int:
    """Bin of a token time; each octave has BINS equal ones."""
    mantissa, exponent = math.frexp(seconds)
    place = (exponent - LEAST_EXPONENT) * BINS + int((mantissa - 0.5) * (2 * BINS))
    return max(0, min(place, OCTAVES * BINS - 1))


@_inlined
def book(
    pool: Any,
    replica: Any,
    phases: Any,
    histogram: Any,
    tokens: Any,
    k: int,
    now: float,
    window: Any,
) -> None:
    """Account for k iterations of the epoch that ends now; move context and blocks on."""
    if replica.active == 0:
        return
    gained = blocks_gained(pool, replica, phases, k)
    seconds = min(now, window.measure_end_s) - max(replica.epoch_s, window.warmup_s)
    if seconds > 0.0:
        replica.busy_s += seconds
        held = replica.blocks + 0.5 * gained if pool.kv_blocks > 0 else float(replica.active)
        replica.kv_block_s += held * seconds
        histogram[pool.histogram + replica.active] += seconds
    if window.warmup_s <= now < window.measure_end_s:
        replica.work += k * replica.active
        replica.context_sum += k * replica.context + 0.5 * k * (k - 1) * replica.growth
        if replica.decoding > 0 and k > 0:
            place = token_bin((now - replica.epoch_s) / k)
            tokens[replica.pool, place] += k * replica.decoding
    replica.context += k * replica.growth
    replica.blocks += gained


@_compiled
def down_time(replica: Any, now: float, window: Any) -> None:
    """Account for the time that a replica was down."""
    seconds = min(now, window.measure_end_s) - max(replica.down_since_s, window.warmup_s)
    if seconds > 0.0:
        replica.down_s += seconds


@_compiled
def read(pools: Any, replicas: Any, series: Any, mark: int) -> None:
    """Write a checkpoint's row of the time series."""
    for p in range(pools.size):
        pool = pools[p]
        series[0, mark, p] = pool.waiting
        series[1, mark, p] = pool.active
        series[2, mark, p] = pool.completed
        series[3, mark, p] = pool.up
        for r in range(pool.first, pool.last):
            series[4, mark, p] += replicas[r].waiting > 0


@_compiled
def diverges(series: Any, checkpoint_s: Any, mark: int, least_marks: int, stop_s: float) -> bool:
    """Whether a growing backlog could not drain in the time left even without arrivals.

    Its pool would have to serve faster than it did since the run's middle checkpoint. A pool
    that has not served a batch since then, as after a cold start or while all its replicas
    are down, says nothing yet.
    """
    if mark + 1 < least_marks:
        return False
    half = mark // 2
    span = checkpoint_s[mark] - checkpoint_s[half]
    for p in range(series.shape[2]):
        served = series[2, mark, p] - series[2, half, p]
        waiting = series[0, mark, p]
        able = served * (stop_s - checkpoint_s[mark])
        tells = series[3, mark, p] > 0 and served >= max(series[1, mark, p], 1)
        if tells and waiting > series[0, half, p] and waiting * span > able:
            return True
    return False
