"""Length distributions and request streams under their published names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from fleetopt.catalog import read_lengths
from fleetopt.problem import LengthCdf, validate
from fleetopt.workload.lengths import LengthDistribution

Points = Sequence[Sequence[float]]
"""Pairs (tokens, share of the requests with at most that many)."""

_DIGITS = 12
"""Decimals of a share; a sum over the lengths is exact to about these."""
CATEGORY_MIX = {"prose": 0.60, "code": 0.25, "rag": 0.15}
"""Shares of the categories of requests if none are given."""


@dataclass
class Request:
    """One request: when it arrives, its prompt and output tokens, its category and model."""

    req_id: int
    arrival_time: float
    l_in: int
    l_out: int
    category: str = "prose"
    model_id: str | None = None


class RequestSource(Protocol):
    """Anything that makes requests."""

    def sample_request(self, req_id: int, arrival: float) -> Request:
        """A request that arrives at `arrival` seconds."""
        ...


class CdfWorkload:
    """Requests drawn from a length distribution: a file, a bundled name, or points.

    l_in_frac: prompt tokens as a share of all; the output is the rest, whatever `l_out_frac`.
    category_mix: shares of the categories.
    Raises InputError with every fault of the distribution.
    """

    def __init__(
        self,
        cdf_source: str | Path | Points | LengthCdf,
        l_out_frac: float = 0.20,
        l_in_frac: float = 0.80,
        category_mix: Mapping[str, float] | None = None,
        seed: int | None = 42,
    ) -> None:
        stated = lengths_of(cdf_source)
        if l_in_frac != stated.prompt_fraction:
            changed = {**stated.model_dump(), "prompt_fraction": l_in_frac}
            stated = validate(LengthCdf, changed, "CdfWorkload")
        self.lengths = stated
        self.category_mix = dict(category_mix or CATEGORY_MIX)
        self._drawn = LengthDistribution.from_cdf(stated)
        self._categories = list(self.category_mix)
        self._category_sums = np.cumsum(list(self.category_mix.values()))
        self._rng = np.random.default_rng(seed)

    def sample_length(self) -> int:
        """Total tokens of one request, drawn at random."""
        return int(self._drawn.total_tokens[self._draw()])

    def sample_request(self, req_id: int, arrival: float) -> Request:
        """One request, drawn at random."""
        drawn = self._draw()
        prompt, output = self._drawn.prompt_tokens[drawn], self._drawn.output_tokens[drawn]
        place = self._rng.random() * self._category_sums[-1]
        category = self._categories[int(np.searchsorted(self._category_sums, place, "right"))]
        return Request(req_id, arrival, int(prompt), int(output), category)

    def p_quantile(self, p: float) -> int:
        """The first point of the distribution that reaches the share p, in tokens."""
        return next((t for t, share in self.lengths.cdf if share >= p), self.lengths.max_tokens)

    def _draw(self) -> int:
        return int(self._drawn.sample(self._rng, 1)[0])


class PoissonWorkload:
    """A stream of `n_requests` Poisson arrivals, `lam` per second.

    warm_up: share of the requests that a user means to leave out of measurements.
    """

    def __init__(
        self,
        lam: float,
        length_gen: RequestSource,
        n_requests: int = 50_000,
        seed: int | None = 42,
        warm_up: float = 0.10,
    ) -> None:
        self.lam = lam
        self.length_gen = length_gen
        self.n_requests = n_requests
        self.warm_up = warm_up
        self._rng = np.random.default_rng(seed)

    def generate(self) -> list[tuple[float, Request]]:
        """Pairs of arrival time, in seconds, and request, in order of time."""
        times = np.cumsum(self._rng.exponential(1.0 / self.lam, self.n_requests))
        make = self.length_gen.sample_request
        return [(float(t), make(i, float(t))) for i, t in enumerate(times)]

    def warm_up_index(self) -> int:
        """Index of the first request after the warm-up."""
        return int(self.n_requests * self.warm_up)


Cdf = str | Path | Points | LengthCdf | CdfWorkload
"""Anything that states a length distribution."""


def lengths_of(source: Cdf) -> LengthCdf:
    """The length distribution of anything that states one. Raises InputError."""
    if isinstance(source, CdfWorkload):
        return source.lengths
    if isinstance(source, LengthCdf):
        return source
    if isinstance(source, str | Path):
        return read_lengths(str(source))[0]
    return validate(LengthCdf, {"cdf": [tuple(point) for point in source]}, "cdf")


def split_cdf(
    cdf: Cdf, b_short: int
) -> tuple[list[tuple[int, float]], list[tuple[int, float]], float]:
    """The distributions of lengths up to `b_short` and above it, and the share of the former.

    The upper one begins with (b_short, 0), so that no request of it is shorter. A side without
    requests has no points. Raises InputError.
    """
    stated = lengths_of(cdf)
    alpha = round(LengthDistribution.from_cdf(stated).share(0, b_short), _DIGITS)
    short, long = [], []
    if alpha > 0.0:
        below = ((t, min(1.0, f / alpha)) for t, f in stated.cdf if t < b_short)
        short = [*below, (b_short, 1.0)]
    if alpha < 1.0:
        above = ((t, max(0.0, (f - alpha) / (1.0 - alpha))) for t, f in stated.cdf if t > b_short)
        long = [(b_short, 0.0), *above]
    return short, long, alpha
