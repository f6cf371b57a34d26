"""Replications of one pool: what is simulated, for how long, and what each run tells."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np

from fleetopt.performance.profile import Capacity, IterationTime
from fleetopt.problem import LatencyBound
from fleetopt.simulation.records import (
    Engine,
    Floats,
    Requests,
    Trajectory,
    Window,
    checkpoints,
)
from fleetopt.simulation.statistics import PROBABILITIES
from fleetopt.workload.arrivals import ArrivalProcess
from fleetopt.workload.lengths import LengthDistribution

RESIDENCES = 20.0
"""Measured time of a replication, in longest residences."""
LEAST_RESIDENCES = 6.0
"""Measured time where that many residences bring more than ENOUGH_REQUESTS."""
ENOUGH_REQUESTS = 200_000
MIN_REQUESTS = 10_000
"""Least measured requests of a replication."""
WARMUP_RESIDENCES = 2.0
COOLDOWN_RESIDENCES = 1.0
"""Arrivals that go on after the measured ones, so that these end in a loaded pool."""
_WORK_QUANTILE = 0.99
METRICS = ("ttft", "tpot", "e2e")


@dataclass(frozen=True, eq=False)
class PoolModel:
    """A pool to simulate.

    lengths: requests of this pool only. arrivals: their process.
    """

    iteration: IterationTime
    capacity: Capacity
    replicas: int
    lengths: LengthDistribution
    arrivals: ArrivalProcess

    def longest_residence_s(self) -> float:
        """Residence of the longest requests that carry work, in a full batch, in seconds.

        The work of the 99 % quantile by work, at the iteration time of a full batch.
        """
        lengths, time = self.lengths, self.iteration
        prefill = -(-lengths.prompt_tokens // time.chunk_tokens)
        work = prefill + lengths.output_tokens
        carried = lengths.weights * work
        order = np.argsort(work, kind="stable")
        cumulative = np.cumsum(carried[order])
        longest = work[order][np.searchsorted(cumulative, _WORK_QUANTILE * cumulative[-1])]
        context = float(carried @ lengths.total_tokens) / float(carried.sum())
        return float(longest) * full_batch_s(time, self.capacity, context)


def full_batch_s(time: IterationTime, capacity: Capacity, mean_context_tokens: float) -> float:
    """Time of an iteration of a full batch whose sequences hold this many tokens on average."""
    return time.seconds(mean_context_tokens * capacity.batch(mean_context_tokens))


@dataclass(frozen=True, slots=True)
class Horizon:
    """How long a replication runs: warm-up, measured time, cool-down, and draining at most."""

    warmup_s: float
    measured_s: float
    cooldown_s: float
    drain_s: float

    @classmethod
    def by_law(cls, model: PoolModel, requests: int | None = None) -> Horizon:
        """Many longest residences, or as long as `requests` arrivals take."""
        residence = model.longest_residence_s()
        rate = model.arrivals.rate
        enough = min(RESIDENCES * residence, ENOUGH_REQUESTS / rate)
        measured = max(LEAST_RESIDENCES * residence, enough, MIN_REQUESTS / rate)
        return cls(
            WARMUP_RESIDENCES * residence,
            measured if requests is None else requests / rate,
            COOLDOWN_RESIDENCES * residence,
            RESIDENCES * residence,
        )

    @property
    def arrivals_end_s(self) -> float:
        """When the last request arrives, in seconds from the start."""
        return self.warmup_s + self.measured_s + self.cooldown_s

    def window(self) -> Window:
        """The window of a run."""
        end = self.warmup_s + self.measured_s
        return Window(self.warmup_s, end, self.arrivals_end_s + self.drain_s)


@dataclass(frozen=True, eq=False)
class Replication:
    """What one run measured.

    quantiles_s: by metric, quantiles of the completed requests at statistics.PROBABILITIES.
    missed: arrivals beyond each bound; rejected and unfinished ones are beyond all.
    mean_active: sequences in the batches on average; mean_iteration_s by sequence.
    backlog, saturated: waiting requests and replicas with any, at even times.
    """

    quantiles_s: dict[str, Floats]
    missed: tuple[int, ...]
    arrivals: int
    completed: int
    rejected: int
    unfinished: int
    work_rate: float
    mean_context_tokens: float
    backlog: Floats
    saturated: Floats

    def percentile_s(self, metric: str, percentile: float) -> float:
        """A percentile of this run's completed requests, in seconds."""
        return float(np.interp(percentile / 100.0, PROBABILITIES, self.quantiles_s[metric]))


def replicate(
    model: PoolModel,
    horizon: Horizon,
    bounds: Sequence[LatencyBound],
    seeds: Sequence[np.random.SeedSequence],
    executor: Executor,
) -> list[Replication]:
    """One run for each seed, in their order."""
    run = partial(run_once, model, horizon, tuple(bounds))
    return list(executor.map(run, seeds))


def run_once(
    model: PoolModel,
    horizon: Horizon,
    bounds: tuple[LatencyBound, ...],
    seed: np.random.SeedSequence,
) -> Replication:
    """One run on requests drawn with a seed."""
    from fleetopt.simulation.kernel import run_pool

    rng = np.random.default_rng(seed)
    times = model.arrivals.times(rng, horizon.arrivals_end_s)
    drawn = model.lengths.sample(rng, times.size)
    requests = Requests(
        times, model.lengths.prompt_tokens[drawn], model.lengths.output_tokens[drawn]
    )
    fitting = fits(requests, model.capacity)
    kept = requests if fitting.all() else Requests(*(column[fitting] for column in requests))
    window = horizon.window()
    engine = Engine.of(model.iteration, model.capacity)
    trajectory = run_pool(engine, model.replicas, kept, window, checkpoints(window))
    rejected = int(np.count_nonzero(_measured(times, window) & ~fitting))
    latencies = latencies_s(kept, trajectory, model.iteration.first_token_s)
    return _summary(kept, trajectory, window, rejected, bounds, latencies)


def latencies_s(
    requests: Requests, trajectory: Trajectory, first_token_s: float = 0.0
) -> dict[str, Floats]:
    """TTFT, TPOT and E2E of every request, in seconds; NaN where it has not ended.

    first_token_s: what clients wait outside of the replica; TTFT and E2E have it.
    """
    decode = trajectory.end_s - trajectory.prefill_end_s
    sent_s = requests.arrival_s - first_token_s
    return {
        "ttft": np.where(np.isnan(trajectory.end_s), np.nan, trajectory.prefill_end_s - sent_s),
        "tpot": decode / requests.output_tokens,
        "e2e": trajectory.end_s - sent_s,
    }


def fits(requests: Requests, capacity: Capacity) -> np.ndarray:
    """Which requests could ever be admitted to an empty replica."""
    total = requests.prompt_tokens + requests.output_tokens
    fitting = total <= capacity.max_context
    if capacity.kv_blocks:
        fitting &= -(-total // capacity.block_tokens) <= capacity.kv_blocks
    return np.asarray(fitting)


def _measured(times: Floats, window: Window) -> np.ndarray:
    return np.asarray((times >= window.warmup_s) & (times < window.measure_end_s))


def _summary(
    requests: Requests,
    trajectory: Trajectory,
    window: Window,
    rejected: int,
    bounds: tuple[LatencyBound, ...],
    latencies: dict[str, Floats],
) -> Replication:
    measured = _measured(requests.arrival_s, window)
    values = {m: v[measured] for m, v in latencies.items()}
    ended = ~np.isnan(values["e2e"])
    missed = [rejected + int(np.count_nonzero(~(values[b.metric] <= b.limit_s))) for b in bounds]
    span = window.measure_end_s - window.warmup_s
    work, context = trajectory.totals[0], trajectory.totals[1]
    return Replication(
        quantiles_s={
            m: np.quantile(v[ended], PROBABILITIES)
            if ended.any()
            else np.full(PROBABILITIES.size, np.nan)
            for m, v in values.items()
        },
        missed=tuple(missed),
        arrivals=int(measured.sum()) + rejected,
        completed=int(ended.sum()),
        rejected=rejected,
        unfinished=int(measured.sum() - ended.sum()),
        work_rate=float(work / span),
        mean_context_tokens=float(context / work) if work else 0.0,
        backlog=trajectory.backlog.astype(np.float64),
        saturated=trajectory.saturated.astype(np.float64),
    )
