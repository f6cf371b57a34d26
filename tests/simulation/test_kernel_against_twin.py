"""The compiled kernel equals its plain twin bit for bit, and both keep the laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetopt.simulation import kernel, reference
from fleetopt.simulation.kernel import epochs, loop
from fleetopt.simulation.records import (
    UNLIMITED,
    Engine,
    PoolLimits,
    Requests,
    Trajectory,
    Window,
    checkpoints,
)

lengths = st.integers(1, 300)


@st.composite
def engines(draw: st.DrawFn) -> Engine:
    """Small engines of both contexts and both admission rules, with or without a budget."""
    current = draw(st.integers(0, 1))
    computes = bool(current) and draw(st.booleans())
    return Engine(
        base_s=draw(st.sampled_from([0.008, 0.0005, 0.0137])),
        per_context_token_s=draw(st.sampled_from([0.0, 1e-6, 2.3e-6])),
        prefill_base_s=0.001 if computes else 0.0,
        prefill_per_token_s=draw(st.sampled_from([5e-5, 3e-4])) if computes else 0.0,
        current=current,
        chunk_tokens=draw(st.sampled_from([16, 64])),
        token_budget=draw(st.sampled_from([0, 64, 200])) if current else 0,
        slots=draw(st.integers(1, 7)),
        kv_blocks=draw(st.sampled_from([0, 40, 90])),
        block_tokens=16,
    )


@st.composite
def arrivals(draw: st.DrawFn) -> Requests:
    """Up to sixty requests; some at the same instant, some at the ends of iterations."""
    grid = draw(st.sampled_from([0.008, 0.1, 1e-4]))
    steps = draw(st.lists(st.integers(0, 40), min_size=1, max_size=60))
    n = len(steps)
    prompts = draw(st.lists(lengths, min_size=n, max_size=n))
    outputs = draw(st.lists(st.integers(1, 150), min_size=n, max_size=n))
    return Requests(np.cumsum(steps) * grid, np.array(prompts), np.array(outputs))


@st.composite
def limits(draw: st.DrawFn) -> PoolLimits:
    """Up to three changes of the slots; some at the ends of iterations, some in the same one."""
    grid = draw(st.sampled_from([0.008, 0.1, 1e-3]))
    steps = draw(st.lists(st.integers(1, 30), max_size=3))
    slots = [draw(st.integers(1, 8)) for _ in steps]
    replicas = [draw(st.integers(1, 5)) for _ in steps]
    return PoolLimits.of(*zip(np.cumsum(steps) * grid, slots, replicas, strict=True))


windows = st.builds(
    Window, st.just(0.1), st.sampled_from([0.5, 2.0, 11.0]), st.sampled_from([3.0, 50.0])
)


def check_laws(out: Trajectory, requests: Requests, window: Window, engine: Engine) -> None:
    """Arrivals = completed + unfinished; times in order; never more in a batch than slots."""
    began = ~np.isnan(out.admitted_s)
    ended = ~np.isnan(out.end_s)
    assert not (ended & ~began).any()
    assert (out.admitted_s[began] >= requests.arrival_s[began]).all()
    assert (out.prefill_end_s[ended] > out.admitted_s[ended]).all()
    assert (out.end_s[ended] > out.prefill_end_s[ended]).all()
    assert (out.end_s[ended] <= window.stop_s).all()
    measured = requests.arrival_s < window.measure_end_s
    if window.stop_s == 50.0:
        assert ended[measured].all(), "a long run serves all measured requests"
    stop = math.inf
    for replica in range(int(out.replica.max()) + 1):
        here = began & (out.replica == replica)
        starts = out.admitted_s[here]
        ends = np.where(ended[here], out.end_s[here], stop)
        busy = [int(np.sum((starts <= t) & (t < ends))) for t in starts]
        assert max(busy, default=0) <= engine.slots


@settings(max_examples=250)
@given(engines(), st.integers(1, 4), arrivals(), windows, st.just(UNLIMITED) | limits())
def test_kernel_equals_twin(
    engine: Engine, replicas: int, requests: Requests, window: Window, limits: PoolLimits
) -> None:
    """Every number of the trajectory, to the last bit."""
    marks = checkpoints(window, 8)
    fast = kernel.run_pool(engine, replicas, requests, window, marks, limits)
    slow = reference.run_pool(engine, replicas, requests, window, marks, limits)
    for name, ours, theirs in zip(Trajectory._fields, fast, slow, strict=True):
        assert np.array_equal(ours, theirs, equal_nan=True), name
    check_laws(fast, requests, window, engine)


@settings(max_examples=40)
@given(engines(), arrivals(), windows)
def test_first_come_first_served_in_a_replica(
    engine: Engine, requests: Requests, window: Window
) -> None:
    """Nobody overtakes in the queue of a replica."""
    out = kernel.run_pool(engine, 1, requests, window, checkpoints(window, 4))
    began = out.admitted_s[~np.isnan(out.admitted_s)]
    assert (np.diff(began) >= 0).all()
    assert not np.isnan(out.admitted_s[: began.size]).any()


@given(
    st.integers(1, 400),
    st.floats(1e-4, 0.02),
    st.sampled_from([0.0, 1e-7, 3e-6, 1e-4]),
    st.sampled_from([0.0, 0.004, 0.0123, 0.05]),
)
def test_epoch_time_is_the_sum_of_its_iterations(
    k: int, first_s: float, growth_s: float, floor_s: float
) -> None:
    """The closed form equals adding max(first + j growth, floor) up, in kernel and twin."""
    plain = math.fsum(max(first_s + j * growth_s, floor_s) for j in range(k))
    for elapsed in (epochs.elapsed.py_func, reference.elapsed_s):
        assert math.isclose(elapsed(k, first_s, growth_s, floor_s), plain, rel_tol=1e-9)


def test_routing_goes_to_the_fewest_sequences_then_the_lowest_index() -> None:
    """Three at once on two replicas: first, second, first."""
    engine = Engine(0.01, 0.0, 0.0, 0.0, 0, 64, 0, 4, 0, 16)
    requests = Requests(np.zeros(3), np.full(3, 10), np.full(3, 10))
    window = Window(0.0, 1.0, 2.0)
    out = kernel.run_pool(engine, 2, requests, window, checkpoints(window, 2))
    assert out.replica.tolist() == [0, 1, 0]


def test_one_request_alone_by_hand() -> None:
    """130 prompt tokens in chunks of 64 are 3 iterations, then one for each output token."""
    engine = Engine(0.01, 1e-5, 0.0, 0.0, 0, 64, 0, 4, 0, 16)
    requests = Requests(np.array([0.5]), np.array([130]), np.array([20]))
    window = Window(0.0, 1.0, 9.0)
    out = kernel.run_pool(engine, 1, requests, window, checkpoints(window, 2))
    tau = 0.01 + 1e-5 * 150
    assert math.isclose(out.prefill_end_s[0], 0.5 + 3 * tau, rel_tol=1e-12)
    assert math.isclose(out.end_s[0], 0.5 + 23 * tau, rel_tol=1e-12)


def test_growing_context_by_hand() -> None:
    """Counted at the tokens held: 0, 64, 128 while prefilling, then one more a token."""
    engine = Engine(0.01, 1e-5, 0.0, 0.0, 1, 64, 0, 4, 0, 16)
    requests = Requests(np.array([0.0]), np.array([130]), np.array([3]))
    window = Window(0.0, 1.0, 9.0)
    out = kernel.run_pool(engine, 1, requests, window, checkpoints(window, 2))
    contexts = [0, 64, 128, 130, 131, 132]
    ends = np.cumsum([0.01 + 1e-5 * c for c in contexts])
    assert math.isclose(out.prefill_end_s[0], ends[2], rel_tol=1e-12)
    assert math.isclose(out.end_s[0], ends[5], rel_tol=1e-12)


def test_paged_admission_waits_for_blocks() -> None:
    """Two requests of 25 blocks do not share 40; the second starts when the first ends."""
    engine = Engine(0.01, 0.0, 0.0, 0.0, 0, 64, 0, 8, 40, 16)
    requests = Requests(np.array([0.0, 0.001]), np.full(2, 380), np.full(2, 20))
    window = Window(0.0, 1.0, 9.0)
    out = kernel.run_pool(engine, 1, requests, window, checkpoints(window, 2))
    assert out.admitted_s[1] == out.end_s[0]


def test_a_limit_holds_admissions_back_until_it_is_lifted() -> None:
    """One of three may run from 0.15 s on, two more from 0.95 s: the end of an iteration is 1 s."""
    engine = Engine(0.1, 0.0, 0.0, 0.0, 0, 64, 0, 4, 0, 16)
    requests = Requests(np.array([0.0, 0.17, 0.18]), np.full(3, 10), np.full(3, 100))
    window = Window(0.0, 1.0, 99.0)
    limited = PoolLimits.of((0.15, 1), (0.95, 3))
    out = kernel.run_pool(engine, 1, requests, window, checkpoints(window, 2), limited)
    assert out.admitted_s == pytest.approx([0.0, 1.0, 1.0])
    free = kernel.run_pool(engine, 1, requests, window, checkpoints(window, 2))
    assert free.admitted_s == pytest.approx([0.0, 0.2, 0.2])


def test_sequences_beyond_a_limit_run_to_their_end() -> None:
    """Three run when the limit of one comes; the fourth begins when all of them have ended."""
    engine = Engine(0.1, 0.0, 0.0, 0.0, 0, 64, 0, 3, 0, 16)
    requests = Requests(np.zeros(4), np.full(4, 10), np.array([10, 20, 30, 5]))
    window = Window(0.0, 1.0, 99.0)
    limited = PoolLimits.of((0.5, 1))
    out = kernel.run_pool(engine, 1, requests, window, checkpoints(window, 2), limited)
    assert out.end_s[:3] == pytest.approx([1.1, 2.2, 3.2])
    assert out.admitted_s[3] == out.end_s[2]


def test_a_replica_that_is_shut_ends_what_it_has_and_gets_nothing_until_it_opens() -> None:
    """Of two replicas the second is shut from 0.15 s to 1.5 s, with one running and one waiting."""
    engine = Engine(0.1, 0.0, 0.0, 0.0, 0, 64, 0, 1, 0, 16)
    requests = Requests(
        np.array([0.0, 0.01, 0.02, 0.03, 0.2, 0.3, 1.6]), np.full(7, 10), np.full(7, 5)
    )
    limited = PoolLimits.of((0.15, 1, 1), (1.5, 1))
    window = Window(0.0, 2.0, 99.0)
    out = kernel.run_pool(engine, 2, requests, window, checkpoints(window, 2), limited)
    assert out.replica.tolist() == [0, 1, 0, 1, 0, 0, 1]
    assert out.end_s[3] == pytest.approx(1.21), "it waited at the replica that was shut, and ran"
    assert not np.isnan(out.end_s).any()


@pytest.mark.parametrize(
    "changes", [[(1.0, 2, 0)], [(1.0, 0)], [(2.0, 3), (1.0, 2)], [(1.0, 3), (1.0, 2)]]
)
def test_impossible_limits_are_refused(changes: list[tuple[float, int]]) -> None:
    with pytest.raises(ValueError, match="ascending times"):
        PoolLimits.of(*changes)


def test_kernel_is_cached_after_a_run() -> None:
    """Once it has run, the compiled kernel is found, unless no cache can be written."""
    test_one_request_alone_by_hand()
    folder = loop.run_events.stats.cache_path
    assert kernel.is_compiled() is (folder is not None)
