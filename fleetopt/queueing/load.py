"""What a mix of requests asks of a pool: work, context, and the cells latencies are mixed over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any, NamedTuple

import numpy as np

from fleetopt.performance.profile import IterationTime
from fleetopt.queueing.cells import CELLS_PER_BAND, Cells, cells_of, grouping, joined
from fleetopt.queueing.per_request import Phase, per_request
from fleetopt.workload.compression import Node, Served
from fleetopt.workload.lengths import Floats, Ints, LengthDistribution

_NOTHING = 1e-13
"""Share of all requests below which a class is empty: what is left of a difference of sums."""
_SHORT_OUTPUT = 24
"""Output tokens up to which lengths are told apart where a pool only decodes."""


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


def load_table(
    lengths: LengthDistribution, iteration: IterationTime, phase: Phase = "both"
) -> LoadTable:
    """The load table of a workload on an iteration time, made once for all that count alike.

    phase: what the pools do; where they only prefill or only decode, work and contexts are
        those of that phase alone.
    """
    context, chunk_tokens = iteration.context, iteration.chunk_tokens
    counted = IterationTime(0.0, 0.0, context=context, chunk_tokens=chunk_tokens)
    return _load_table(lengths, counted, phase)


@lru_cache(maxsize=32)
def _load_table(lengths: LengthDistribution, counted: IterationTime, phase: Phase) -> LoadTable:
    return LoadTable(lengths, counted, phase)


class LoadTable:
    """Loads of every pool of one workload on one iteration time, by prefix sums.

    What a node of a path compresses is summed once, for all pools that begin or end there.
    """

    def __init__(
        self, lengths: LengthDistribution, iteration: IterationTime, phase: Phase = "both"
    ) -> None:
        self._lengths = lengths
        self._iteration = iteration
        self._phase = phase
        self._per_request = self._measured(lengths.prompt_tokens, lengths.output_tokens)
        self._sums = prefix_sums(_summed(self._per_request, lengths.weights))
        kinds = self._per_request["prefill"]
        if phase == "decode":
            kinds = np.minimum(self._per_request["work"], _SHORT_OUTPUT)
        self._keys = grouping(lengths, kinds, self._per_request["work"])
        self._cells, self._cell_tokens = self._grouped(slice(0, None), lengths.weights)
        self._given: dict[Node, Floats] = {}
        self._taken: dict[Node, Floats] = {}
        self._thinned: dict[tuple[Node, int, float], Floats] = {}
        self._taken_cells: dict[Node, Floats] = {}

    def between(self, lo_tokens: int, hi_tokens: int, arrival_rate: float) -> Load:
        """The load of total lengths in (lo, hi] at a rate of their own.

        Raises ValueError if the range carries no traffic.
        """
        return self.serving(Served(lo_tokens, hi_tokens), arrival_rate)

    def serving(self, what: Served, arrival_rate: float) -> Load:
        """The load of a pool's requests at a rate of their own.

        Compressed requests count with their true work, context and prefill. Raises
        ValueError if there are no requests.
        """
        middle = max(what.lo_tokens, what.hi_tokens / 2)
        whole, rest = self._above(what), self._rest(what, middle)
        mass, work, work2 = whole[:3]
        if not mass > 0:
            where = f"({what.lo_tokens}, {what.hi_tokens}]"
            raise ValueError(f"no requests have a total length in {where}")
        all_of_it = _class_load(whole, mass)
        return Load(
            arrival_rate=arrival_rate,
            mean_work=all_of_it.mean_work,
            cv2_work=float(max(0.0, work2 * mass / work**2 - 1.0)),
            context=all_of_it.context,
            classes=(_class_load(rest, mass), _class_load(self._long(what, middle), mass)),
            cells=self._cells_of(what),
        )

    @property
    def cells(self) -> Cells:
        """Cells of all requests in order of length; weights are shares of all requests."""
        return Cells(*self._cells)

    def cells_up_to(self, tokens: Sequence[int]) -> Ints:
        """How many of these cells hold the requests of at most so many tokens, for breakpoints."""
        return np.searchsorted(self._cell_tokens, np.asarray(tokens), side="right")

    def work_sums(self, pools: Sequence[Served]) -> Floats:
        """Sums of v and of v L over the requests of many pools: two rows, a column for each.

        Weights are shares of all requests.
        """
        edges: dict[tuple[Node, float, bool], Floats] = {}

        def edge(node: Node, share: float, upper: bool) -> Floats:
            """Sums over own lengths up to a node, and what is compressed there."""
            key = (node, share, upper)
            if key not in edges:
                edges[key] = self._sums[:, self._lengths.index(node[0])][[1, 3]]
                if node[1] > 1.0:
                    moved = self._taken_at(node) if upper else self._given_by(node)[:, -1]
                    edges[key] = edges[key] + share * moved[[1, 3]]
            return edges[key]

        ends = [edge(what.nodes[1], what.compressible_share, True) for what in pools]
        starts = [edge(what.nodes[0], what.compressible_share, False) for what in pools]
        sums: Floats = (np.array(ends) - np.array(starts)).T
        return sums

    def _above(self, what: Served) -> Floats:
        """Sums over everything that a pool serves."""
        return self._own(what.lo_tokens, what.hi_tokens) + self._shift(what, math.inf, True)

    def _rest(self, what: Served, middle: float) -> Floats:
        """Sums over the requests of at most hi / 2 tokens."""
        return self._own(what.lo_tokens, middle) + self._shift(what, middle, False)

    def _long(self, what: Served, middle: float) -> Floats:
        """Sums over the requests of more than hi / 2 tokens; compressed ones are as long as hi."""
        beyond = self._shift(what, math.inf, True) - self._shift(what, middle, False)
        return self._own(middle, what.hi_tokens) + beyond

    def _own(self, lo_tokens: float, hi_tokens: float) -> Floats:
        first, last = self._lengths.index(lo_tokens), self._lengths.index(hi_tokens)
        sums: Floats = self._sums[:, last] - self._sums[:, first]
        return sums

    def _shift(self, what: Served, hi_tokens: float, takes: bool) -> Floats:
        """What compression adds to the sums over own lengths of at most `hi_tokens`.

        takes: whether the requests that are compressed into the pool are among them.
        """
        shift = np.zeros(len(self._sums))
        lower, upper = what.nodes
        if what.gamma_lo > 1.0:
            sums = self._given_by(lower)
            last = self._lengths.index(hi_tokens) - self._lengths.index(what.lo_tokens)
            shift -= what.compressible_share * sums[:, min(last, sums.shape[1] - 1)]
        if what.gamma_hi > 1.0 and takes:
            shift += what.compressible_share * self._taken_at(upper)
        return shift

    def _given_by(self, node: Node) -> Floats:
        """Prefix sums over the requests above a node that can be compressed to it."""
        if node not in self._given:
            part, fits = self._lengths.compressible(*node)
            weights = np.where(fits, self._lengths.weights[part], 0.0)
            values = {name: column[part] for name, column in self._per_request.items()}
            self._given[node] = prefix_sums(_summed(values, weights))
        return self._given[node]

    def _taken_at(self, node: Node) -> Floats:
        """Sums over the requests above a node that can be compressed to it, compressed."""
        if node not in self._taken:
            outputs, weights = self._lengths.compressed(*node)
            values = self._measured(node[0] - outputs, outputs)
            columns = _summed(values, weights)
            self._taken[node] = np.array([reduce(np.multiply, c).sum() for c in columns])
        return self._taken[node]

    def _cells_of(self, what: Served) -> Cells:
        first, last = self.cells_up_to((what.lo_tokens, what.hi_tokens)).tolist()
        lower, upper = what.nodes
        if what.gamma_lo > 1.0:
            until = self._thinned_until(what)
            middle = int(np.searchsorted(self._cell_tokens, until, side="right"))
            thinned = self._thinned_cells(lower, until, what.compressible_share)
            columns = np.concatenate((thinned, self._cells[:, middle:last]), axis=1)
        else:
            columns = self._cells[:, first:last]
        if what.gamma_hi > 1.0:
            taken = self._cells_taken_at(upper)
            scale = np.array([what.compressible_share, 1.0, 1.0, 1.0, 1.0])[:, None]
            columns = np.concatenate((columns, scale * taken), axis=1)
        return Cells(columns[0] / columns[0].sum(), *columns[1:])

    def _thinned_until(self, what: Served) -> int:
        """The first breakpoint above the lengths that are compressed below; hi at most."""
        points = self._lengths.breakpoints
        return next((t for t in points if t >= what.gives_up_to and t < what.hi_tokens),
                    what.hi_tokens)  # fmt: skip

    def _thinned_cells(self, node: Node, until: int, share: float) -> Floats:
        """Cells from a node to `until` without the requests that are compressed below."""
        key = (node, until, share)
        if key not in self._thinned:
            lengths = self._lengths
            part = slice(lengths.index(node[0]), lengths.index(until))
            weights = lengths.weights[part].copy()
            _, fits = lengths.compressible(*node)
            weights[: fits.size][fits] *= 1.0 - share
            self._thinned[key] = self._grouped(part, weights)[0]
        return self._thinned[key]

    def _cells_taken_at(self, node: Node) -> Floats:
        """Cells of the requests that are compressed to a node."""
        if node not in self._taken_cells:
            outputs, weights = self._lengths.compressed(*node)
            values = self._measured(node[0] - outputs, outputs)
            part = np.arange(outputs.size) * CELLS_PER_BAND // max(outputs.size, 1)
            keys = joined(part, values["prefill"].astype(np.int64))
            self._taken_cells[node] = cells_of(values, weights, keys)[0]
        return self._taken_cells[node]

    def _measured(self, prompt_tokens: Ints, output_tokens: Ints) -> dict[str, Floats]:
        return per_request(prompt_tokens, output_tokens, self._iteration, self._phase)

    def _grouped(self, part: slice, weights: Floats) -> tuple[Floats, Ints]:
        """Cells of a part of the support, and the longest request of each, in tokens."""
        values = {name: column[part] for name, column in self._per_request.items()}
        cells, order, starts = cells_of(values, weights, self._keys[part])
        return cells, np.maximum.reduceat(self._lengths.total_tokens[part][order], starts)


def _summed(per_request: dict[str, Floats], weights: Floats) -> tuple[tuple[Floats, ...], ...]:
    """What is summed of each request: 1, v, v^2, v L, v L^2 and v L^3, by weight, as factors."""
    work = per_request["work"]
    names = ("context_work", "context2_work", "context3_work")
    contexts = ((weights, per_request[name]) for name in names)
    return ((weights,), (weights, work), (weights, work, work), *contexts)


def prefix_sums(columns: Sequence[tuple[Floats, ...]]) -> Floats:
    """Sums before each entry, the total at the end; a row for each column, given as factors.

    Memory is touched once: for many lengths that takes longer than the sums.
    """
    sums = np.empty((len(columns), columns[0][0].size + 1))
    sums[:, 0] = 0.0
    for row, (first, *others) in zip(sums[:, 1:], columns, strict=True):
        row[:] = first
        for factor in others:
            row *= factor
        np.cumsum(row, out=row)
    return sums


def _class_load(sums: Floats, whole_mass: float) -> ClassLoad:
    """A class from its sums of 1, v, v^2, v L, v L^2 and v L^3 over the support."""
    mass, work, _, first, second, third = (float(x) for x in sums)
    if mass <= _NOTHING:
        return ClassLoad(0.0, 0.0, Moments(0.0, 0.0, 0.0))
    mean, square, cube = first / work, second / work, third / work
    central = cube - 3.0 * mean * square + 2.0 * mean**3
    moments = Moments(mean, max(0.0, square - mean**2), central)
    return ClassLoad(mass / float(whole_mass), work / mass, moments)
