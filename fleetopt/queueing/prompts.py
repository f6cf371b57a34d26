"""The prompts of a pool that only prefills, and the time of one by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fleetopt.performance.profile import IterationTime
from fleetopt.queueing.kv_link import KvLink
from fleetopt.workload.lengths import Floats

STEPS = 20.0
"""Grid points in the mean time of a prompt by itself."""
_GRID = 1024


@dataclass(frozen=True, eq=False)
class Prompts:
    """The prompts of a pool, and what a replica does with them.

    tokens, weights: by cell.
    """

    time: IterationTime
    slots: int
    tokens: Floats
    weights: Floats
    link: KvLink

    @property
    def mean_tokens(self) -> float:
        """Tokens of a prompt."""
        return float(self.weights @ self.tokens)

    @cached_property
    def transfer_s(self) -> Floats:
        """Seconds of the transfer that are left after the prefill, by cell.

        Prompts that are prefilled at once share the line. Without compute of prefill in the
        profile, and on a line of all replicas, overlap counts for nothing: that is too careful.
        """
        if self.link.shared or (self.slots > 1 and self.time.prefill_per_token_s <= 0.0):
            return self.link.seconds(self.tokens)
        return self.link.left_s(self.tokens, self.alone_s)

    @cached_property
    def iterations(self) -> Floats:
        """Iterations of a prompt by itself, by cell."""
        time = self.time
        most = min(time.chunk_tokens, time.token_budget or time.chunk_tokens)
        counts: Floats = np.ceil(self.tokens / most)
        return counts

    @cached_property
    def alone_s(self) -> Floats:
        """Seconds of the prefill on an idle replica, by cell."""
        time, tokens = self.time, self.tokens
        most = min(time.chunk_tokens, time.token_budget or time.chunk_tokens)
        full, held = self.iterations - 1.0, tokens if time.context == "total" else tokens / 2.0
        context_s = time.base_s + time.per_context_token_s * held
        last_s = time.prefill_base_s + time.prefill_per_token_s * (tokens - full * most)
        full_s = time.prefill_base_s + time.prefill_per_token_s * most
        seconds: Floats = full * np.maximum(context_s, full_s) + np.maximum(context_s, last_s)
        return seconds

    @property
    def mean_transfer_s(self) -> float:
        """Seconds of a transfer."""
        return float(self.weights @ self.transfer_s)


def told_apart(replicas: int, utilization: float) -> int:
    """Prompts on a replica beyond which hardly any are."""
    ratio = math.log(max(utilization, 1e-3)) * replicas
    return int(min(64, max(12, math.ceil(math.log(1e-4) / ratio) + 6)))


def grid_size(seconds: Floats, step_s: float, utilization: float) -> int:
    """Grid points that hold the longest service and a long wait."""
    longest = float(seconds.max()) / step_s
    wait = 12.0 * STEPS / max(1.0 - utilization, 0.05)
    return int(2 ** math.ceil(math.log2(min(longest + wait, 4.0 * _GRID))))
