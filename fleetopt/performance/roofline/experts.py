"""Which experts a batch touches."""

from __future__ import annotations


def touched_experts(experts: int, per_token: int, tokens: float) -> float:
    """Expected number of experts that at least one of the tokens visits.

    Each token visits k of E experts, every choice as likely as any other, so that it passes an
    expert by with probability 1 - k / E: E (1 - (1 - k / E)^n). All of them, and so the weights
    of the whole model, for large batches; k for one token.
    """
    missed: float = (1.0 - per_token / experts) ** tokens
    return experts * (1.0 - missed)
