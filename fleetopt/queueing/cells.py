"""Cells: groups of similar requests, over which latencies are mixed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetopt.workload.lengths import Floats, Ints, LengthDistribution

CELLS_PER_BAND = 8
TAIL_PARTS = 10
"""Parts of a band's longest eighth by work, where work does not grow with length."""


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


def grouping(lengths: LengthDistribution, prefill: Floats, work: Floats) -> Ints:
    """Keys of the cells: bands, their parts, and each part's prefill iterations, in one number."""
    iterations = prefill.astype(np.int64)
    edges = np.searchsorted(lengths.total_tokens, lengths.breakpoints, side="right")
    ends = np.append(edges[1:-1], prefill.size)
    band = np.repeat(np.arange(ends.size), np.diff(ends, prepend=0))
    part = _parts(edges, band, work, lengths.weights)
    fine = _few_kinds(band, iterations, 4 * CELLS_PER_BAND)
    return joined(band * (CELLS_PER_BAND + TAIL_PARTS) + part, iterations * fine)


def joined(group: Ints, iterations: Ints) -> Ints:
    """Keys in order of the group, and of the iterations in each group."""
    keys: Ints = group * (int(iterations.max(initial=0)) + 1) + iterations
    return keys


def cells_of(
    per_request: dict[str, Floats], weights: Floats, keys: Ints
) -> tuple[Floats, Ints | slice, Ints]:
    """Cells of requests with equal keys; the order of the requests, and where each starts."""
    order, steps = _ordered(weights, keys)
    mine = weights[order]
    starts = np.concatenate(([0], np.flatnonzero(steps) + 1))[: mine.size]
    mass = np.add.reduceat(mine, starts) if mine.size else np.empty(0)
    rows = [mass]
    for name in ("prefill", "work", "prefill_context", "decode_context"):
        values = per_request[name][order] * mine
        rows.append(np.add.reduceat(values, starts) / mass if mine.size else mass)
    return np.stack(rows), order, starts


def _ordered(weights: Floats, keys: Ints) -> tuple[Ints | slice, Ints]:
    """The requests that there are in the order of their keys, and the steps between these.

    A slice where they stand in order already, so that nothing has to be copied.
    """
    there: Ints | slice = slice(None) if (weights > 0).all() else np.flatnonzero(weights > 0)
    steps = np.diff(keys[there])
    if not (steps < 0).any():
        return there, steps
    order = np.argsort(keys[there], kind="stable")
    order = order if isinstance(there, slice) else there[order]
    return order, np.diff(keys[order])


def _parts(edges: Ints, band: Ints, work: Floats, weights: Floats) -> Ints:
    """Which part of its band a support point is in; edges: the first point of each band.

    Parts are equal where work grows with length. Where it does not, as in a joint table, a
    band holds requests of very different work. It is cut in order of work then, and two
    parts for each halving of its last eighth keep the tail that E2E percentiles need.
    """
    if not (np.diff(work) < 0).any():
        width = np.maximum(1, np.diff(edges)[band])
        return (np.arange(band.size) - edges[band]) * CELLS_PER_BAND // width
    order = np.lexsort((work, band))
    below = np.concatenate(([0.0], np.cumsum(weights[order])))
    start, end = below[edges[band]], below[edges[band + 1]]
    left = CELLS_PER_BAND * np.maximum((end - below[:-1]) / (end - start), 1e-9)
    tail = CELLS_PER_BAND - 1 + np.minimum(-2.0 * np.log2(left), TAIL_PARTS - 1)
    part = np.empty_like(band)
    part[order] = np.where(left > 1.0, CELLS_PER_BAND - left, tail)
    return part


def _few_kinds(band: Ints, prefill: Ints, most: int) -> NDArray[np.bool_]:
    """Whether a support point's band has at most `most` different prefill iterations."""
    width = int(prefill.max()) + 1
    kinds = band * width + prefill
    if (np.diff(kinds) < 0).any():
        kinds = np.sort(kinds)
    first = np.concatenate(([0], np.flatnonzero(np.diff(kinds)) + 1))
    return np.bincount(kinds[first] // width, minlength=int(band.max()) + 1)[band] <= most
