"""The inputs that a problem names: its files, its trace and its hourly means, read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fleetopt import catalog
from fleetopt import problem as statements
from fleetopt.errors import Fault, InputError
from fleetopt.workload.lengths import LengthDistribution

if TYPE_CHECKING:
    from fleetopt.catalog import Inputs
    from fleetopt.performance import models
    from fleetopt.problem import FleetProblem, TraceSource
    from fleetopt.workload.traces import Trace

_AVERAGED = "expected a number, or a CSV file with the columns hour,value that exists"


def inputs_of(problem: FleetProblem, beside: Path | None = None) -> tuple[FleetProblem, Inputs]:
    """What a problem names, and the problem with the arrival rate that its files state.

    One with a trace gets the lengths and the rate of the trace as well, and does not need
    the file again. Raises InputError with every fault.
    """
    faults: list[Fault] = []
    try:
        problem = _of_trace(problem, beside)
    except InputError as error:
        faults += error.faults
    try:
        problem = _averaged(problem, beside)
    except InputError as error:
        faults += error.faults
    named = None
    try:
        named = _named(problem, beside)
    except InputError as error:
        faults += error.faults
    try:
        inputs = catalog.read_inputs(problem, beside)
    except InputError as error:
        raise InputError([*faults, *error.faults]) from None
    if faults:
        raise InputError(faults)
    if named is not None:
        inputs = _with_engines(problem, inputs, named)
    if inputs.arrival_rate != problem.arrival_rate:
        problem = problem.model_copy(update={"arrival_rate": inputs.arrival_rate})
    return problem, replace(inputs, sources=(*inputs.sources, *_sources(problem)))


def recorded(stated: TraceSource, beside: Path | None = None) -> tuple[Path, Trace]:
    """The file of a trace, and what it holds. Raises InputError.

    It has to be the file that was read before, if it was.
    """
    from fleetopt.workload.traces import read_trace

    try:
        path = catalog.find_file(stated.path, beside)
    except InputError:
        if not stated.sha256:
            raise
        text = "no such file; the plan was designed for this trace"
        raise InputError.single(stated.path, text, "--trace FILE says where it is") from None
    trace = read_trace(path, stated.format, stated.columns, stated.skip_bad_lines)
    if stated.sha256 not in ("", trace.files[0].source.sha256):
        raise InputError.single(
            str(path), "it is not the trace that the plan was designed for", "it has changed since"
        )
    return path, trace


def trace_notes(problem: FleetProblem) -> tuple[str, ...]:
    """How much of a trace stands behind a plan."""
    if problem.trace is None:
        return ()
    name = Path(problem.trace.path).name
    return (
        f"designed for {problem.trace.rate_in_words} of {name}, "
        f"{problem.arrival_rate:.4g} requests per second",
    )


def series_notes(problem: FleetProblem) -> Iterator[str]:
    """What was averaged over the hours of a file."""
    units = {"electricity_usd_per_kwh": "USD", "carbon_g_per_kwh": "g of CO2"}
    for key, name in statements.SERIES.items():
        series = getattr(problem, name)
        if series is not None and series.mean == getattr(problem, key):
            yield (
                f"{units[key]} a kWh: {series.mean:.4g}, the time-weighted mean of "
                f"{series.hours:g} hours in {Path(series.path).name}, {series.least:.4g} to "
                f"{series.most:.4g}; the draw is taken to be the same at all hours"
            )


def _of_trace(problem: FleetProblem, beside: Path | None) -> FleetProblem:
    """The problem with what its trace says, if it has one that was not read yet."""
    stated = problem.trace
    if stated is None or stated.sha256:
        return problem
    from fleetopt.workload.fitting import fit

    path, trace = recorded(stated, beside)
    window_s = stated.peak_window_s
    read = {"path": str(path), "sha256": trace.files[0].source.sha256}
    return problem.model_copy(
        update={
            "trace": stated.model_copy(update=read),
            "cdf": fit(trace, name=path.stem).lengths(),
            "arrival_rate": trace.rate if window_s is None else trace.peak_rate(window_s),
        }
    )


def _averaged(problem: FleetProblem, beside: Path | None) -> FleetProblem:
    """The problem with the means of its prices and intensities by the hour. Raises InputError."""
    read, faults = dict[str, object](), list[Fault]()
    for key, name in statements.SERIES.items():
        stated = getattr(problem, name)
        if stated is None or getattr(problem, key) is not None:
            continue
        from fleetopt.catalog.series import read_series

        try:
            series, _ = read_series(stated.path, beside)
        except InputError as error:
            missing = any(fault.expected == "no such file" for fault in error.faults)
            faults += [Fault(key, _AVERAGED)] if missing else error.faults
        else:
            read |= {key: series.mean, name: series}
    if faults:
        raise InputError(faults)
    return problem.model_copy(update=read) if read else problem


def _named(problem: FleetProblem, beside: Path | None) -> models.Named | None:
    """The model of a problem that leaves profiles to be derived. Raises InputError."""
    if problem.model is None:
        return None
    from fleetopt.performance import models

    return models.read_named(problem, beside) if models.is_open(problem) else None


def _with_engines(problem: FleetProblem, inputs: Inputs, named: models.Named) -> Inputs:
    """What a problem names, with the profiles of its model. Raises InputError."""
    from fleetopt.performance import models

    lengths = LengthDistribution.from_cdf(inputs.lengths).clipped(inputs.max_context)
    found = models.derived(problem, named, lengths, inputs.max_context)
    return replace(
        inputs,
        profiles=(*inputs.profiles, *found.specs),
        sources=(*inputs.sources, *named.sources),
        notes=found.notes,
    )


def _sources(problem: FleetProblem) -> Iterator[catalog.SourceFile]:
    """The files of a problem's trace and of its hourly means."""
    if problem.trace is not None:
        yield catalog.SourceFile(Path(problem.trace.path), problem.trace.sha256)
    for series in filter(None, (getattr(problem, name) for name in statements.SERIES.values())):
        yield catalog.SourceFile(Path(series.path), series.sha256)
