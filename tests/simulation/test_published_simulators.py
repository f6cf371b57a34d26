"""The published simulators against by-hand runs and against queueing theory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetopt.catalog import read_profiles
from fleetopt.performance.profile import CalibratedProfile, IterationTime
from fleetopt.queueing.erlang import erlang_c
from fleetopt.simulation.published_dispatch import DispatchPool, dispatched
from fleetopt.simulation.published_slots import WARMUP_SHARE, slots_p99_ms
from fleetopt.simulation.records import Requests

H100 = CalibratedProfile(read_profiles()["h100"])


def requests(times: list[float], prompt: int, output: int) -> Requests:
    """Requests of one size."""
    count = len(times)
    return Requests(np.array(times), np.full(count, prompt), np.full(count, output))


def test_a_slot_is_free_after_a_part_of_its_time() -> None:
    """Two slots, W = 1 s and h = 0: a request of 1 + 3 iterations frees its slot after 2 s."""
    pool = DispatchPool(IterationTime(1.0, 0.0), slots=2, replicas=1)
    ttft, sent = dispatched(requests([0.0, 0.0, 0.5], 100, 3), [pool], lambda _: 0)
    assert ttft.tolist() == [1.0, 1.0, 2.0 - 0.5 + 1.0]
    assert sent.tolist() == [0, 0, 0]


def test_free_slots_are_not_seen() -> None:
    """Nobody waits, so all go to the first replica until somebody does."""
    pool = DispatchPool(IterationTime(1.0, 0.0), slots=1, replicas=2)
    _, sent = dispatched(requests([0.0, 0.1, 0.2, 0.3], 100, 3), [pool], lambda _: 0)
    assert sent.tolist() == [0, 0, 1, 1]


def test_iterations_slow_down_with_the_batch() -> None:
    """tau = W + h times the tokens of all that run, the new request included."""
    pool = DispatchPool(IterationTime(1.0, 0.01), slots=4, replicas=1)
    ttft, _ = dispatched(requests([0.0, 0.5], 600, 100), [pool], lambda _: 0)
    assert ttft == pytest.approx([2 * (1 + 7.0), 2 * (1 + 14.0)])


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), replicas=st.integers(1, 3), load=st.floats(0.3, 1.1))
def test_slots_are_servers(seed: int, replicas: int, load: float) -> None:
    """The wait for the first free server, by trying every server for every request."""
    rng = np.random.default_rng(seed)
    context, count = 32_768, 600
    slots = H100.reserved(context).slots
    prompt, output = rng.integers(1, 20_000, count), rng.integers(1, 4_000, count)
    time = H100.iteration
    prefill = -(-prompt // time.chunk_tokens)
    hold = (prefill + output) * np.array(
        [time.seconds(slots * total) for total in (prompt + output).tolist()]
    )
    rate = load * replicas * slots / hold.mean()
    arrivals = np.cumsum(rng.exponential(1.0 / rate, count))
    ends = np.zeros(replicas * slots)
    waits = np.zeros(count)
    for i in range(count):
        server = int(np.argmin(ends))
        start = max(arrivals[i], ends[server])
        waits[i], ends[server] = start - arrivals[i], start + hold[i]
    alone = time.seconds(H100.spec.calibration_context_tokens)
    measured = np.sort((waits + prefill * alone)[round(count * WARMUP_SHARE) :])
    wanted = 1000.0 * measured[int(measured.size * 0.99) - 1]
    found = slots_p99_ms(Requests(arrivals, prompt, output), H100, context, replicas)
    assert found == pytest.approx(wanted)


def test_slots_wait_as_in_m_d_c() -> None:
    """Equal requests wait less often than in M/M/c; with c slots at 90 % the wait is there."""
    context = 65_536
    slots = H100.reserved(context).slots
    time, prompt, output = H100.iteration, 500, 500
    hold = (1 + output) * time.seconds(slots * (prompt + output))
    rate = 0.9 * slots / hold
    count = 300_000
    arrivals = np.cumsum(np.random.default_rng().exponential(1.0 / rate, count))
    p99_s = slots_p99_ms(
        Requests(arrivals, np.full(count, prompt), np.full(count, output)), H100, context, 1
    ) / 1000.0 - time.seconds(H100.spec.calibration_context_tokens)
    tail = erlang_c(slots, rate * hold)
    p99_of_m_m_c = math.log(tail / 0.01) * hold / (slots - rate * hold)
    assert 0.3 * p99_of_m_m_c < p99_s < p99_of_m_m_c
