"""DGX machines that serve BLOOM-176B, as they were measured and as Splitwise's simulator counts.

Source: P. Patel et al., arXiv:2311.18677, and github.com/Mutinifni/splitwise-sim (MIT License,
Copyright (c) 2024 Pratyush Patel): data/perf_model.csv, performance_model.py, notebooks/utils.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fleetopt.catalog import read_measured_profiles
from fleetopt.performance.coefficient import profile_of
from fleetopt.performance.profile import Capacity, IterationTime
from fleetopt.simulation.records import Floats, Ints
from fleetopt.simulation.slowdown import Alone

Gpu = Literal["a100", "h100"]
Counting = Literal["measured", "simulator"]
GPUS_OF_MACHINE = 8
USD_PER_GPU_HOUR: dict[Gpu, float] = {"h100": 4.76, "a100": 2.21}
KW: dict[Gpu, float] = {"h100": 44.0, "a100": 24.8}
"""Power of a machine relative to each other."""
LAYERS = 70
KV_BYTES_PER_TOKEN = LAYERS * 14_336 * 2 * 2
"""Keys and values of 112 heads in 16 bits: BLOOM shares none between heads."""
_SIMULATOR_KV_TOKENS = int((8 * 80 * 2**30 - 329e9) / KV_BYTES_PER_TOKEN)
_SIMULATOR_SEQUENCES = 512
_SIMULATOR_BYTES_PER_S = 200 * 2**30
_BYTES_PER_S: dict[Gpu, float] = {"a100": 200e9, "h100": 400e9}
"""InfiniBand of a machine: 8 links of 200 or 400 Gb/s."""
_WHOLE_CONTEXT = 16_384

_TOKENS = (128, 256, 512, 1024, 2048, 4096, 8192)
_PROMPT_MS: dict[Gpu, tuple[float, ...]] = {
    "a100": (79.7, 99.2, 174.4, 287.5, 536.1, 1332.6, 3591.5),
    "h100": (48.3, 51.2, 76.1, 132.2, 252.0, 649.6, 1411.6),
}
"""Median prefill of so many prompt tokens, whatever the prompts of the batch."""
_TOKEN_MS: dict[Gpu, tuple[float, ...]] = {
    "a100": (47.6, 47.7, 49.3, 49.4, 50.2, 51.6, 54.3),
    "h100": (35.7, 36.2, 36.2, 36.3, 36.7, 37.5, 39.0),
}
"""Median time of a token where the batch holds so many prompt tokens."""


@dataclass(frozen=True)
class Machines:
    """Machines of both kinds under one way of counting, for prompts of a trace.

    counting: "measured" takes iterations of W + h C from the fitted profiles and their KV;
        "simulator" the time of a token without context, and the KV and the sequences that
        Splitwise's simulator allows.
    Both take a prompt token so long that the trace's prompts take as long as measured on average:
    the fitted time is that of prompts up to 2,048 tokens, and longer ones take more for each.
    """

    counting: Counting
    prompt_tokens: Ints

    def iteration(self, gpu: Gpu) -> IterationTime:
        """Coefficients of a machine."""
        time = profile_of(read_measured_profiles()[f"splitwise-{gpu}-bloom-176b"]).iteration
        iterations = float(np.ceil(self.prompt_tokens / time.chunk_tokens).mean())
        tokens_s = prefill_s(gpu, self.prompt_tokens).mean() - iterations * time.prefill_base_s
        per_token_s = float(tokens_s / self.prompt_tokens.mean())
        time = replace(time, prefill_per_token_s=per_token_s)
        if self.counting == "simulator":
            base_s = float(token_s(gpu, np.array([32]))[0])
            return replace(time, base_s=base_s, per_context_token_s=0.0)
        return time

    def capacity(self, gpu: Gpu, max_context: int = _WHOLE_CONTEXT) -> Capacity:
        """Sequences and KV blocks of a machine."""
        if self.counting == "simulator":
            return Capacity(_SIMULATOR_SEQUENCES, _SIMULATOR_KV_TOKENS // 16, 16, max_context)
        profile = profile_of(read_measured_profiles()[f"splitwise-{gpu}-bloom-176b"])
        return profile.paged(max_context, profile.max_num_seqs or _SIMULATOR_SEQUENCES)

    def bytes_per_s(self, *ends: Gpu) -> float:
        """Bandwidth between two machines, that of the slower one."""
        if self.counting == "simulator":
            return float(_SIMULATOR_BYTES_PER_S)
        return min(_BYTES_PER_S[gpu] for gpu in ends)

    @property
    def overlap_layers(self) -> int:
        """Splitwise sends layer by layer; its simulator sends after the prefill."""
        return LAYERS if self.counting == "measured" else 1


def alone(prompt_tokens: Ints) -> Alone:
    """The uncontended A100 that every latency is held against, by the measured medians."""
    return Alone(prefill_s("a100", prompt_tokens), token_s("a100", prompt_tokens))


def prefill_s(gpu: Gpu, tokens: Ints) -> Floats:
    """Seconds of a prefill, on straight lines through the measured medians."""
    return _through(_PROMPT_MS[gpu], tokens)


def token_s(gpu: Gpu, tokens: Ints) -> Floats:
    """Seconds of a token where so many tokens are in the batch, likewise."""
    return _through(_TOKEN_MS[gpu], tokens)


def _through(values_ms: tuple[float, ...], tokens: Ints) -> Floats:
    """On straight lines, of which the first and the last go on."""
    x, y = np.array(_TOKENS, dtype=np.float64), np.array(values_ms)
    k = np.clip(np.searchsorted(x, tokens) - 1, 0, x.size - 2)
    slope = (y[k + 1] - y[k]) / (x[k + 1] - x[k])
    return np.asarray((y[k] + slope * (tokens - x[k])) / 1000.0)
