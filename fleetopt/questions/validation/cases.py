"""Measured rows as the calibration and the simulator take them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fleetopt.catalog.measurements import Measurement
from fleetopt.errors import Fault, InputError
from fleetopt.performance.calibration import (
    DECODING,
    FIRST_TOKEN,
    Rows,
    decode_units,
    first_token_names,
    level_names,
    prompt_units,
)
from fleetopt.performance.calibration.seconds import Floats
from fleetopt.performance.calibration.summary import Summary
from fleetopt.performance.deployment import Deployment
from fleetopt.performance.memory import GIB, memory
from fleetopt.performance.profile import Capacity, IterationTime
from fleetopt.questions.validation.loop import RESERVING, Habit, Played, habit, play

LEAST_MEMORY = 0.75
"""Share of a GPU's memory that an engine has at least: 0.9 is assumed, and configurations of
InferenceMAX give 0.75 to 0.95 of it, or of what weights leave."""


@dataclass(frozen=True, eq=False)
class Case:
    """A measured row with what first principles say of it.

    batch: sequences that run at once, all clients or those that the KV holds. decode, fewer,
    prompt: units by cause of an iteration with this batch, with half of it, and of one prompt.
    kv_tokens: tokens that the replica holds. least_kv_tokens: with LEAST_MEMORY.
    """

    measured: Measurement
    batch: float
    decode: Floats
    fewer: Floats
    prompt: Floats
    kv_tokens: int
    least_kv_tokens: int

    @classmethod
    def of(cls, row: Measurement) -> Case:
        """The case of a row. Raises InputError if it cannot be deployed so."""
        deployment = Deployment.of(row.llm, row.gpu, row.engine)
        context = row.prompt_tokens + row.output_tokens / 2
        held = memory(deployment)
        least = LEAST_MEMORY * row.gpu.spec.memory_gib * GIB
        batch = min(row.concurrency, max(1.0, held.kv_tokens / _held_tokens(row)))
        return cls(
            row,
            batch,
            decode_units(deployment, batch, context),
            decode_units(deployment, batch / 2, context),
            prompt_units(deployment, row.prompt_tokens),
            held.kv_tokens,
            replace(held, available=least).kv_tokens,
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
    def outside(self) -> tuple[str, ...]:
        """Levels of its first-token constants."""
        row = self.measured
        name = row.gpu.spec.name
        return first_token_names(row.backend, row.kind, row.llm.name, name, row.engine.dp)

    @property
    def token_units(self) -> Floats:
        """Units of a token: its iteration, and the prompts of other clients since the last one.

        In E2E seconds every other client sends a prompt. Clients in step all do so at the start,
        and the mean one decodes from the middle of them on.
        """
        row = self.measured
        others = max(0.0, row.concurrency - 1.0)
        step = _habit(row).rounds == 1
        prompts = others / 2 / row.output_tokens if step else others * row.tpot_s / row.e2e_s
        return np.asarray(self.decode + prompts * self.prompt)

    @property
    def fullness(self) -> float:
        """KV that all clients would hold at once, over what the replica surely has."""
        row = self.measured
        return row.concurrency * _held_tokens(row) / max(1, self.least_kv_tokens)

    def played(self, seconds: Floats) -> Played:
        """The simulated run, with these seconds of each unit."""
        row = self.measured
        return play(
            self.iteration(seconds),
            self.capacity,
            (row.prompt_tokens, row.output_tokens),
            self.clients,
            _habit(row),
            _grows(row),
        )

    @property
    def capacity(self) -> Capacity:
        """Slots and KV blocks; no request is longer than the KV."""
        row = self.measured
        block = row.engine.block_tokens
        longest = row.prompt_tokens + row.output_tokens
        blocks = max(self.kv_tokens // block, math.ceil(longest / block))
        return Capacity(row.engine.max_num_seqs, blocks, block, longest)

    def iteration(self, seconds: Floats) -> IterationTime:
        """Coefficients around the row's batch: decodes and prompts take turns.

        h from half of the clients to all of them; an iteration with P prompt tokens takes the
        decode batch's time and P times that of a prompt token.
        """
        row = self.measured
        context = self.batch * (row.prompt_tokens + row.output_tokens / 2)
        whole_s, fewer_s = float(self.decode @ seconds), float(self.fewer @ seconds)
        slope = max(0.0, (whole_s - fewer_s) / (context / 2))
        return IterationTime(
            base_s=max(1e-6, whole_s - slope * context),
            per_context_token_s=slope,
            prefill_base_s=whole_s,
            prefill_per_token_s=float(self.prompt @ seconds) / row.prompt_tokens,
            context="current",
            chunk_tokens=row.engine.token_budget // row.engine.dp,
            token_budget=row.engine.token_budget + self.clients,
        )


def _habit(row: Measurement) -> Habit:
    return habit(row.backend, (row.prompt_tokens, row.output_tokens))


def _grows(row: Measurement) -> bool:
    return row.backend not in RESERVING


def _held_tokens(row: Measurement) -> float:
    """Tokens of KV that a sequence of mean lengths holds on average."""
    held = row.prompt_tokens + row.output_tokens * (0.5 if _grows(row) else 1.0)
    return _habit(row).mean * held


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


def decoding_rows(found: Sequence[Case], known: Sequence[Summary] = ()) -> Rows:
    """The rows that TPOT gives, and other groups."""
    return Rows.of(
        DECODING,
        np.array([case.token_units for case in found]),
        np.array([case.measured.tpot_s for case in found]),
        [case.levels for case in found],
        known,
    )


def first_token_rows(
    found: Sequence[Case], played: Sequence[Played], known: Sequence[Summary] = ()
) -> Rows:
    """The rows that TTFT gives beside simulated runs, and other groups."""
    units = [
        (1.0, run.ttft_s, run.tpot_s, case.measured.prompt_tokens)
        for case, run in zip(found, played, strict=True)
    ]
    return Rows.of(
        FIRST_TOKEN,
        np.array(units),
        np.array([case.measured.ttft_s for case in found]),
        [case.outside for case in found],
        known,
    )
