"""How far simulated latencies are from measured ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fleetopt.catalog.measurements import Measurement, Measurements
from fleetopt.errors import Fault, InputError
from fleetopt.performance.calibration import NONE, Constants, Error, Record
from fleetopt.performance.calibration.record import Span
from fleetopt.questions.validation.cases import cases
from fleetopt.questions.validation.held_out import NOWHERE, Compared, held_out


@dataclass(frozen=True, slots=True)
class Errors:
    """Median absolute relative errors of n rows; None if there is no row.

    tpot_bias, ttft_bias: median errors with their sign. flagged: share that the simulator
    calls saturated.
    """

    n: int
    tpot: float | None
    ttft: float | None
    tpot_bias: float | None
    ttft_bias: float | None
    flagged: float | None

    @classmethod
    def of(cls, rows: Sequence[Compared]) -> Errors:
        """Errors of some rows."""
        if not rows:
            return cls(0, None, None, None, None, None)
        tpot = np.array([row.tpot_error for row in rows])
        ttft = np.array([row.ttft_error for row in rows])
        return cls(
            n=len(rows),
            tpot=float(np.median(np.abs(tpot))),
            ttft=float(np.median(np.abs(ttft))),
            tpot_bias=float(np.median(tpot)),
            ttft_bias=float(np.median(ttft)),
            flagged=float(np.mean([row.flagged for row in rows])),
        )


@dataclass(frozen=True, eq=False)
class Validation:
    """Every usable row beside its prediction.

    left_out: lines that are no use, with the reason. constants: fitted to all groups.
    prior: whether other groups took part, by the summaries of bundled constants.
    """

    rows: tuple[Compared, ...]
    left_out: tuple[Fault, ...]
    constants: Constants
    prior: bool
    measurements: Measurements

    def overall(self) -> dict[str, Errors]:
        """Errors of unsaturated rows by kind of model, and of saturated rows."""
        kinds = {
            kind: [row for row in self.rows if not row.saturated and row.row.kind == kind]
            for kind in ("dense", "moe")
        }
        kinds["saturated"] = [row for row in self.rows if row.saturated]
        return {name: Errors.of(rows) for name, rows in kinds.items()}

    def unsaturated(self) -> Errors:
        """Errors of all unsaturated rows."""
        return Errors.of([row for row in self.rows if not row.saturated])

    def record(self) -> Record:
        """What the constants are to be trusted with: errors, and spans of the measurements."""
        kinds = {name: each for name, each in self.overall().items() if name != "saturated"}
        found = {**kinds, **self.by(lambda each: each.regime)}
        errors = {
            name: Error(each.n, each.tpot, each.ttft)
            for name, each in found.items()
            if each.tpot is not None and each.ttft is not None
        }
        runs: dict[str, list[Measurement]] = {}
        for each in self.rows:
            if not each.saturated:
                runs.setdefault(each.row.backend, []).append(each.row)
        return Record(errors, {engine: _spans(runs[engine]) for engine in sorted(runs)})

    def by(self, key: Callable[[Compared], str], saturated: bool = False) -> dict[str, Errors]:
        """Errors of unsaturated rows, or of saturated ones, by some key, in its order."""
        found: dict[str, list[Compared]] = {}
        for row in self.rows:
            if row.saturated == saturated:
                found.setdefault(key(row), []).append(row)
        return {name: Errors.of(found[name]) for name in sorted(found)}


def _spans(rows: Sequence[Measurement]) -> dict[str, Span]:
    """Least and largest measured value of what a design may go beyond."""
    values = {
        "clients": [row.concurrency for row in rows],
        "prompt_tokens": [float(row.prompt_tokens) for row in rows],
        "tp": [float(row.engine.tp) for row in rows],
    }
    return {name: (min(found), max(found)) for name, found in values.items()}


def validation(
    measurements: Measurements,
    bundled: Constants = NONE,
    clients: Mapping[str, Span] = NOWHERE,
    report: Callable[[str], None] | None = None,
) -> Validation:
    """Predict every group from the others.

    bundled: constants whose groups take part, but for those that the measurements have, too: a
    group is predicted without anything that was known of it. clients: least and most that these
    groups were measured with, by engine.
    Raises InputError if no row can be deployed.
    """
    found, refused = cases(measurements.rows, str(measurements.source.path))
    left_out = (*measurements.left_out, *refused)
    if not found:
        raise InputError(list(left_out[:10]))
    compared, constants = held_out(found, bundled, clients, report)
    others = bundled.decoding.without({case.measured.group for case in found})
    return Validation(tuple(compared), left_out, constants, bool(others), measurements)
