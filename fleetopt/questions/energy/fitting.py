"""`profile fit-power`: the power curve of a profile, refitted to measured draws."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from fleetopt.catalog import find_file, read_profiles
from fleetopt.errors import Fault, InputError, near
from fleetopt.performance.power import power_model
from fleetopt.performance.power_fit import PowerFit, fit_power

COLUMNS = ("batch", "watts")
PARAMETERS = 2
"""The slope and the midpoint."""


@dataclass(frozen=True)
class FittedPower:
    """A profile's power curve, refitted. file: where the measurements were read."""

    profile: str
    file: str
    fit: PowerFit


def fitted_power(name: str, profile: str, beside: Path | None = None) -> FittedPower:
    """The curve of a bundled profile between its idle and its nominal draw, refitted to a file.

    name: of a CSV file with the columns batch and watts, of one GPU. Raises InputError with every
    fault.
    """
    known = read_profiles()
    if profile not in known:
        text = f"unknown profile {profile!r}"
        raise InputError.single("profile", text, near(profile, known))
    curve = known[profile].power
    if curve is None:
        raise InputError.single(f"profile {profile!r}, power", "it has no power model to refit")
    path = find_file(name, beside)
    points = _points(path)
    batches = len({batch for batch, _ in points})
    if batches < PARAMETERS:
        text = (
            f"profile {profile!r}, power.steepness and power.midpoint_log2: a fit needs at least "
            f"{PARAMETERS} different batches, got {batches}"
        )
        raise InputError.single(str(path), text)
    before = power_model(curve)
    fit = fit_power(points, before.idle_w, before.nominal_w, before)
    return FittedPower(profile, str(path), fit)


def _points(path: Path) -> list[tuple[float, float]]:
    """The pairs of a file. Raises InputError with every fault."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise InputError.single(str(path), f"expected the columns {', '.join(COLUMNS)}")
        rows = list(reader)
    points, faults = [], []
    for number, row in enumerate(rows, start=2):
        try:
            batch, watts = (float(row[name]) for name in COLUMNS)
        except (TypeError, ValueError):
            batch = watts = math.nan
        if not (1.0 <= batch < math.inf and 0.0 < watts < math.inf):
            text = "expected a batch of at least 1 and watts above 0"
            faults.append(Fault(f"{path}, line {number}", f"{text}, got {dict(row)}"))
        points.append((batch, watts))
    if faults:
        raise InputError(faults)
    return points
