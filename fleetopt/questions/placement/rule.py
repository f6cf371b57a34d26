"""AIConfigurator's rule: mean rates of both phases, matched by their numbers.

Per GPU it maximizes min(0.90 p R_p, 0.92 d R_d) over p prefill and d decode replicas. R_p is that
of one prompt after the other, and its TTFT 1.8 times the prefill; R_d is that of the largest batch
whose iteration keeps the bound on TPOT. Both are at mean lengths.

Source: T. Xu et al., AIConfigurator (arXiv:2601.06288).
"""

from __future__ import annotations

from dataclasses import dataclass

from fleetopt.performance.profile import Capacity, ReplicaProfile
from fleetopt.queueing.published_phases import ALPHA_DECODE, ALPHA_PREFILL, BETA_TTFT
from fleetopt.workload.lengths import LengthDistribution


@dataclass(frozen=True)
class MeanRequest:
    """A request of mean lengths, in tokens."""

    prompt_tokens: float
    output_tokens: float

    @classmethod
    def of(cls, lengths: LengthDistribution) -> MeanRequest:
        """Of a distribution."""
        return cls(lengths.mean(lengths.prompt_tokens), lengths.mean(lengths.output_tokens))

    @property
    def context_tokens(self) -> float:
        """What it holds while it decodes, on average."""
        return self.prompt_tokens + self.output_tokens / 2.0

    def prefill_rate(self, profile: ReplicaProfile, ttft_s: float) -> float:
        """R_p with its share, requests per second; 0 where 1.8 prefills miss the bound."""
        time, left, seconds = profile.iteration, self.prompt_tokens, 0.0
        while left > 0.0:
            tokens = min(left, float(min(time.chunk_tokens, time.token_budget or 10**9)))
            seconds += time.seconds(self.prompt_tokens, tokens)
            left -= tokens
        return ALPHA_PREFILL / seconds if BETA_TTFT * seconds <= ttft_s else 0.0

    def decode_rate(self, profile: ReplicaProfile, capacity: Capacity, tpot_s: float) -> float:
        """R_d with its share, requests per second; 0 where one sequence misses the bound."""
        time = profile.iteration
        per_sequence_s = time.per_context_token_s * self.context_tokens
        most = capacity.batch(self.prompt_tokens + self.output_tokens)
        batch = int(min(most, (tpot_s - time.base_s) / per_sequence_s if per_sequence_s else most))
        if batch < 1:
            return 0.0
        return (
            ALPHA_DECODE * batch / (self.output_tokens * time.seconds(batch * self.context_tokens))
        )
