"""The link that carries the KV of prompts from where they prefill to where they decode."""

from __future__ import annotations

from dataclasses import dataclass

from fleetopt.workload.lengths import Floats


@dataclass(frozen=True, slots=True)
class KvLink:
    """Lines that send the KV of one prompt after the other, in the order in which prefills end.

    bytes_per_token: KV of one prompt token. bytes_per_s: bandwidth of a line.
    latency_s: what each transfer takes beside its bytes.
    shared: whether all replicas of the prefill pool send over one line; else each has its own.
    """

    bytes_per_token: float
    bytes_per_s: float
    latency_s: float = 0.0
    shared: bool = False

    @property
    def per_token_s(self) -> float:
        """Seconds of a line for the KV of one prompt token."""
        return self.bytes_per_token / self.bytes_per_s

    def seconds(self, prompt_tokens: Floats) -> Floats:
        """Time of a transfer, without the wait for the line."""
        return self.latency_s + self.per_token_s * prompt_tokens
