"""Cells: groups of similar requests, over which latencies are mixed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetopt.workload.lengths import Floats, Ints, LengthDistribution

CELLS_PER_BAND = 8


@dataclass(frozen=True, eq=False)
class Cells:
    """Requests of similar length and equal prefill iterations; weights sum to 1.

    prefill_iterations, work: iterations to the end of prefill, and in all.
    prefill_context_tokens, decode_context_tokens: own mean context in either phase.
    """

    weights: Floats
    prefill_iterations: Floats
    work: Floats
    prefill_context_tokens: Floats
    decode_context_tokens: Floats


def grouping(lengths: LengthDistribution, prefill: Floats) -> Ints:
    """Keys of the cells: bands, their equal parts, and each part's prefill iterations."""
    iterations = prefill.astype(np.int64)
    edges = np.searchsorted(lengths.total_tokens, lengths.breakpoints, side="right")
    band = np.searchsorted(edges[1:], np.arange(prefill.size), side="right")
    band = np.minimum(band, edges.size - 2)
    start, width = edges[band], np.maximum(1, np.diff(edges)[band])
    part = (np.arange(prefill.size) - start) * CELLS_PER_BAND // width
    fine = _few_kinds(band, iterations, 4 * CELLS_PER_BAND)
    return np.stack((np.where(fine, iterations, 0), part, band))


def cells_of(
    per_request: dict[str, Floats], weights: Floats, keys: Ints
) -> tuple[Floats, Ints, Ints]:
    """Cells of requests with equal keys; the order of the requests, and where each starts."""
    there = np.flatnonzero(weights > 0)
    order = there[np.lexsort(keys[:, there])]
    changed = np.any(np.diff(keys[:, order], axis=1) != 0, axis=0)
    starts = np.concatenate(([0], np.nonzero(changed)[0] + 1))[: order.size]
    mass = np.add.reduceat(weights[order], starts) if order.size else np.empty(0)
    rows = [mass]
    for name in ("prefill", "work", "prefill_context", "decode_context"):
        values = per_request[name][order] * weights[order]
        rows.append(np.add.reduceat(values, starts) / mass if order.size else mass)
    return np.stack(rows), order, starts


def _few_kinds(band: Ints, prefill: Ints, most: int) -> NDArray[np.bool_]:
    """Whether a support point's band has at most `most` different prefill iterations."""
    kinds = np.unique(band * (prefill.max() + 1) + prefill) // (prefill.max() + 1)
    return np.bincount(kinds, minlength=band.max() + 1)[band] <= most
