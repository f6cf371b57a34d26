"""Leaving groups out: every group is predicted from constants fitted to all the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fleetopt.catalog.measurements import Measurement
from fleetopt.performance.calibration import NONE, Constants, first_token
from fleetopt.performance.calibration.constants import FirstToken
from fleetopt.performance.calibration.regression import Mask
from fleetopt.questions.validation.cases import Case, regression_rows
from fleetopt.questions.validation.flags import is_flagged
from fleetopt.questions.validation.ladders import saturated
from fleetopt.questions.validation.loop import Played

_REFINEMENTS = 5
_REGIMES = (8, 32, 128)


@dataclass(frozen=True, slots=True)
class Compared:
    """A measured row beside its prediction from other groups, in seconds.

    saturated: as measured; flagged: by the simulator, as `flags` says. fullness: of its KV if all
    clients are served at once. outside: how far the row lies beyond the
    concurrencies of the groups of its engine, as a factor; 1 inside.
    """

    row: Measurement
    ttft_s: float
    tpot_s: float
    wait_s: float
    fullness: float
    saturated: bool
    flagged: bool
    outside: float

    @property
    def regime(self) -> str:
        """The kind of model and load: 'dense prompt-heavy, 9-32 clients'."""
        heavy = "prompt" if self.row.prompt_tokens > self.row.output_tokens else "output"
        above = [low + 1 for low in (0, *_REGIMES)]
        clients = next((i for i, most in enumerate(_REGIMES) if self.row.concurrency <= most), 3)
        last = clients == len(_REGIMES)
        span = f"over {_REGIMES[-1]}" if last else f"{above[clients]}-{_REGIMES[clients]}"
        return f"{self.row.kind} {heavy}-heavy, {span} clients"

    @property
    def ttft_error(self) -> float:
        """Relative error of the mean TTFT."""
        return self.ttft_s / self.row.ttft_s - 1.0

    @property
    def tpot_error(self) -> float:
        """Relative error of the mean TPOT."""
        return self.tpot_s / self.row.tpot_s - 1.0


def held_out(
    found: Sequence[Case], prior: Constants = NONE, report: Callable[[str], None] | None = None
) -> tuple[list[Compared], Constants]:
    """Every row as constants of all other groups predict it, and constants of all of them.

    prior: constants of other measurements that these ones refine.
    """
    measured = [case.measured for case in found]
    groups = np.array([row.group for row in measured])
    slow = saturated(measured)
    rows = regression_rows(found)
    start = rows.stacked(prior.logs)
    whole = rows.fit(~slow, start=start, prior=start) if (~slow).any() else start
    played: list[Played | None] = [None] * len(found)
    for group in dict.fromkeys(groups):
        if report:
            report(f"without {group}")
        kept = groups != group
        logs = start
        if (kept & ~slow).any():
            first = rows.without(whole, kept)
            logs = rows.fit(kept & ~slow, first, start, _REFINEMENTS)
        factors = {**prior.logs, **rows.named(logs)}
        constants = Constants(factors, {}, (), "")
        for i in np.flatnonzero(~kept).tolist():
            played[i] = found[i].played(constants.seconds(found[i].levels))
    simulated = [each for each in played if each is not None]
    compared = _compared(found, simulated, groups, slow, prior)
    everything = {**prior.first_token, **_first_tokens(found, simulated, groups, ~slow)}
    kept_groups = tuple(sorted({*prior.groups, *groups.tolist()}))
    factors = {**prior.logs, **rows.named(whole)}
    return compared, Constants(factors, everything, kept_groups, "")


def _compared(
    cases: Sequence[Case],
    played: Sequence[Played],
    groups: np.ndarray,
    slow: Mask,
    prior: Constants,
) -> list[Compared]:
    measured = [case.measured for case in cases]
    found: list[Compared | None] = [None] * len(cases)
    for group in dict.fromkeys(groups):
        kept = (groups != group) & ~slow
        outer = {**prior.first_token, **_first_tokens(cases, played, groups, kept)}
        constants = Constants({}, outer, (), "")
        for i in np.flatnonzero(groups == group).tolist():
            case, run = cases[i], played[i]
            ttft_s = constants.first_token_s(case.outside, run.ttft_s, run.tpot_s)
            found[i] = Compared(
                case.measured, ttft_s, run.tpot_s, run.wait_s, case.fullness, bool(slow[i]),
                is_flagged(case, run, ttft_s), _outside(case.measured, measured, kept),
            )  # fmt: skip
    return [each for each in found if each is not None]


def _outside(row: Measurement, measured: Sequence[Measurement], kept: Mask) -> float:
    """How far a row's concurrency lies beyond those measured with its engine elsewhere."""
    others = [
        other.concurrency
        for other, used in zip(measured, kept, strict=True)
        if used and other.backend == row.backend
    ]
    if not others:
        return np.inf
    return max(1.0, row.concurrency / max(others), min(others) / row.concurrency)


def _first_tokens(
    cases: Sequence[Case], played: Sequence[Played], groups: np.ndarray, used: Mask
) -> dict[str, FirstToken]:
    """First-token constants by what they go by; every group counts as one."""
    names = np.array([case.outside for case in cases])
    told = np.array([run.ttft_s for run in played])
    iterations = np.array([run.tpot_s for run in played])
    ttft_s = np.array([case.measured.ttft_s for case in cases])
    found = {}
    for name in dict.fromkeys(names[used]):
        rows = used & (names == name)
        _, inverse, counts = np.unique(groups[rows], return_inverse=True, return_counts=True)
        weights = 1.0 / np.sqrt(counts[inverse])
        found[str(name)] = first_token(told[rows], iterations[rows], ttft_s[rows], weights)
    return found
