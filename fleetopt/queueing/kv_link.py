"""The link that carries the KV of prompts from where they prefill to where they decode."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleetopt.workload.lengths import Floats


@dataclass(frozen=True, slots=True)
class KvLink:
    """Lines that send the KV of one prompt after the other, in the order in which prefills end.

    bytes_per_token: KV of one prompt token. bytes_per_s: bandwidth of a line.
    latency_s: what each transfer takes beside its bytes.
    shared: whether all replicas of the prefill pool send over one line; else each has its own.
    overlap_layers: layers whose KV is sent while the prompt is prefilled; 1 sends it afterwards.
    """

    bytes_per_token: float
    bytes_per_s: float
    latency_s: float = 0.0
    shared: bool = False
    overlap_layers: int = 1

    @property
    def per_token_s(self) -> float:
        """Seconds of a line for the KV of one prompt token."""
        return self.bytes_per_token / self.bytes_per_s

    def seconds(self, prompt_tokens: Floats) -> Floats:
        """Time of a transfer, without the wait for the line."""
        return self.latency_s + self.per_token_s * prompt_tokens

    def left_s(self, prompt_tokens: Floats, prefill_s: Floats) -> Floats:
        """What is left of a transfer when a prefill of these seconds ends, on a free line.

        Without overlap the whole of it; else max(last layer, transfer - prefill). The latency
        comes once, and the last layer has it too.
        """
        whole_s = self.seconds(prompt_tokens)
        if self.overlap_layers == 1:
            return whole_s
        last_s = self.latency_s + self.per_token_s * prompt_tokens / self.overlap_layers
        return np.maximum(last_s, whole_s - prefill_s)
