"""A measured run played again: clients that start together, and send when an answer ends."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fleetopt.performance.calibration.seconds import Floats
from fleetopt.performance.profile import Capacity, IterationTime
from fleetopt.simulation.fleet import run_compiled
from fleetopt.simulation.fleet_records import ClosedLoop, FleetRequests, Limits, PoolEngine, Setting
from fleetopt.simulation.records import Engine, Window

MOST_REQUESTS = 6000
"""Requests of a run beyond which a client sends fewer."""
_FEWEST_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Habit:
    """How the clients of a benchmark behave before an engine.

    rounds: requests that each client sends. shortest: lengths are uniform from this share of
    the nominal length up to it.
    """

    rounds: int
    shortest: float

    @property
    def mean(self) -> float:
        """Mean length as a share of the nominal one."""
        return (1.0 + self.shortest) / 2.0


MIXED_ROUNDS, MIXED_SHORTEST = 10, 0.95
"""Before engines that run prompts beside decodes: clients drift apart after the start."""
IN_STEP = Habit(rounds=1, shortest=1.0)
"""Before engines that stop decoding for prompts, with prompts and outputs of equal lengths: clients
stay together, every round is a start."""
PROMPTS_FIRST = ("sglang",)
UNIFORM_LENGTHS = ((1024, 1024), (1024, 8192), (8192, 1024))
UNIFORM_SHORTEST = 0.8
"""Lengths of InferenceMAX's benchmark, uniform from this share up (its RANDOM_RANGE_RATIO)."""
RESERVING = ("trtllm", "sglang")
"""Engines that admit a sequence only if the KV of its whole output would fit. TensorRT-LLM never
evicts by default; SGLang counts on outputs of up to 4096 tokens. Others let sequences grow."""


def habit(backend: str, lengths: tuple[int, int]) -> Habit:
    """How clients behave before an engine, with these prompt and output tokens."""
    if lengths in UNIFORM_LENGTHS:
        return Habit(MIXED_ROUNDS, UNIFORM_SHORTEST)
    return IN_STEP if backend in PROMPTS_FIRST else Habit(MIXED_ROUNDS, MIXED_SHORTEST)


@dataclass(frozen=True, slots=True)
class Played:
    """Means over the requests of a simulated run, in seconds.

    wait_s: from sending to admission, that is for a slot or for KV.
    """

    ttft_s: float
    tpot_s: float
    wait_s: float


def play(
    iteration: IterationTime,
    capacity: Capacity,
    lengths: tuple[int, int],
    clients: int,
    habits: Habit,
    grows: bool = False,
    seed: int = 0,
) -> Played:
    """Means of one replica whose clients form a closed loop and start together at time 0.

    lengths: prompt and output tokens. grows: sequences take KV as they grow and may be preempted.
    """
    rounds = habits.rounds
    if clients * rounds > MOST_REQUESTS:
        rounds = min(rounds, _FEWEST_ROUNDS)
    n = clients * rounds
    rng = np.random.default_rng(seed)
    prompt, output = (
        np.maximum(1, rng.integers(math.floor(habits.shortest * length), length + 1, size=n))
        if habits.shortest < 1
        else np.full(n, length)
        for length in lengths
    )
    zero = np.zeros(n, dtype=np.int64)
    requests = FleetRequests(
        np.zeros(n), prompt.astype(np.int64), output.astype(np.int64), zero,
        (prompt + output).astype(np.int64), zero - 1, zero, np.zeros((0, 2), dtype=np.int64),
    )  # fmt: skip
    pool = PoolEngine(Engine.of(iteration, capacity), 1, capacity.max_context, int(grows))
    whole, loop = Window(0.0, np.inf, np.inf), ClosedLoop(clients)
    setting = Setting(whole, np.zeros(1), loop=loop, limits=Limits(stop_early=0))
    run = run_compiled([pool], requests, setting)
    decode_s: Floats = run.end_s - run.prefill_end_s
    return Played(
        float(np.mean(run.prefill_end_s - run.arrival_s)),
        float(np.mean(decode_s / output)),
        float(np.mean(run.admitted_s - run.arrival_s)),
    )
