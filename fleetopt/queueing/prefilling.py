"""Prompts and outputs of a pool as an iteration sees them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fleetopt.performance.profile import IterationTime
from fleetopt.queueing.load import Load
from fleetopt.workload.lengths import Floats


@dataclass(frozen=True, eq=False)
class Prefilling:
    """Requests as the chain sees them.

    prompts, outputs, weights: prompt and output tokens by cell, and the share of each.
    pieces, piece_weights: tokens that one prompt adds to the backlog at a time, with how many
        of them a request brings on average; whole prompts, unless `chunk_tokens` is less than
        the budget: then a prompt adds a chunk an iteration.
    context_tokens: mean context of a decoding sequence.
    mean_output: tokens, one for every decode iteration.
    """

    time: IterationTime
    prompts: Floats
    outputs: Floats
    weights: Floats
    pieces: Floats
    piece_weights: Floats
    context_tokens: float
    mean_output: float

    @classmethod
    def of(cls, load: Load, time: IterationTime) -> Prefilling:
        """The prompts of a pool; contexts count at their current length."""
        cells = load.cells
        prompts = 2.0 * cells.prefill_context_tokens
        outputs = cells.work - cells.prefill_iterations
        mean = float(cells.weights @ outputs)
        context = float((cells.weights * outputs) @ cells.decode_context_tokens) / mean
        pieces, shares = prompts, cells.weights
        if not 0 < time.token_budget <= time.chunk_tokens:
            whole = np.ceil(prompts / time.chunk_tokens) - 1.0
            chunks = np.array([float(time.chunk_tokens)])
            pieces = np.concatenate((prompts - whole * time.chunk_tokens, chunks))
            shares = np.append(cells.weights, cells.weights @ whole)
        return cls(time, prompts, outputs, cells.weights, pieces, shares, context, mean)

    @property
    def mean_prompt(self) -> float:
        """Prompt tokens of a request."""
        return float(self.piece_weights @ self.pieces)

    def decode_s(self, active: float) -> float:
        """D: seconds of an iteration of this many sequences without prompts."""
        return self.time.base_s + self.time.per_context_token_s * self.context_tokens * active

    def budget(self, active: float) -> float:
        """b: prompt tokens that an iteration takes beside this many sequences, at least 1."""
        if self.time.token_budget == 0:
            return math.inf
        return max(1.0, self.time.token_budget - active)

    def seconds(self, decode_s: float, prompt_tokens: Floats) -> Floats:
        """Iteration time with this many prompt tokens."""
        time = self.time
        prefill = time.prefill_base_s + time.prefill_per_token_s * prompt_tokens
        return np.where(prompt_tokens > 0, np.maximum(decode_s, prefill), decode_s)
