"""The published rule for prefill and decode apart, and what it takes when the prompt is counted.

A phase asks a replica for v iterations a request, during which a sequence holds C tokens. A
replica with all its s slots busy serves

    alpha s / (W E[v] + h s E[v C])   requests per second,

with alpha the share that is left beside the transfer of KV (AIConfigurator, arXiv:2601.06288).
The published rule puts one request of mean lengths there: prefill takes one iteration more
than its chunks, for the first token, and decode holds its output alone, as if the prompt had
stayed behind. The others here are exact sums over the lengths, and decode holds the prompt
and on average half of the output.

These are mean rates of full replicas. They say nothing of waiting, nor of percentiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fleetopt.performance.profile import CalibratedProfile, IterationTime
from fleetopt.workload.lengths import LengthDistribution

ALPHA_PREFILL, ALPHA_DECODE = 0.90, 0.92
"""Shares of a replica's rate that each phase keeps."""
BETA_TTFT = 1.80
"""Factor of the TTFT for the transfer of KV."""
INPUT_SHARE = 0.75
"""Share of the mean total length that is taken for the prompt."""


@dataclass(frozen=True, slots=True)
class PhaseLoad:
    """What one request asks of a phase.

    work: E[v], iterations. context_work: E[v C], iterations times context tokens.
    """

    work: float
    context_work: float

    @classmethod
    def published_prefill(cls, mean_prompt_tokens: float, chunk_tokens: int) -> PhaseLoad:
        """A prompt of the mean length, and one iteration for its first token."""
        work = math.ceil(int(mean_prompt_tokens) / chunk_tokens) + 1
        return cls(work, work * (int(mean_prompt_tokens) + 1))

    @classmethod
    def published_decode(cls, mean_output_tokens: float) -> PhaseLoad:
        """An output of the mean length after a prompt of one token."""
        work = 1 + int(mean_output_tokens)
        return cls(work, work * work)

    @classmethod
    def prefill(cls, lengths: LengthDistribution, chunk_tokens: int) -> PhaseLoad:
        """All prompts, an iteration for each chunk, each prompt held as a whole."""
        chunks = -(-lengths.prompt_tokens // chunk_tokens)
        return cls(lengths.mean(chunks), lengths.mean(chunks * lengths.prompt_tokens))

    @classmethod
    def decode(cls, lengths: LengthDistribution) -> PhaseLoad:
        """All outputs, each token with its prompt and the output so far."""
        output = lengths.output_tokens
        held = lengths.prompt_tokens + output / 2
        return cls(lengths.mean(output), lengths.mean(output * held))

    def rate(self, iteration: IterationTime, slots: int, alpha: float) -> float:
        """Requests per second of one replica with every slot busy."""
        base_s = iteration.base_s * self.work
        return alpha * slots / (base_s + iteration.per_context_token_s * slots * self.context_work)


def ttft_s(profile: CalibratedProfile, max_context: int, mean_prompt_tokens: float,
           beta: float = BETA_TTFT) -> float:  # fmt: skip
    """The published TTFT in seconds: the chunks of a mean prompt in a full batch, times beta."""
    chunks = math.ceil(mean_prompt_tokens / profile.iteration.chunk_tokens)
    return beta * chunks * tpot_s(profile, max_context)


def tpot_s(profile: CalibratedProfile, max_context: int) -> float:
    """The published TPOT in seconds: an iteration of a full batch of the calibration's context."""
    context = profile.spec.calibration_context_tokens
    return profile.iteration.seconds(profile.reserved(max_context).slots * context)


def mean_lengths(edges: tuple[tuple[int, float], ...]) -> tuple[int, int]:
    """Prompt and output tokens of the mean of the upper bin edges, as published.

    edges: points of the CDF, (tokens, share of the requests with at most that many).
    """
    shares = [share for _, share in edges]
    before = [0.0, *shares[:-1]]
    mean = sum(t * (f - b) for (t, f), b in zip(edges, before, strict=True))
    return int(INPUT_SHARE * mean), int((1.0 - INPUT_SHARE) * mean)
