"""M/M/c, M/D/1 and M/G/1 processor sharing, out of the table and out of the simulator.

A replica becomes a textbook queue: with h = 0 its slots are servers; with one slot it is
a single server; with many slots and hardly any W it shares one processor. Simulated means
are held to the closed forms by Student intervals over replications at 1 - 1e-6, so that
all of them together raise a false alarm in fewer than one of 1e4 runs. An arrival joins
at the end of the running iteration; comparisons allow for that iteration and no more.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fleetopt.performance.profile import Capacity, IterationTime
from fleetopt.queueing.erlang import erlang_c
from fleetopt.queueing.latency import LatencyMix, states_of
from fleetopt.queueing.load import Load, LoadTable
from fleetopt.queueing.occupancy import Occupancy, occupancy
from fleetopt.simulation.kernel import run_pool
from fleetopt.simulation.records import Engine, Requests, Trajectory, Window, checkpoints
from fleetopt.simulation.statistics import MeanInterval, mean_interval
from fleetopt.workload.arrivals import Poisson
from fleetopt.workload.lengths import LengthDistribution

CONFIDENCE = 1.0 - 1e-6
REPLICATIONS = 24
MAX_TOKENS = 60_000
CHUNK = 65_536
"""Every prompt is one prefill iteration."""


def outputs(tokens: np.ndarray, weights: np.ndarray, total: int = 0) -> LengthDistribution:
    """Requests by their output tokens; all of one total length if it is given."""
    prompt = total - tokens if total else np.ones_like(tokens)
    order = np.argsort(prompt + tokens, kind="stable")
    return LengthDistribution(
        (prompt + tokens)[order],
        prompt[order],
        tokens[order],
        (weights / weights.sum())[order],
        (0, int((prompt + tokens).max())),
    )


def geometric(mean: float) -> LengthDistribution:
    """Memoryless output lengths."""
    tokens = np.arange(1, MAX_TOKENS)
    return outputs(tokens, np.exp(tokens * math.log1p(-1.0 / mean)))


class Queue:
    """One replica with Poisson arrivals, as a table sees it and as it runs."""

    def __init__(
        self, lengths: LengthDistribution, base_s: float, slope_s: float, slots: int, rho: float
    ) -> None:
        self.lengths = lengths
        self.slots = slots
        total = int(lengths.total_tokens[-1])
        self.time = IterationTime(base_s, slope_s / total, chunk_tokens=CHUNK)
        self.capacity = Capacity(slots, 0, 16, MAX_TOKENS + 1)
        per_request = LoadTable(lengths, self.time).between(0, total, 1.0)
        batch = min(slots, 10**6)
        rate = rho * batch / (base_s + slope_s * batch) / per_request.mean_work
        self.load: Load = LoadTable(lengths, self.time).between(0, total, rate)
        self.occupancy: Occupancy = occupancy(self.load.offered_work, base_s, slope_s, 1, slots)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.load.arrival_rate

    def mix(self) -> LatencyMix:
        """The table's latencies."""
        time = self.time
        states = states_of(self.occupancy, self.load)
        return LatencyMix(self.load, states, 1, time.base_s, time.per_context_token_s)

    def wait_exceeds(self, limit_s: float) -> float:
        """The table's P(W > limit)."""
        states = self.mix().states
        tail = np.exp(-states.wait_rate * limit_s) * (states.wait_rate > 0)
        return float(states.probabilities @ tail)

    def simulate(self, requests: int) -> list[tuple[Requests, Trajectory]]:
        """Independent runs; the first fifth of each is warm-up and left out."""
        seeds = np.random.SeedSequence().spawn(REPLICATIONS)
        with ThreadPoolExecutor(2) as executor:
            return list(executor.map(lambda seed: self._run(seed, requests), seeds))

    def _run(self, seed: np.random.SeedSequence, count: int) -> tuple[Requests, Trajectory]:
        rng = np.random.default_rng(seed)
        end_s = count / self.rate
        times = Poisson(self.rate).times(rng, 1.2 * end_s)
        drawn = self.lengths.sample(rng, times.size)
        requests = Requests(
            times, self.lengths.prompt_tokens[drawn], self.lengths.output_tokens[drawn]
        )
        window = Window(0.2 * end_s, end_s, 100.0 * end_s)
        engine = Engine.of(self.time, self.capacity)
        out = run_pool(engine, 1, requests, window, checkpoints(window))
        kept = (times >= window.warmup_s) & (times < window.measure_end_s)
        assert not np.isnan(out.end_s[kept]).any()
        return Requests(*(column[kept] for column in requests)), Trajectory(
            *(column[kept] for column in out[:4]), *out[4:]
        )


def waits(runs: list[tuple[Requests, Trajectory]]) -> list[np.ndarray]:
    """Time in queue of every request, by run."""
    return [out.admitted_s - requests.arrival_s for requests, out in runs]


def interval(values: list[float]) -> MeanInterval:
    """Two-sided interval of a mean over the runs."""
    return mean_interval(values, CONFIDENCE)


@pytest.mark.parametrize(("servers", "rho"), [(1, 0.7), (10, 0.85), (40, 0.9)])
def test_many_servers_with_exponential_work(servers: int, rho: float) -> None:
    """M/M/c: P(wait) is Erlang's C and the wait beyond is exponential with c mu - lambda."""
    queue = Queue(geometric(2000.0), 0.0005, 0.0, servers, rho)
    tau = queue.time.base_s
    offered = queue.rate * queue.load.mean_work * tau
    c = erlang_c(servers, offered)
    drain = servers / (queue.load.mean_work * tau) - queue.rate
    assert math.isclose(queue.occupancy.wait_probability, c, rel_tol=1e-9)
    limits = (0.5 / drain, 1.5 / drain)
    for limit in limits:  # a geometric work of mean 2000 is exponential but for 1 part in 1000
        assert math.isclose(queue.wait_exceeds(limit), c * math.exp(-drain * limit), rel_tol=5e-3)
    measured = waits(queue.simulate(20_000))
    for limit, expected in [(0.0, c), *((t, c * math.exp(-drain * t)) for t in limits)]:
        later = interval([float(np.mean(w > limit + tau)) for w in measured])
        sooner = interval([float(np.mean(w > limit)) for w in measured])
        assert later.low <= expected
        if limit > 0:
            assert expected <= sooner.high
        else:
            assert expected <= later.high + c * drain * tau
    mean = interval([float(w.mean()) for w in measured])
    assert mean.low - tau <= c / drain <= mean.high


@pytest.mark.parametrize("rho", [0.5, 0.8])
def test_one_server_with_constant_work(rho: float) -> None:
    """M/D/1: P(wait) = rho and E[W] = rho D / (2 (1 - rho)) (Pollaczek and Khinchine)."""
    queue = Queue(outputs(np.array([999]), np.ones(1)), 0.001, 0.0, 1, rho)
    service_s = 1000 * queue.time.base_s
    expected = rho * service_s / (2.0 * (1.0 - rho))
    rates = queue.mix().states.wait_rate
    assert math.isclose(queue.occupancy.wait_probability, rho, rel_tol=1e-9)
    assert math.isclose(queue.occupancy.wait_probability / rates.max(), expected, rel_tol=1e-9)
    measured = waits(queue.simulate(20_000))
    busy = interval([float(np.mean(w > 0)) for w in measured])
    assert busy.low <= rho <= busy.high
    mean = interval([float(w.mean()) for w in measured])
    assert mean.low <= expected <= mean.high


@pytest.mark.parametrize("rho", [0.5, 0.75])
@pytest.mark.parametrize(
    "work",
    [
        outputs(np.array([200, 4200]), np.array([0.8, 0.2]), 5000),
        outputs(np.array([1000]), np.ones(1), 5000),
    ],
)
def test_one_shared_processor(work: LengthDistribution, rho: float) -> None:
    """M/G/1-PS: n is geometric, and a request of work v stays v tau(1) / (1 - rho).

    Both hold for every distribution of work with this mean (Kleinrock 1976, section 4.4).
    """
    queue = Queue(work, 1e-7, 0.001, 5000, rho)
    one_s = queue.time.base_s + 0.001
    states, probabilities = queue.occupancy.states, queue.occupancy.probabilities
    likely = probabilities > 1e-12
    np.testing.assert_allclose(
        probabilities[likely], (1 - rho) * rho ** states[likely], rtol=2e-3 * states[likely].max()
    )
    mix = queue.mix()
    mean_work = queue.load.mean_work
    expected = mean_work * one_s / (1.0 - rho)
    table = float(mix.load.cells.weights @ mix._service_s @ mix.states.probabilities)
    assert math.isclose(table, expected, rel_tol=2e-3)
    runs = queue.simulate(20_000)
    for tokens in np.unique(work.output_tokens):
        stays = [
            float(np.mean((out.end_s - q.arrival_s)[q.output_tokens == tokens])) for q, out in runs
        ]
        mean = interval(stays)
        joins = one_s / (1.0 - rho) ** 2
        assert mean.low - 2 * joins <= (tokens + 1) * one_s / (1.0 - rho) <= mean.high
