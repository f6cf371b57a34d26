"""The slow, readable twin of the kernel: objects, lists and one iteration after another.

It follows the same rules with the same arithmetic for the end of an iteration, so its
trajectories equal the kernel's bit for bit; everything else is done the plain way.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from fleetopt.simulation.records import (
    UNLIMITED,
    Engine,
    Floats,
    PoolLimits,
    Requests,
    Trajectory,
    Window,
)


@dataclass
class Sequence:
    """A request in a running batch."""

    request: int
    prompt_tokens: int
    output_tokens: int
    prefilled_tokens: int = 0
    generated_tokens: int = 0
    share_tokens: int = 0

    @property
    def is_prefilling(self) -> bool:
        """Whether prompt tokens are left to process."""
        return self.prefilled_tokens < self.prompt_tokens

    @property
    def total_tokens(self) -> int:
        """Prompt and output tokens together."""
        return self.prompt_tokens + self.output_tokens


@dataclass
class Replica:
    """One serving engine: a running batch and a queue in front of it."""

    engine: Engine
    limits: PoolLimits = UNLIMITED
    batch: list[Sequence] = field(default_factory=list)
    queue: deque[int] = field(default_factory=deque)
    epoch_s: float = 0.0
    first_s: float = 0.0
    growth_s: float = 0.0
    floor_s: float = 0.0

    @property
    def sequences(self) -> int:
        """Sequences running and waiting."""
        return len(self.batch) + len(self.queue)

    def slots(self, time_s: float) -> int:
        """The slots at a time."""
        passed = self.limits.slots[self.limits.at_s <= time_s]
        return min([self.engine.slots, *map(int, passed[-1:])])

    def has_room(self, total_tokens: int, time_s: float) -> bool:
        """Whether a request of this length can join the batch at a time."""
        if len(self.batch) >= self.slots(time_s):
            return False
        if self.engine.kv_blocks == 0:
            return True
        held = sum(self.blocks(sequence.total_tokens) for sequence in self.batch)
        return held + self.blocks(total_tokens) <= self.engine.kv_blocks

    def blocks(self, tokens: int) -> int:
        """KV blocks that hold this many tokens."""
        return math.ceil(tokens / self.engine.block_tokens)

    def context(self) -> int:
        """Context tokens of the batch at the start of an iteration."""
        if self.engine.current:
            return sum(s.prefilled_tokens + s.generated_tokens for s in self.batch)
        return sum(s.total_tokens for s in self.batch)

    def begin_epoch(self, now: float) -> None:
        """Fix the iteration times until the batch changes."""
        self.epoch_s = now
        self.share_out_prompts()
        growth = self.context_growth()
        prompts = sum(s.share_tokens for s in self.batch) if self.engine.current else 0
        self.first_s = self.engine.base_s + self.engine.per_context_token_s * self.context()
        self.growth_s = self.engine.per_context_token_s * growth
        self.floor_s = self.engine.prefill_base_s + self.engine.prefill_per_token_s * prompts

    def context_growth(self) -> int:
        """Context tokens that one iteration adds."""
        if not self.engine.current:
            return 0
        return sum(s.share_tokens if s.is_prefilling else 1 for s in self.batch)

    def share_out_prompts(self) -> None:
        """Give prefilling sequences their prompt tokens of one iteration, decodes first."""
        decoding = sum(not s.is_prefilling for s in self.batch)
        limited = self.engine.current and self.engine.token_budget > 0
        left = self.engine.token_budget - decoding if limited else math.inf
        for s in self.batch:
            wanted = min(s.prompt_tokens - s.prefilled_tokens, self.engine.chunk_tokens)
            s.share_tokens = int(max(0, min(wanted, left)))
            left -= s.share_tokens

    def end_s(self, k: int) -> float:
        """When the k-th iteration of the epoch ends."""
        return self.epoch_s + elapsed_s(k, self.first_s, self.growth_s, self.floor_s)

    def iterations_left(self, s: Sequence) -> int:
        """Iterations until a sequence ends its prefill or its decode."""
        if s.is_prefilling:
            return math.ceil((s.prompt_tokens - s.prefilled_tokens) / self.engine.chunk_tokens)
        return s.output_tokens - s.generated_tokens

    def next_change(self, requests: Requests) -> tuple[int, float]:
        """The first iteration of the epoch after which something changes, and its end."""
        if not self.batch:
            return 0, math.inf
        step_by_step = self.engine.current and any(s.is_prefilling for s in self.batch)
        last = 1 if step_by_step else min(self.iterations_left(s) for s in self.batch)
        if self.queue:
            last = next((k for k in range(1, last) if self.admits(requests, self.end_s(k))), last)
        return last, self.end_s(last)

    def admits(self, requests: Requests, time_s: float) -> bool:
        """Whether the first of the queue joins the batch if an iteration ends at a time."""
        if not self.queue or requests.arrival_s[self.queue[0]] > time_s:
            return False
        return self.has_room(_total_tokens(requests, self.queue[0]), time_s)

    def step(self) -> None:
        """Advance every sequence by one iteration."""
        for s in self.batch:
            if s.is_prefilling:
                s.prefilled_tokens += s.share_tokens
            else:
                s.generated_tokens += 1


def elapsed_s(k: int, first_s: float, growth_s: float, floor_s: float) -> float:
    """Seconds of k iterations: sum of max(first_s + j growth_s, floor_s), j = 0 .. k - 1."""
    if growth_s == 0.0:
        return k * max(first_s, floor_s)
    if first_s >= floor_s:
        return k * first_s + growth_s * (0.5 * k * (k - 1))
    flat = math.ceil((floor_s - first_s) / growth_s)
    if k <= flat:
        return k * floor_s
    rest = k - flat
    risen = first_s + growth_s * flat
    return flat * floor_s + rest * risen + growth_s * (0.5 * rest * (rest - 1))


def run_pool(
    engine: Engine,
    replicas: int,
    requests: Requests,
    window: Window,
    checkpoint_s: Floats,
    limits: PoolLimits = UNLIMITED,
) -> Trajectory:
    """Simulate one pool; same arguments and result as the kernel's function."""
    return _Run(engine, replicas, requests, window, checkpoint_s, limits).run()


class _Run:
    """One simulation in progress."""

    def __init__(
        self,
        engine: Engine,
        replicas: int,
        requests: Requests,
        window: Window,
        checkpoint_s: Floats,
        limits: PoolLimits,
    ) -> None:
        size = requests.arrival_s.size
        marks = checkpoint_s.size
        self.replicas = [Replica(engine, limits) for _ in range(replicas)]
        self.limits = limits
        self.requests = requests
        self.window = window
        self.checkpoint_s = checkpoint_s
        self.seen = 0
        self.out = Trajectory(
            np.full(size, np.nan),
            np.full(size, np.nan),
            np.full(size, np.nan),
            np.full(size, -1, dtype=np.int64),
            np.zeros(marks, dtype=np.int64),
            np.zeros(marks, dtype=np.int64),
            np.zeros(3),
        )

    def run(self) -> Trajectory:
        """The event loop: iteration ends before arrivals, ties to the lowest replica."""
        arrived = 0
        size = self.requests.arrival_s.size
        while not self.is_done():
            changes = [replica.next_change(self.requests) for replica in self.replicas]
            first = min(range(len(changes)), key=lambda r: changes[r][1])
            iterations, now = changes[first]
            arrival_s = float(self.requests.arrival_s[arrived]) if arrived < size else math.inf
            is_arrival = arrival_s < now
            now = min(now, arrival_s)
            if now > self.window.stop_s or now == math.inf:
                break
            self.read_backlog(now)
            self.out.totals[2] += 1
            if is_arrival:
                self.arrive(arrived, now)
                arrived += 1
            else:
                self.iterate(self.replicas[first], iterations, now)
        return self.out

    def is_done(self) -> bool:
        """Whether every request that arrived before the end of measurement has ended."""
        before_end = self.requests.arrival_s < self.window.measure_end_s
        return not np.isnan(self.out.end_s[before_end]).any()

    def read_backlog(self, now: float) -> None:
        """Read the waiting requests at the checkpoints that have passed."""
        while self.seen < self.checkpoint_s.size and self.checkpoint_s[self.seen] <= now:
            waiting = [len(replica.queue) for replica in self.replicas]
            self.out.backlog[self.seen] = sum(waiting)
            self.out.saturated[self.seen] = sum(w > 0 for w in waiting)
            self.seen += 1

    def arrive(self, request: int, now: float) -> None:
        """Route a request to the replica with the fewest sequences of those that take any."""
        chosen = min(range(self.taking(now)), key=lambda r: self.replicas[r].sequences)
        replica = self.replicas[chosen]
        self.out.replica[request] = chosen
        if replica.batch:
            replica.queue.append(request)
        else:
            self.admit(replica, request, now)
            replica.begin_epoch(now)

    def taking(self, now: float) -> int:
        """How many replicas take requests at a time."""
        passed = self.limits.replicas[self.limits.at_s <= now]
        return min([len(self.replicas), *map(int, passed[-1:])])

    def admit(self, replica: Replica, request: int, now: float) -> None:
        """Put a request into a replica's batch."""
        prompt = int(self.requests.prompt_tokens[request])
        output = int(self.requests.output_tokens[request])
        replica.batch.append(Sequence(request, prompt, output))
        self.out.admitted_s[request] = now

    def iterate(self, replica: Replica, iterations: int, now: float) -> None:
        """Run the epoch's iterations to their end, then let the batch change."""
        for _ in range(iterations):
            if self.window.warmup_s <= now < self.window.measure_end_s:
                self.out.totals[0] += len(replica.batch)
                self.out.totals[1] += replica.context()
            was_prefilling = [s for s in replica.batch if s.is_prefilling]
            replica.step()
            for s in was_prefilling:
                if not s.is_prefilling:
                    self.out.prefill_end_s[s.request] = now
        for s in [s for s in replica.batch if s.generated_tokens == s.output_tokens]:
            self.out.end_s[s.request] = now
            replica.batch.remove(s)
        while replica.admits(self.requests, now):
            self.admit(replica, replica.queue.popleft(), now)
        replica.begin_epoch(now)


def _total_tokens(requests: Requests, request: int) -> int:
    return int(requests.prompt_tokens[request] + requests.output_tokens[request])
