"""Pools of replicas with reserved slots behind a length router, written in SimPy."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import simpy

from fleetopt.simulation.fleet_records import PoolEngine
from fleetopt.simulation.records import Engine, Floats, Requests


class Replica:
    """One replica: a process that runs iterations while it has sequences.

    batch: [request, prefill iterations left, tokens left, context tokens] of each sequence.
    """

    def __init__(self, environment: simpy.Environment, engine: Engine, ttft_s: Floats) -> None:
        self.environment = environment
        self.engine = engine
        self.ttft_s = ttft_s
        self.batch: list[list[int]] = []
        self.queue: deque[list[int]] = deque()
        self.work = environment.event()
        environment.process(self._serve())

    @property
    def sequences(self) -> int:
        """Sequences running and waiting."""
        return len(self.batch) + len(self.queue)

    def accept(self, sequence: list[int]) -> None:
        """Queue a sequence, and wake the replica."""
        self.queue.append(sequence)
        if not self.work.triggered:
            self.work.succeed()

    def _serve(self) -> Iterator[Any]:
        engine = self.engine
        while True:
            while self.queue and len(self.batch) < engine.slots:
                self.batch.append(self.queue.popleft())
            if not self.batch:
                self.work = self.environment.event()
                yield self.work
                continue
            context = sum(sequence[3] for sequence in self.batch)
            yield self.environment.timeout(engine.base_s + engine.per_context_token_s * context)
            self._advance()

    def _advance(self) -> None:
        for sequence in self.batch:
            if sequence[1] > 0:
                sequence[1] -= 1
                if sequence[1] == 0:
                    self.ttft_s[sequence[0]] += self.environment.now
            else:
                sequence[2] -= 1
        self.batch = [sequence for sequence in self.batch if sequence[2] > 0]


def run_simpy(pools: Sequence[PoolEngine], requests: Requests) -> Floats:
    """TTFT of every request, in seconds. pools: shortest context window first."""
    environment = simpy.Environment()
    ttft_s = -requests.arrival_s
    fleet = [
        [Replica(environment, pool.engine, ttft_s) for _ in range(pool.replicas)] for pool in pools
    ]
    environment.process(_arrive(environment, pools, fleet, requests))
    environment.run()
    return np.asarray(ttft_s)


def _arrive(
    environment: simpy.Environment,
    pools: Sequence[PoolEngine],
    fleet: list[list[Replica]],
    requests: Requests,
) -> Iterator[Any]:
    """Each request joins the emptiest replica of the first pool that it fits."""
    columns = (column.tolist() for column in requests)
    for i, (at, prompt, output) in enumerate(zip(*columns, strict=True)):
        yield environment.timeout(at - environment.now)
        total = prompt + output
        p = next(p for p, pool in enumerate(pools) if total <= pool.max_context)
        least = min(fleet[p], key=lambda replica: replica.sequences)
        least.accept([i, -(-prompt // pools[p].engine.chunk_tokens), output, total])
