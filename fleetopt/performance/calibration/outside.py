"""What clients wait for a first token beyond the engine's iterations."""

from __future__ import annotations

from typing import NamedTuple


class FirstToken(NamedTuple):
    """TTFT as clients see it: outside + factor simulated + iterations + prompt tokens.

    outside_s: tokenizing, the network and the client. factor: prompts that run slower than decodes
    tell. iterations: pass before the engine polls, balances its groups or sends a token.
    per_token_s: seconds of each prompt token, such as to tokenize and to send it.
    """

    outside_s: float = 0.0
    factor: float = 1.0
    iterations: float = 0.0
    per_token_s: float = 0.0

    def beyond_s(self, iteration_s: float, prompt_tokens: float) -> float:
        """Seconds outside of the replica."""
        waited_s = self.outside_s + self.iterations * iteration_s
        return waited_s + self.per_token_s * prompt_tokens

    def seconds(
        self, simulated_s: float, iteration_s: float, prompt_tokens: float, wait_s: float = 0.0
    ) -> float:
        """TTFT, from the simulated one and the time of an iteration.

        wait_s: of the simulated one, before admission; the factor is that of prompts alone.
        """
        inside_s = wait_s + self.factor * (simulated_s - wait_s)
        return inside_s + self.beyond_s(iteration_s, prompt_tokens)


AT_ONCE = FirstToken()
"""Clients that wait for nothing but the replica."""
