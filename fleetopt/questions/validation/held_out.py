"""Leaving groups out: every group is predicted from constants fitted to all the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetopt.catalog.measurements import Measurement
from fleetopt.performance.calibration import (
    DECODING,
    FIRST_TOKEN,
    NONE,
    Constants,
    Factors,
    FirstToken,
    Rows,
)
from fleetopt.performance.calibration.record import Span
from fleetopt.performance.calibration.regression import Mask
from fleetopt.performance.calibration.seconds import Floats
from fleetopt.questions.validation.cases import Case, decoding_rows, first_token_rows
from fleetopt.questions.validation.flags import is_flagged
from fleetopt.questions.validation.ladders import saturated
from fleetopt.questions.validation.loop import Played

_REGIMES = (8, 32, 128)
NOWHERE: Mapping[str, Span] = {}


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
    found: Sequence[Case],
    bundled: Constants = NONE,
    clients: Mapping[str, Span] = NOWHERE,
    report: Callable[[str], None] | None = None,
) -> tuple[list[Compared], Constants]:
    """Every row as constants of all other groups predict it, and constants of all of them.

    bundled: constants of other measurements, whose groups take part by their summaries; groups
    that are in both are taken from the rows alone. clients: that those were measured with, by
    engine.
    """
    groups = np.array([case.measured.group for case in found])
    kept = ~saturated([case.measured for case in found])
    here = set(groups.tolist())
    played: list[Played | None] = [None] * len(found)
    rows = decoding_rows(found, bundled.decoding.without(here))
    start = rows.fit(kept, rows.stacked(bundled.decoding.logs))
    for mine, factors in _left_out(rows, groups, kept, start, report):
        for i in mine:
            played[i] = found[i].played(factors.seconds(DECODING, found[i].levels))
    runs = [each for each in played if each is not None]
    firsts = first_token_rows(found, runs, bundled.first_token.without(here))
    ttft_s = np.zeros(len(found))
    for mine, factors in _left_out(firsts, groups, kept):
        for i in mine:
            told = FirstToken(*factors.seconds(FIRST_TOKEN, found[i].outside).tolist())
            prompt, run = found[i].measured.prompt_tokens, runs[i]
            ttft_s[i] = told.seconds(run.ttft_s, run.tpot_s, prompt, run.wait_s)
    elsewhere = {engine: clients[engine] for engine in _engines(bundled, here) & clients.keys()}
    compared = _compared(found, runs, ttft_s, groups, kept, elsewhere)
    known = tuple(sorted({*bundled.groups, *here}))
    whole = rows.factors(kept, start), firsts.factors(kept, firsts.fit(kept))
    return compared, Constants(*whole, known, "")


def _left_out(
    rows: Rows,
    groups: NDArray[np.str_],
    usable: Mask,
    whole: Floats | None = None,
    report: Callable[[str], None] | None = None,
) -> Iterator[tuple[list[int], Factors]]:
    """The rows of each group, and factors fitted to the usable rows of all the others.

    whole: factors of all groups, near which the fits begin and soon end; those of few causes
    begin at 1, because theirs may end elsewhere.
    """
    for group in dict.fromkeys(groups.tolist()):
        if report:
            report(f"without {group}")
        kept = groups != group
        start = None if whole is None else rows.without(whole, kept)
        logs = rows.fit(kept & usable, start)
        yield np.flatnonzero(~kept).tolist(), Factors(rows.named(logs))


def _compared(
    cases: Sequence[Case],
    played: Sequence[Played],
    ttft_s: Floats,
    groups: NDArray[np.str_],
    usable: Mask,
    elsewhere: Mapping[str, Span],
) -> list[Compared]:
    measured = [case.measured for case in cases]
    return [
        Compared(
            case.measured, ttft, run.tpot_s, run.wait_s, case.fullness, not usable[i],
            is_flagged(case, run, ttft),
            _outside(case.measured, measured, (groups != groups[i]) & usable, elsewhere),
        )
        for i, (case, run, ttft) in enumerate(zip(cases, played, ttft_s.tolist(), strict=True))
    ]  # fmt: skip


def _engines(bundled: Constants, here: set[str]) -> set[str]:
    """Engines of the bundled groups that are not measured again."""
    return {group.split(" ")[1] for group in bundled.groups if group not in here}


def _outside(
    row: Measurement, measured: Sequence[Measurement], kept: Mask, elsewhere: Mapping[str, Span]
) -> float:
    """How far a row's concurrency lies beyond those measured with its engine elsewhere."""
    others = [
        other.concurrency
        for other, used in zip(measured, kept, strict=True)
        if used and other.backend == row.backend
    ]
    others += elsewhere.get(row.backend, ())
    if not others:
        return np.inf
    return max(1.0, row.concurrency / max(others), min(others) / row.concurrency)
