"""What a run adds up."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.simulation.fleet_kernel.kv import blocks_gained
from fleetopt.simulation.fleet_state import BINS, LEAST_EXPONENT, OCTAVES, FleetState
from fleetopt.simulation.kernel.compiling import compiled, inlined


@compiled
def token_bin(seconds: float) -> int:
    """Bin of a token time; each octave has BINS equal ones."""
    mantissa, exponent = math.frexp(seconds)
    place = (exponent - LEAST_EXPONENT) * BINS + int((mantissa - 0.5) * (2 * BINS))
    return max(0, min(place, OCTAVES * BINS - 1))


@inlined
def book(fleet: FleetState, pool: Any, replica: Any, k: int, now: float) -> None:
    """Account for k iterations of the epoch that ends now; move context and blocks on."""
    if replica.active == 0:
        return
    gained = blocks_gained(pool, replica, fleet.phases, k)
    seconds = min(now, fleet.window.measure_end_s) - max(replica.epoch_s, fleet.window.warmup_s)
    if seconds > 0.0:
        replica.busy_s += seconds
        held = replica.blocks + 0.5 * gained if pool.kv_blocks > 0 else float(replica.active)
        replica.kv_block_s += held * seconds
        fleet.histogram[pool.histogram + replica.active] += seconds
    if fleet.window.warmup_s <= now < fleet.window.measure_end_s:
        replica.work += k * replica.active
        replica.context_sum += k * replica.context + 0.5 * k * (k - 1) * replica.growth
        if replica.decoding > 0 and k > 0:
            place = token_bin((now - replica.epoch_s) / k)
            fleet.tokens[replica.pool, place] += k * replica.decoding
    replica.context += k * replica.growth
    replica.blocks += gained


@compiled
def down_time(replica: Any, now: float, window: Any) -> None:
    """Account for the time that a replica was down."""
    seconds = min(now, window.measure_end_s) - max(replica.down_since_s, window.warmup_s)
    if seconds > 0.0:
        replica.down_s += seconds


@compiled
def book_line(line: Any, now: float, window: Any) -> None:
    """Account for the time of the transfer that a line is busy with."""
    if line.head < 0:
        return
    until_s = min(now, line.free_s)
    seconds = min(until_s, window.measure_end_s) - max(line.begun_s, window.warmup_s)
    if seconds > 0.0:
        line.busy_s += seconds


@compiled
def close(fleet: FleetState, linked: Any, now: float) -> None:
    """Account for what still runs, is down or is sent when the run ends."""
    for r in range(fleet.replicas.size):
        replica = fleet.replicas[r]
        book(fleet, fleet.pools[replica.pool], replica, 0, now)
        if replica.is_down > 0:
            down_time(replica, now, fleet.window)
    if linked is not None:
        for at in range(linked.lines.size):
            book_line(linked.lines[at], now, fleet.window)
