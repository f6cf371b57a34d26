"""Length distributions: exact moments and quadrature atoms, never samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fleetopt.problem import LengthCdf

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LengthDistribution:
    """A finite distribution of requests over (prompt, output) token counts.

    Support points are in ascending order of total length, of which several points may have
    the same; sums over the support are exact.

    total_tokens, prompt_tokens, output_tokens: arrays of the support, in tokens.
    weights: probability of each support point; they sum to 1.
    breakpoints: ascending total lengths 0 = t_0 < ... < t_m at which a fleet may split.
    """

    total_tokens: Ints
    prompt_tokens: Ints
    output_tokens: Ints
    weights: Floats
    breakpoints: tuple[int, ...]
    clipped_share: float = 0.0

    @classmethod
    def from_cdf(cls, lengths: LengthCdf) -> LengthDistribution:
        """The distribution of a length file.

        Mass is uniform between its points, unless a joint table says where it is.
        """
        if lengths.joint is not None:
            prompt, output, counts = np.array(lengths.joint.pairs, dtype=np.int64).T
            return cls.from_pairs(prompt, output, counts, (0, *(t for t, _ in lengths.cdf)))
        tokens = np.array([0, *(t for t, _ in lengths.cdf)], dtype=np.int64)
        fractions = np.array([0.0, *(f for _, f in lengths.cdf)])
        fractions[-1] = 1.0
        width = np.diff(tokens)
        density = np.repeat(np.diff(fractions) / width, width)
        total = np.arange(1, tokens[-1] + 1, dtype=np.int64)
        keep = density > 0
        return cls.from_totals(
            total[keep], density[keep], lengths.prompt_fraction, tuple(int(t) for t in tokens)
        )

    @classmethod
    def from_totals(
        cls, total: Ints, weights: Floats, prompt_fraction: float, breakpoints: tuple[int, ...]
    ) -> LengthDistribution:
        """Total lengths split by a fixed prompt fraction; both parts are at least 1 token."""
        prompt = np.maximum(1, np.floor(prompt_fraction * total + 1e-9).astype(np.int64))
        output = np.maximum(1, total - prompt)
        return cls(prompt + output, prompt, output, weights / weights.sum(), breakpoints)

    @classmethod
    def from_pairs(
        cls, prompt: Ints, output: Ints, counts: Ints | Floats, breakpoints: tuple[int, ...]
    ) -> LengthDistribution:
        """Requests counted by prompt and output tokens; several pairs may share a total length."""
        order = np.lexsort((prompt, prompt + output))
        prompt, output, weights = prompt[order], output[order], counts[order] / counts.sum()
        return cls(prompt + output, prompt, output, weights, breakpoints)

    @cached_property
    def cumulative(self) -> Floats:
        """Sums of weights before each support point, with the total at the end."""
        return np.concatenate(([0.0], np.cumsum(self.weights)))

    def index(self, tokens: float) -> int:
        """How many support points have at most `tokens` total tokens."""
        return int(np.searchsorted(self.total_tokens, tokens, side="right"))

    def share(self, lo: float, hi: float) -> float:
        """Probability of a total length in (lo, hi]."""
        return float(self.cumulative[self.index(hi)] - self.cumulative[self.index(lo)])

    def mean(self, values: Floats | Ints) -> float:
        """Expectation of a function given by its values on the support."""
        return float(self.weights @ values)

    def within(self, lo: float, hi: float) -> LengthDistribution:
        """The distribution of requests with total length in (lo, hi], renormalized.

        Raises ValueError if there are none.
        """
        first, last = self.index(lo), self.index(hi)
        weights = self.weights[first:last]
        if not weights.sum() > 0:
            raise ValueError(f"no requests have a total length in ({lo}, {hi}]")
        part = slice(first, last)
        inner = tuple(t for t in self.breakpoints if lo <= t <= hi)
        return LengthDistribution(
            self.total_tokens[part],
            self.prompt_tokens[part],
            self.output_tokens[part],
            weights / weights.sum(),
            inner,
        )

    def clipped(self, max_context: int) -> LengthDistribution:
        """Lengths beyond `max_context` cut to it, their prompt share kept."""
        last = self.index(max_context)
        share = float(self.cumulative[-1] - self.cumulative[last])
        if share <= 0:
            return self.with_last_breakpoint(max_context)
        beyond = slice(last, None)
        prompt_share = self.prompt_tokens[beyond] / self.total_tokens[beyond]
        prompt = np.clip(np.floor(prompt_share * max_context + 0.5), 1, max_context - 1)
        kept = np.unique(prompt.astype(np.int64), return_inverse=True)
        clipped_weights = np.bincount(kept[1], weights=self.weights[beyond])
        whole = self.with_last_breakpoint(max_context).breakpoints
        return LengthDistribution(
            np.concatenate((self.total_tokens[:last], np.full(kept[0].size, max_context))),
            np.concatenate((self.prompt_tokens[:last], kept[0])),
            np.concatenate((self.output_tokens[:last], max_context - kept[0])),
            np.concatenate((self.weights[:last], clipped_weights)),
            whole,
            clipped_share=share,
        )

    def with_last_breakpoint(self, max_context: int) -> LengthDistribution:
        """The same requests with the breakpoints ending at `max_context`."""
        inner = tuple(t for t in self.breakpoints if t < max_context)
        return replace(self, breakpoints=(*inner, max_context))

    def split_at(self, tokens: Sequence[int]) -> LengthDistribution:
        """The same requests with these breakpoints as well."""
        return replace(self, breakpoints=tuple(sorted({*self.breakpoints, *tokens})))

    def sample(self, rng: np.random.Generator, size: int) -> Ints:
        """Indices of `size` support points drawn at random."""
        return np.searchsorted(self.cumulative[1:-1], rng.random(size), side="right")


def merged_breakpoints(
    lengths: LengthDistribution, wanted: Sequence[int], max_context: int
) -> tuple[int, ...]:
    """Split points 0 = t_0 < ... < t_m without bands that carry no traffic."""
    points = [0]
    for tokens in sorted({t for t in wanted if 0 < t < max_context}):
        if lengths.share(points[-1], tokens) > 0 and lengths.share(tokens, max_context) > 0:
            points.append(tokens)
    return (*points, max_context)
