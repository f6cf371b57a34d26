"""Arrival processes as a user states them: 'gamma:4', 'mmpp:40:10', 'fitted'."""

from __future__ import annotations

import math

from fleetopt.errors import InputError, near
from fleetopt.problem import ArrivalFigures
from fleetopt.workload.arrivals import ArrivalProcess, Gamma, ModulatedPoisson, Poisson
from fleetopt.workload.burstiness import modulated
from fleetopt.workload.varying import TimeVarying

KINDS = {
    "poisson": "poisson",
    "gamma": "gamma:CV2",
    "mmpp": "mmpp:INDEX:SECONDS",
    "fitted": "fitted",
    "profile": "profile",
}
"""Names of the processes, with what each takes."""


def arrival_process(
    text: str, rate: float, figures: ArrivalFigures | None = None
) -> ArrivalProcess:
    """The process of a text, with a mean rate in requests per second.

    gamma:CV2 has gaps with that squared coefficient of variation; mmpp:INDEX:SECONDS bursts
    with that index of dispersion, whose rate forgets its state in so many seconds; fitted is
    the MMPP of measured figures, and profile their rate over time, scaled to the mean rate.
    Raises InputError.
    """
    kind, *parts = (part.strip() for part in text.split(":"))
    if kind not in KINDS:
        raise _wrong(text, near(kind, KINDS))
    if len(parts) != KINDS[kind].count(":"):
        raise _wrong(text, f"expected {KINDS[kind]}")
    values = [_positive(text, part) for part in parts]
    if kind == "gamma":
        return Gamma(rate, values[0])
    if kind == "mmpp":
        if not values[0] > 1:
            raise _wrong(text, "an index of dispersion above 1 is expected; 1 is Poisson")
        return ModulatedPoisson.of(rate, *values)
    return Poisson(rate) if kind == "poisson" else _measured(kind, rate, figures)


def _measured(kind: str, rate: float, figures: ArrivalFigures | None) -> ArrivalProcess:
    """Arrivals as they were measured."""
    if figures is None:
        hint = "fleetopt workload fit writes one"
        raise InputError.single("arrivals", f"{kind} needs a workload file with arrivals", hint)
    if kind == "profile":
        bins = figures.profile.rates
        edges = [*(i * figures.profile.bin_s for i in range(len(bins))), figures.duration_s]
        varying = TimeVarying.steps(edges, bins)
        factor = rate / varying.rate
        return TimeVarying.steps(edges, [factor * height for height in bins])
    found = modulated(figures.model_copy(update={"rate": rate}))
    return found if found is not None else Poisson(rate)


def _positive(text: str, part: str) -> float:
    try:
        value = float(part)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise _wrong(text, f"expected a number above 0, got {part!r:.40}")
    return value


def _wrong(text: str, hint: str) -> InputError:
    return InputError.single("arrivals", f"got {text!r:.60}", hint)
