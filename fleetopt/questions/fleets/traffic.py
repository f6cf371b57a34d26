"""From the statement of traffic to what a simulation draws or replays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fleetopt.catalog import SourceFile, find_file, read_lengths
from fleetopt.errors import Fault, InputError
from fleetopt.problem import FleetSimulation, LengthCdf, Workload
from fleetopt.simulation.fleet_model import Traffic
from fleetopt.simulation.fleet_results import DrawnTraffic, RecordedTraffic, TrafficSource
from fleetopt.workload.arrivals import ArrivalProcess
from fleetopt.workload.lengths import LengthDistribution
from fleetopt.workload.sessions import Sessions
from fleetopt.workload.stated import arrival_process
from fleetopt.workload.traces import Trace, read_trace

DEFAULT_RATE = 200.0
"""Requests per second where nobody says any: the published default."""


@dataclass(frozen=True, eq=False)
class Stream:
    """Requests for one model.

    rate: requests per second. lengths: as asked for, before anything is cut.
    arrivals: None for those of a trace.
    """

    name: str
    rate: float
    lengths: LengthDistribution
    arrivals: ArrivalProcess | None = None


@dataclass(frozen=True, eq=False)
class StatedTraffic:
    """Traffic with its files read.

    trace: None where requests are drawn.
    """

    streams: tuple[Stream, ...]
    trace: Trace | None
    sources: tuple[SourceFile, ...]

    @property
    def rate(self) -> float:
        """Requests per second, all streams together."""
        return sum(stream.rate for stream in self.streams)


@dataclass(frozen=True, eq=False)
class Classified:
    """Traffic whose models are what a classifier has to tell apart."""

    inner: TrafficSource

    def draw(self, rng: np.random.Generator, horizon_s: float) -> Traffic:
        """The requests, each with its model as its category."""
        traffic = self.inner.draw(rng, horizon_s)
        return replace(traffic, category=traffic.model, category_names=traffic.model_names)


@dataclass(frozen=True, eq=False)
class Queue:
    """Requests for clients that take them one after the other: so many, whatever the time."""

    inner: DrawnTraffic
    requests: int

    def draw(self, rng: np.random.Generator, horizon_s: float) -> Traffic:
        """The first requests of a horizon that certainly brings enough."""
        rate = sum(arrivals.rate for _, arrivals, _ in self.inner.streams)
        mean = self.requests + 10.0 * self.requests**0.5 + 100.0
        drawn = self.inner.draw(rng, mean / rate)
        while len(drawn) < self.requests:
            mean *= 2.0
            drawn = self.inner.draw(rng, mean / rate)
        model = None if drawn.model is None else drawn.model[: self.requests]
        return Traffic(
            drawn.arrival_s[: self.requests],
            drawn.prompt_tokens[: self.requests],
            drawn.output_tokens[: self.requests],
            model,
            drawn.model_names,
        )


def read_traffic(stated: FleetSimulation, beside: Path | None) -> StatedTraffic:
    """The traffic of a statement. Raises InputError with every fault, the key as its place."""
    if stated.trace is not None:
        return _recorded(stated, beside)
    faults: list[Fault] = []
    streams: list[Stream] = []
    sources: list[SourceFile] = []
    for key, name, share, cdf in _stated_streams(stated):
        try:
            lengths, source = _lengths(cdf, beside)
            sources += source
            streams.append(_stream(stated, name, share, lengths))
        except InputError as error:
            faults += [replace(f, place=_place(key, f.place)) for f in error.faults]
    if faults:
        raise InputError(list(dict.fromkeys(faults)))
    return StatedTraffic(tuple(streams), None, tuple(sources))


def source_of(
    traffic: StatedTraffic,
    served: tuple[LengthDistribution, ...],
    sessions: Sessions | None = None,
) -> TrafficSource:
    """What simulations draw from; served: the lengths of each stream as they are sent."""
    if traffic.trace is not None:
        return RecordedTraffic(Traffic.of(traffic.trace))
    return DrawnTraffic(
        tuple(
            (stream.name, stream.arrivals, lengths)
            for stream, lengths in zip(traffic.streams, served, strict=True)
            if stream.arrivals is not None
        ),
        sessions,
    )


def _stated_streams(
    stated: FleetSimulation,
) -> Iterator[tuple[str, str, float, str | LengthCdf]]:
    """Key, name, share and lengths of each stream."""
    for name, part in stated.workloads.items():
        yield f"workloads.{name}.cdf", name, part.lam_frac, part.cdf
    if stated.cdf is not None:
        name = stated.cdf.name if isinstance(stated.cdf, LengthCdf) else "all"
        yield "cdf", name, 1.0, stated.cdf


def _lengths(cdf: str | LengthCdf, beside: Path | None) -> tuple[LengthCdf, tuple[SourceFile, ...]]:
    if isinstance(cdf, LengthCdf):
        return cdf, ()
    lengths, source = read_lengths(cdf, beside)
    return lengths, (source,)


def _stream(stated: FleetSimulation, name: str, share: float, lengths: LengthCdf) -> Stream:
    figures = lengths.arrivals if isinstance(lengths, Workload) else None
    rate = stated.lam
    if rate is None:
        rate = figures.rate if figures and not stated.workloads else DEFAULT_RATE
    arrivals = arrival_process(stated.arrivals, rate * share, figures)
    return Stream(name, rate * share, LengthDistribution.from_cdf(lengths), arrivals)


def _recorded(stated: FleetSimulation, beside: Path | None) -> StatedTraffic:
    assert stated.trace is not None
    said = stated.trace
    path = find_file(said.path, beside)
    trace = read_trace(path, said.format, said.columns, said.skip_bad_lines)
    if not trace.is_timed and not stated.concurrency:
        hint = "replay it with clients: --concurrency"
        raise InputError.single("trace", f"{trace.name} states no arrival times", hint)
    longest = int(trace.total_tokens.max())
    lengths = LengthDistribution.from_pairs(
        trace.prompt_tokens, trace.output_tokens, np.ones(len(trace)), (0, longest)
    )
    rate = len(trace) / trace.duration_s if trace.duration_s > 0 else DEFAULT_RATE
    sources = tuple(file.source for file in trace.files)
    return StatedTraffic((Stream(path.stem, rate, lengths),), trace, sources)


def _place(key: str, place: str) -> str:
    return place if place == "arrivals" else f"{key}: {place}" if place else key
