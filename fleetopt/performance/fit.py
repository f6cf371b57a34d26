"""The four coefficients of the iteration time from measured runs of one replica.

c clients in a closed loop, each with prompts of p and outputs of o tokens, hold C = c (p + o / 2)
tokens. In a cycle each request sees o iterations, of which c also carry a prompt:

    e2e = max(o - c, 0) (W + h C) + c (F0 + F1 p),    ttft = F0 + F1 p   for one client.

A batch of c that starts together once has all its prompts in one iteration, and no other:

    tpot = W + h C,    ttft = F0 + F1 c p   where these fit into the token budget.

F0 is at most W: an iteration without prompts takes W + h C.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetopt.errors import InputError
from fleetopt.performance.profile import IterationTime

Floats = NDArray[np.float64]
COEFFICIENTS = ("W", "h", "F0", "F1")
_SCALE = 0.1
_FIRST = np.array([1e-2, 1e-7, 0.5, 5e-5])
_MOST = np.array([10.0, 1e-2, 1.0, 1.0])
_LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Point:
    """Means of one measured run: tokens, clients, seconds.

    place: where it was read. at_once: a batch that starts together, not a closed loop.
    """

    place: str
    prompt_tokens: float
    output_tokens: float
    clients: float
    ttft_s: float
    tpot_s: float
    at_once: bool = False

    @property
    def e2e_s(self) -> float:
        """Mean seconds of a request."""
        return self.ttft_s + self.output_tokens * self.tpot_s

    @property
    def context_tokens(self) -> float:
        """Tokens that the batch holds on average."""
        return self.clients * (self.prompt_tokens + self.output_tokens / 2)

    @property
    def prefilled_tokens(self) -> float:
        """Prompt tokens of the iteration that the TTFT of a batch, or of one client, measures."""
        return self.clients * self.prompt_tokens


@dataclass(frozen=True, eq=False)
class Fit:
    """Coefficients, and how far the measured runs are from them.

    iteration: the coefficients. points: what they were fitted to. errors: relative error of
    the E2E of each point. ttft_errors, tpot_errors: of each batch that starts together; None for
    closed loops, and for a TTFT of more prompt tokens than the budget, which is not fitted.
    """

    iteration: IterationTime
    points: tuple[Point, ...]
    errors: tuple[float, ...]
    ttft_errors: tuple[float | None, ...]
    tpot_errors: tuple[float | None, ...]

    @property
    def median_error(self) -> float:
        """Median absolute relative error."""
        return float(np.median(np.abs(self.errors)))

    @property
    def measured(self) -> dict[str, tuple[float, float]]:
        """Least and largest measured value of what a design may go beyond."""
        values = {
            "context tokens of the batch": [point.context_tokens for point in self.points],
            "prompt tokens": [point.prompt_tokens for point in self.points],
            "sequences": [point.clients for point in self.points],
        }
        return {name: (min(found), max(found)) for name, found in values.items()}

    def beyond(self, **design: float) -> list[str]:
        """How far a design lies outside of what was measured: a warning for each such value.

        design: `sequences`, `prompt_tokens` or `context_tokens` of the batch.
        """
        names = {"context_tokens": "context tokens of the batch", "prompt_tokens": "prompt tokens",
                 "sequences": "sequences"}  # fmt: skip
        told = []
        for key, value in design.items():
            low, high = self.measured[names[key]]
            if not low <= value <= high:
                factor = value / high if value > high else low / value
                told.append(
                    f"{names[key]}: {value:,.0f} is {factor:.1f} times outside of the measured "
                    f"{low:,.0f} to {high:,.0f}"
                )
        return told


def fit(points: Sequence[Point], token_budget: int) -> Fit:
    """Coefficients by robust least squares of relative errors, all within bounds.

    token_budget: prompt tokens of one iteration, which is also the chunk of a sequence.
    Raises InputError for fewer equations than coefficients.
    """
    batches = [point for point in points if point.at_once]
    timed = _timed(points, token_budget)
    if len(points) + len(timed) < len(COEFFICIENTS):
        text = f"{len(COEFFICIENTS)} coefficients need as many runs, got {len(points)}"
        hint = "runs differ in clients and lengths; one of a single client counts twice"
        raise InputError.single("measurements", text, hint)
    values = _solved(*_system([point for point in points if not point.at_once], batches, timed))
    base, slope, prefill_base, prefill_slope = (float(value) for value in values)
    iteration = IterationTime(
        base_s=base,
        per_context_token_s=slope,
        prefill_base_s=prefill_base,
        prefill_per_token_s=prefill_slope,
        context="current",
        chunk_tokens=token_budget,
        token_budget=token_budget,
    )
    return Fit(
        iteration,
        tuple(points),
        tuple(_e2e_s(point, values, iteration) / point.e2e_s - 1.0 for point in points),
        tuple(
            _ttft_error(point, iteration) if point.at_once and point in timed else None
            for point in points
        ),
        tuple(_tpot_error(point, iteration) if point.at_once else None for point in points),
    )


def _timed(points: Sequence[Point], token_budget: int) -> list[Point]:
    """Runs whose TTFT is that of one iteration: one client, or a batch within the token budget."""
    alone = [point for point in points if not point.at_once and point.clients <= 1]
    return alone + [
        point for point in points if point.at_once and point.prefilled_tokens <= token_budget
    ]


def _system(
    loops: Sequence[Point], batches: Sequence[Point], timed: Sequence[Point]
) -> tuple[Floats, Floats]:
    """Equations by coefficient and what they measured: E2E of loops, TPOT of batches, TTFT."""
    tpot = np.array([[1.0, point.context_tokens, 0.0, 0.0] for point in batches]).reshape(-1, 4)
    ttft = np.array([[0.0, 0.0, 1.0, point.prefilled_tokens] for point in timed]).reshape(-1, 4)
    measured = [point.e2e_s for point in loops] + [point.tpot_s for point in batches]
    measured += [point.ttft_s for point in timed]
    return np.vstack((_equations(loops), tpot, ttft)), np.array(measured)


def _ttft_error(point: Point, iteration: IterationTime) -> float:
    return iteration.seconds(0.0, point.prefilled_tokens) / point.ttft_s - 1.0


def _tpot_error(point: Point, iteration: IterationTime) -> float:
    return iteration.seconds(point.context_tokens) / point.tpot_s - 1.0


def _e2e_s(point: Point, values: Floats, iteration: IterationTime) -> float:
    """What the coefficients say; the prompts of a batch take as many iterations as they need."""
    if not point.at_once:
        return float((_equations([point]) @ values)[0])
    left, ttft_s = point.prefilled_tokens, 0.0
    while left > 0:
        ttft_s += iteration.seconds(0.0, min(left, iteration.token_budget))
        left -= iteration.token_budget
    return ttft_s + point.output_tokens * iteration.seconds(point.context_tokens)


def _solved(matrix: Floats, measured: Floats) -> Floats:
    """The coefficients nearest to the measured seconds in relative terms, F0 as a share of W."""
    from scipy.optimize import least_squares

    def coefficients(logs: Floats) -> Floats:
        values = np.exp(logs)
        values[2] *= values[0]
        return np.asarray(values)

    def residuals(logs: Floats) -> Floats:
        return np.asarray(np.log(matrix @ coefficients(logs)) - np.log(measured))

    found = least_squares(
        residuals, np.log(_FIRST), bounds=(np.log(_LEAST), np.log(_MOST)), loss="soft_l1",
        f_scale=_SCALE, x_scale="jac",
    )  # fmt: skip
    return coefficients(found.x)


def _equations(points: Sequence[Point]) -> Floats:
    """One row of E2E for each point, by coefficient."""
    decodes = [max(point.output_tokens - point.clients, 0.0) for point in points]
    return np.array([
        [o, o * point.context_tokens, point.clients, point.prefilled_tokens]
        for o, point in zip(decodes, points, strict=True)
    ]).reshape(-1, len(COEFFICIENTS))  # fmt: skip
