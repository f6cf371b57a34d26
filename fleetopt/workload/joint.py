"""Joint tables of prompt and output tokens, and the points at which a fleet may split."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from fleetopt.problem import MAX_TOKENS, JointLengths
from fleetopt.workload.lengths import Ints
from fleetopt.workload.traces import Trace

MOST_PAIRS = 20_000
"""Different (prompt, output) pairs up to which a joint table is exact."""
MOST_POINTS = 20
"""Points of a distribution of total lengths."""
Pairs = tuple[Ints, Ints, Ints]
"""Prompt tokens, output tokens and requests of different pairs."""
_BINS_PER_DOUBLING = (64, 32, 16, 8, 4, 2, 1)
_LEAST_LIMIT = 6
"""Exponent of the smallest token count that bins may begin at."""
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)


def joint_lengths(trace: Trace, most: int = MOST_PAIRS) -> JointLengths:
    """The joint table of prompt and output tokens.

    Exact with at most `most` different pairs. Else token counts above a limit stand at the
    mean of their bin, with as many bins for each doubling, and then as large a limit, as
    leave at most that many pairs.
    """
    ones = np.ones(len(trace), dtype=np.int64)
    exact = _counted(trace.prompt_tokens, trace.output_tokens, ones)
    if exact[0].size <= most:
        return _table(exact)
    largest = int(max(exact[0].max(), exact[1].max())).bit_length() - 1
    exponents = range(max(largest, _LEAST_LIMIT), _LEAST_LIMIT - 1, -1)
    bins = next(
        (n for n in _BINS_PER_DOUBLING if _binned(exact, 2**_LEAST_LIMIT, n)[0].size <= most),
        _BINS_PER_DOUBLING[-1],
    )
    # Fewer pairs are left the smaller the limit is, so the first that fits is the largest.
    fits = bisect_left(exponents, True, key=lambda k: _binned(exact, 2**k, bins)[0].size <= most)
    limit = 2 ** exponents[min(fits, len(exponents) - 1)]
    return _table(_binned(exact, limit, bins), limit, bins)


def points(total: Ints, counts: Ints) -> tuple[tuple[int, float], ...]:
    """At most 20 points of a distribution: powers of two, quantiles and the longest length."""
    order = np.argsort(total, kind="stable")
    total, below = total[order], np.cumsum(counts[order])
    longest = int(total[-1])
    powers = [2**k for k in range(5, longest.bit_length()) if total[0] <= 2**k < longest]
    at = np.searchsorted(below, np.array(_QUANTILES) * below[-1], side="left")
    quantiles = [int(total[i]) for i in at if total[i] < longest]
    spare = MOST_POINTS - 1 - len(set(quantiles) - set(powers))
    chosen = sorted({*powers[max(0, len(powers) - spare) :], *quantiles, longest})
    counted = below[np.searchsorted(total, chosen, side="right") - 1]
    return tuple(zip(chosen, (counted / below[-1]).tolist(), strict=True))


def _table(pairs: Pairs, limit: int | None = None, bins: int | None = None) -> JointLengths:
    triples = zip(*(column.tolist() for column in pairs), strict=True)
    return JointLengths(binned_above=limit, bins_per_doubling=bins, pairs=tuple(triples))


def _counted(prompt: Ints, output: Ints, counts: Ints) -> Pairs:
    """Each different pair once, ascending."""
    pairs, kinds = np.unique(prompt * (MAX_TOKENS + 1) + output, return_inverse=True)
    requests = np.bincount(kinds, weights=counts).astype(np.int64)
    return pairs // (MAX_TOKENS + 1), pairs % (MAX_TOKENS + 1), requests


def _binned(pairs: Pairs, limit: int, bins: int) -> Pairs:
    """The pairs with token counts above `limit` at the means of their bins."""
    prompt, output, counts = pairs
    prompt, output = (_at_means(part, counts, limit, bins) for part in (prompt, output))
    return _counted(prompt, output, counts)


def _at_means(tokens: Ints, counts: Ints, limit: int, bins: int) -> Ints:
    bin_of = np.ceil(np.log2(np.maximum(tokens, limit) / limit) * bins).astype(np.int64)
    means = np.bincount(bin_of, tokens * counts) / np.maximum(np.bincount(bin_of, counts), 1)
    return np.where(tokens > limit, np.rint(means[bin_of]).astype(np.int64), tokens)
