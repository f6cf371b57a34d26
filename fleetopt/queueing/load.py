"""What a mix of requests asks of a pool: work, context, and the cells latencies are mixed over."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleetopt.performance.profile import IterationTime
from fleetopt.workload.lengths import Floats, Ints, LengthDistribution

CELLS_PER_BAND = 8
PARTS_PER_HALVING = 2
"""Parts of a band, in order of work, before half of what is left is beyond them."""
TAIL_PARTS = 16
"""Parts of a band where work does not grow with length."""


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


class Moments(NamedTuple):
    """Mean, variance and third central moment, in tokens and their powers."""

    mean: Any
    variance: Any
    third: Any

    @classmethod
    def of_raw(cls, first: Any, second: Any, third: Any) -> Moments:
        """From the first three raw moments; numbers or arrays."""
        variance = np.maximum(second - first**2, 0.0)
        return cls(first, variance, third - 3.0 * first * second + 2.0 * first**3)

    def raw(self) -> tuple[Any, Any, Any]:
        """The first three raw moments."""
        second = self.variance + self.mean**2
        return self.mean, second, self.third + 3.0 * self.mean * second - 2.0 * self.mean**3


@dataclass(frozen=True, slots=True)
class ClassLoad:
    """One class of a mix: its share of the requests, mean work, and context moments.

    The moments are those of an active sequence's context, weighted by work.
    """

    share: float
    mean_work: float
    context: Moments


@dataclass(frozen=True, eq=False)
class Load:
    """The requests of one pool, as the queueing formulas see them.

    arrival_rate: requests per second.
    mean_work, cv2_work: E[v] in iterations, and the squared coefficient of variation of v.
    context: moments of the context of an active sequence; its mean is Lbar, its variance V.
    classes: the rest, and the long requests (L > hi / 2).
    """

    arrival_rate: float
    mean_work: float
    cv2_work: float
    context: Moments
    classes: tuple[ClassLoad, ClassLoad]
    cells: Cells

    @property
    def offered_work(self) -> float:
        """Iterations per second that arrive."""
        return self.arrival_rate * self.mean_work


@lru_cache(maxsize=32)
def load_table(lengths: LengthDistribution, iteration: IterationTime) -> LoadTable:
    """The load table of a workload on an iteration time, made once."""
    return LoadTable(lengths, iteration)


class LoadTable:
    """Loads of every range of lengths of one workload on one iteration time, by prefix sums."""

    def __init__(self, lengths: LengthDistribution, iteration: IterationTime) -> None:
        self._lengths = lengths
        prefill = -(-lengths.prompt_tokens // iteration.chunk_tokens)
        self._per_request = _per_request(lengths, prefill, iteration.context)
        work = self._per_request["work"]
        stacked = np.stack(
            [
                np.ones_like(work),
                work,
                work**2,
                self._per_request["context_work"],
                self._per_request["context2_work"],
                self._per_request["context3_work"],
            ]
        )
        self._sums = np.concatenate(
            (np.zeros((6, 1)), np.cumsum(stacked * lengths.weights, axis=1)), axis=1
        )
        self._cells, self._cell_tokens = self._build_cells(prefill)

    def between(self, lo_tokens: float, hi_tokens: float, arrival_rate: float) -> Load:
        """The load of total lengths in (lo, hi] at a rate of their own.

        Raises ValueError if the range carries no traffic.
        """
        edges = [
            self._lengths.index(t) for t in (lo_tokens, max(lo_tokens, hi_tokens / 2), hi_tokens)
        ]
        at = self._sums[:, edges]
        sums = at[:, 2] - at[:, 0]
        mass, work, work2 = sums[:3]
        if not mass > 0:
            raise ValueError(f"no requests have a total length in ({lo_tokens}, {hi_tokens}]")
        whole = _class_load(sums, mass)
        return Load(
            arrival_rate=arrival_rate,
            mean_work=whole.mean_work,
            cv2_work=float(max(0.0, work2 * mass / work**2 - 1.0)),
            context=whole.context,
            classes=(
                _class_load(at[:, 1] - at[:, 0], mass),
                _class_load(at[:, 2] - at[:, 1], mass),
            ),
            cells=self._cells_between(lo_tokens, hi_tokens),
        )

    def _cells_between(self, lo_tokens: float, hi_tokens: float) -> Cells:
        first = int(np.searchsorted(self._cell_tokens, lo_tokens, side="right"))
        last = int(np.searchsorted(self._cell_tokens, hi_tokens, side="right"))
        columns = self._cells[:, first:last]
        return Cells(columns[0] / columns[0].sum(), *columns[1:])

    def _build_cells(self, prefill: Ints) -> tuple[Floats, Ints]:
        """Group the support: bands into equal parts, each part by prefill iterations."""
        lengths = self._lengths
        edges = np.searchsorted(lengths.total_tokens, lengths.breakpoints, side="right")
        band = np.searchsorted(edges[1:], np.arange(prefill.size), side="right")
        band = np.minimum(band, edges.size - 2)
        part = _parts(edges, band, self._per_request["work"], lengths.weights)
        fine = _few_kinds(band, prefill, 4 * CELLS_PER_BAND)
        key = np.stack((np.where(fine, prefill, 0), part, band))
        order = np.lexsort(key)
        changed = np.any(np.diff(key[:, order], axis=1) != 0, axis=0)
        starts = np.concatenate(([0], np.nonzero(changed)[0] + 1))
        weights = lengths.weights[order]
        mass = np.add.reduceat(weights, starts)
        rows = [mass]
        for name in ("prefill", "work", "prefill_context", "decode_context"):
            values = self._per_request[name][order]
            rows.append(np.add.reduceat(values * weights, starts) / mass)
        return np.stack(rows), np.maximum.reduceat(lengths.total_tokens[order], starts)


def _class_load(sums: Floats, whole_mass: float) -> ClassLoad:
    """A class from its sums of 1, v, v^2, v L, v L^2 and v L^3 over the support."""
    mass, work, _, first, second, third = (float(x) for x in sums)
    if mass <= 0:
        return ClassLoad(0.0, 0.0, Moments(0.0, 0.0, 0.0))
    mean, square, cube = first / work, second / work, third / work
    central = cube - 3.0 * mean * square + 2.0 * mean**3
    moments = Moments(mean, max(0.0, square - mean**2), central)
    return ClassLoad(mass / float(whole_mass), work / mass, moments)


def _per_request(lengths: LengthDistribution, prefill: Ints, context: str) -> dict[str, Floats]:
    """Work and context of every support point; contexts summed over its iterations."""
    prompt = lengths.prompt_tokens.astype(np.float64)
    output = lengths.output_tokens.astype(np.float64)
    total = prompt + output
    work = prefill + output
    if context == "total":
        return {
            "prefill": prefill.astype(np.float64),
            "work": work,
            "prefill_context": total,
            "decode_context": total,
            "context_work": work * total,
            "context2_work": work * total**2,
            "context3_work": work * total**3,
        }
    return {
        "prefill": prefill.astype(np.float64),
        "work": work,
        "prefill_context": prompt / 2,
        "decode_context": prompt + output / 2,
        "context_work": prefill * prompt / 2 + output * (prompt + output / 2),
        "context2_work": prefill * prompt**2 / 3
        + output * (prompt**2 + prompt * output + output**2 / 3),
        "context3_work": prefill * prompt**3 / 4 + (total**4 - prompt**4) / 4,
    }


def _parts(edges: Ints, band: Ints, work: Floats, weights: Floats) -> Ints:
    """Which part of its band a support point is in; edges: the first point of each band.

    Parts are equal where work grows with length. Where it does not, as in a joint table, a
    band holds requests of very different work. It is cut in order of work then, each part
    being a share of what is above it, because E2E percentiles need the tail.
    """
    if not (np.diff(work) < 0).any():
        width = np.maximum(1, np.diff(edges)[band])
        return (np.arange(band.size) - edges[band]) * CELLS_PER_BAND // width
    order = np.lexsort((work, band))
    below = np.concatenate(([0.0], np.cumsum(weights[order])))
    start, end = below[edges[band]], below[edges[band + 1]]
    above = np.maximum((end - below[:-1]) / (end - start), 1e-9)
    part = np.empty_like(band)
    part[order] = np.minimum(-np.log2(above) * PARTS_PER_HALVING, TAIL_PARTS - 1)
    return part


def _few_kinds(band: Ints, prefill: Ints, most: int) -> NDArray[np.bool_]:
    """Whether a support point's band has at most `most` different prefill iterations."""
    kinds = np.unique(band * (prefill.max() + 1) + prefill) // (prefill.max() + 1)
    return np.bincount(kinds, minlength=band.max() + 1)[band] <= most
