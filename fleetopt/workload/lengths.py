"""Length distributions: exact moments and quadrature atoms, never samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fleetopt.workload.compression import Node, Served, reach

if TYPE_CHECKING:
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
        if not density.all():
            total, density = total[density > 0], density[density > 0]
        return cls.from_totals(
            total, density, lengths.prompt_fraction, tuple(int(t) for t in tokens)
        )

    @classmethod
    def from_totals(
        cls, total: Ints, weights: Floats, prompt_fraction: float, breakpoints: tuple[int, ...]
    ) -> LengthDistribution:
        """Total lengths split by a fixed prompt fraction; both parts are at least 1 token."""
        exact = prompt_fraction * total
        exact += 1e-9
        prompt = exact.astype(np.int64)  # rounds down
        np.maximum(1, prompt, out=prompt)
        output = total - prompt
        np.maximum(1, output, out=output)
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
        sums = np.zeros(self.weights.size + 1)
        np.cumsum(self.weights, out=sums[1:])
        return sums

    def index(self, tokens: float) -> int:
        """How many support points have at most `tokens` total tokens."""
        return int(np.searchsorted(self.total_tokens, tokens, side="right"))

    def share(self, lo: float, hi: float) -> float:
        """Probability of a total length in (lo, hi]."""
        return float(self.cumulative[self.index(hi)] - self.cumulative[self.index(lo)])

    def mean(self, values: Floats | Ints) -> float:
        """Expectation of a function given by its values on the support."""
        return float(self.weights @ values)

    def within(self, lo: int, hi: int) -> LengthDistribution:
        """The distribution of requests with total length in (lo, hi], renormalized.

        Raises ValueError if there are none.
        """
        return self.served(Served(lo, hi))[0]

    def compressible(self, to_tokens: int, gamma: float) -> tuple[slice, NDArray[np.bool_]]:
        """Support points in (t, gamma t], and which of them can be cut to t tokens.

        A request can be cut if its output leaves room for a token of the prompt.
        """
        part = slice(self.index(to_tokens), self.index(reach(to_tokens, gamma)))
        return part, self.output_tokens[part] < to_tokens

    def compressed(self, to_tokens: int, gamma: float) -> tuple[Ints, Floats]:
        """Outputs of the requests in (t, gamma t] that can be cut to t, and their weights."""
        part, fits = self.compressible(to_tokens, gamma)
        outputs, kinds = np.unique(self.output_tokens[part][fits], return_inverse=True)
        weights = np.bincount(kinds, self.weights[part][fits], outputs.size)
        return outputs, weights.astype(np.float64)

    def served(self, what: Served) -> tuple[LengthDistribution, float]:
        """The distribution of a pool's requests, and their share of all requests.

        Compressed requests count with what is left of them: the total length of the pool's
        upper end, their own output. Raises ValueError if there are no requests.
        """
        own = slice(self.index(what.lo_tokens), self.index(what.hi_tokens))
        kept = self.weights[own].copy()
        _, leaves = self.compressible(what.lo_tokens, what.gamma_lo)
        kept[: leaves.size][leaves] *= 1.0 - what.compressible_share
        outputs, weights = self.compressed(what.hi_tokens, what.gamma_hi)
        output = np.concatenate((self.output_tokens[own], outputs))
        prompt = np.concatenate((self.prompt_tokens[own], what.hi_tokens - outputs))
        weights = np.concatenate((kept, what.compressible_share * weights))
        share = float(weights.sum())
        if not share > 0:
            where = f"({what.lo_tokens}, {what.hi_tokens}]"
            raise ValueError(f"no requests have a total length in {where}")
        there = weights > 0
        inner = tuple(t for t in self.breakpoints if what.lo_tokens <= t <= what.hi_tokens)
        return LengthDistribution(
            (prompt + output)[there],
            prompt[there],
            output[there],
            weights[there] / share,
            inner,
        ), share

    def served_share(self, what: Served) -> float:
        """The share of all requests that a pool serves."""
        (below_lo, moves_lo), (below_hi, moves_hi) = (self._shares_at(n) for n in what.nodes)
        return below_hi - below_lo + what.compressible_share * (moves_hi - moves_lo)

    def _shares_at(self, node: Node) -> tuple[float, float]:
        """Shares of all requests: those below a node, and those that can be compressed to it."""
        known = self._known_shares
        if node not in known:
            part, fits = self.compressible(*node)
            below = float(self.cumulative[self.index(node[0])])
            known[node] = below, float(self.weights[part][fits].sum())
        return known[node]

    @cached_property
    def _known_shares(self) -> dict[Node, tuple[float, float]]:
        return {}

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
