"""Measured rows as the calibration and the simulator take them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fleetopt.catalog.measurements import Measurement
from fleetopt.errors import Fault, InputError
from fleetopt.performance.calibration import Rows, decode_units, level_names, prompt_units
from fleetopt.performance.calibration.seconds import Floats
from fleetopt.performance.deployment import Deployment
from fleetopt.performance.memory import memory
from fleetopt.performance.profile import Capacity, IterationTime
from fleetopt.questions.validation.loop import Played, habit, play

CLIFF = 2.0
"""TTFT that grows more than this many times faster than the clients means waiting for slots."""
CLIFF_LEAST_S, LONG_S = 3.0, 10.0
"""Seconds of TTFT below which a cliff is none, and above which any row is saturated."""
WAITING = 0.05
"""Share of a request's time that it waits for a slot, above which the simulator flags a row."""


HELD_BACK = 0.05
"""Share of the KV that engines keep free for sequences that grow: an assumption."""


@dataclass(frozen=True, eq=False)
class Case:
    """A measured row with what first principles say of it.

    decode, fewer, prompt: units by cause of an iteration with all clients, with half of them,
    and of one prompt. kv_tokens: tokens that the replica holds.
    """

    measured: Measurement
    decode: Floats
    fewer: Floats
    prompt: Floats
    kv_tokens: int

    @classmethod
    def of(cls, row: Measurement) -> Case:
        """The case of a row. Raises InputError if it cannot be deployed so."""
        deployment = Deployment.of(row.llm, row.gpu, row.engine)
        context = row.prompt_tokens + row.output_tokens / 2
        return cls(
            row,
            decode_units(deployment, row.concurrency, context),
            decode_units(deployment, row.concurrency / 2, context),
            prompt_units(deployment, row.prompt_tokens),
            memory(deployment).kv_tokens,
        )

    @property
    def clients(self) -> int:
        """Whole clients of the replica."""
        return max(1, round(self.measured.concurrency))

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels of its constants."""
        row = self.measured
        return level_names(row.backend, row.kind, row.llm.name, row.gpu.spec.name)

    @property
    def e2e_units(self) -> Floats:
        """Units of a request: its iterations, and the prompts of all clients."""
        row = self.measured
        return np.asarray(row.output_tokens * self.decode + row.concurrency * self.prompt)

    def played(self, seconds: Floats) -> Played:
        """The simulated run, with these seconds of each unit."""
        row = self.measured
        return play(
            self.iteration(seconds),
            self.capacity,
            (row.prompt_tokens, row.output_tokens),
            self.clients,
            habit(row.backend),
        )

    @property
    def capacity(self) -> Capacity:
        """Slots and KV blocks; no request is longer than the KV."""
        row = self.measured
        block = row.engine.block_tokens
        longest = row.prompt_tokens + row.output_tokens
        blocks = max(int((1.0 - HELD_BACK) * self.kv_tokens) // block, math.ceil(longest / block))
        return Capacity(row.engine.max_num_seqs, blocks, block, longest)

    def iteration(self, seconds: Floats) -> IterationTime:
        """Coefficients around the row's batch: decodes and prompts take turns.

        h from half of the clients to all of them; an iteration with P prompt tokens takes the
        decode batch's time and P times that of a prompt token.
        """
        row = self.measured
        context = row.concurrency * (row.prompt_tokens + row.output_tokens / 2)
        whole_s, fewer_s = float(self.decode @ seconds), float(self.fewer @ seconds)
        slope = max(0.0, (whole_s - fewer_s) / (context / 2))
        budget = row.engine.token_budget
        return IterationTime(
            base_s=max(1e-6, whole_s - slope * context),
            per_context_token_s=slope,
            prefill_base_s=whole_s,
            prefill_per_token_s=float(self.prompt @ seconds) / row.prompt_tokens,
            context="current",
            chunk_tokens=budget,
            token_budget=budget + self.clients,
        )


def cases(rows: Iterable[Measurement], path: str) -> tuple[list[Case], list[Fault]]:
    """Cases of the rows that can be deployed, and the faults of the others."""
    found: list[Case] = []
    left_out: list[Fault] = []
    for row in rows:
        try:
            found.append(Case.of(row))
        except InputError as error:
            fault = error.faults[0]
            left_out.append(Fault(f"{path}, line {row.line}, {fault.place}", fault.expected))
    return found, left_out


def regression_rows(found: Sequence[Case]) -> Rows:
    """The rows of the regression."""
    return Rows.of(
        np.array([case.e2e_units for case in found]),
        np.array([case.measured.e2e_s for case in found]),
        [case.levels for case in found],
    )


def saturated(rows: Sequence[Measurement]) -> np.ndarray:
    """Which rows queue for slots, by what was measured alone.

    Prompts that wait for one another make TTFT grow in proportion to the clients at most. A row
    is saturated if its TTFT grew CLIFF times faster since the next lower concurrency of its
    configuration that was not, to at least 3 s; or if it is above 10 s.
    """
    ladders: dict[tuple[object, ...], dict[float, list[int]]] = defaultdict(dict)
    for i, row in enumerate(rows):
        ladders[row.configuration].setdefault(row.concurrency, []).append(i)
    found = np.zeros(len(rows), dtype=bool)
    for ladder in ladders.values():
        before: tuple[float, float] | None = None
        for clients, members in sorted(ladder.items()):
            ttft_s = float(np.median([rows[i].ttft_s for i in members]))
            cliff = before is not None and ttft_s > CLIFF * before[1] * clients / before[0]
            if ttft_s > LONG_S or (cliff and ttft_s > CLIFF_LEAST_S):
                found[members] = True
            else:
                before = (clients, ttft_s)
    return found
