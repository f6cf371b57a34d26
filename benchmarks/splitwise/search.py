"""The cheapest machines of some groups that keep the nine SLOs in the simulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.splitwise.fleets import LIMITS, Case, Design, judge
from benchmarks.splitwise.machines import GPUS_OF_MACHINE, USD_PER_GPU_HOUR, Counting

MARGIN = 0.99
"""Share of the SLOs that a search uses up, so that other seeds keep them too."""

Keeps = Callable[[Sequence[int]], bool]


def cheapest(case: Case, counting: Counting, shape: Design, seeds: Sequence[int]) -> Design | None:
    """From counts that suffice: take machines away, and trade one for one that is cheaper.

    More machines never hurt, so counts that miss an SLO rule out all below them. The result
    cannot lose any machine, nor any with another group gaining one if that is cheaper. None if
    the counts to begin with do not suffice.
    """
    limits = MARGIN * np.array(LIMITS)
    failed: list[tuple[int, ...]] = []

    def keeps(counts: Sequence[int]) -> bool:
        own = tuple(counts)
        if min(own) < 1 or any(all(a <= b for a, b in zip(own, f, strict=True)) for f in failed):
            return False
        found = judge(case, counting, shape.with_machines(own), seeds)
        within = bool((found.slowdowns.mean(axis=0) <= limits).all())
        if not within:
            failed.append(own)
        return within

    counts = [group.machines for group in shape.groups]
    if not keeps(counts):
        return None
    prices = [GPUS_OF_MACHINE * USD_PER_GPU_HOUR[group.gpu] for group in shape.groups]
    for k in range(len(counts)):
        counts = _bisected(counts, k, keeps)
    while True:
        better = next((c for c in _cheaper(counts, prices) if keeps(c)), None)
        if better is None:
            return shape.with_machines(counts)
        counts = better


def _bisected(counts: Sequence[int], k: int, keeps: Keeps) -> list[int]:
    """The fewest machines of group k with the others as they are."""
    low, high = 0, counts[k]
    while high - low > 1:
        middle = (low + high) // 2
        if keeps([*counts[:k], middle, *counts[k + 1 :]]):
            high = middle
        else:
            low = middle
    return [*counts[:k], high, *counts[k + 1 :]]


def _cheaper(counts: Sequence[int], prices: Sequence[float]) -> list[list[int]]:
    """Counts with one machine fewer, or with one or two moved to save money."""
    found = []
    for out in range(len(counts)):
        for inn in (None, *range(len(counts))):
            for left, right in ((1, 1), (2, 1), (1, 2)) if inn is not None else ((1, 0),):
                saves = left * prices[out] - (right * prices[inn] if inn is not None else 0.0)
                if inn == out or saves <= 1e-9:
                    continue
                moved = list(counts)
                moved[out] -= left
                if inn is not None:
                    moved[inn] += right
                found.append(moved)
    return found
