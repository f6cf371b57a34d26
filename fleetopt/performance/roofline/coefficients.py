"""From the roofline to the coefficients of tau = max(W + h C, F0 + F1 P)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fleetopt.performance.deployment import Deployment
from fleetopt.performance.profile import IterationTime
from fleetopt.performance.roofline.efficiency import Efficiency
from fleetopt.performance.roofline.steps import Load, iteration_seconds
from fleetopt.problem import EngineConfig

Point = tuple[float, float]
BUDGET_SHARES = (0.25, 0.5, 0.75, 1.0)
_LIGHTEST = 16
"""Batches of less than this share of the largest are not fitted. The more experts a batch touches
the longer it takes, until it touches all of them: a line through light loads is too fast by a
quarter for replicas at work, this one by an eighth at most, and too slow for light loads."""


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Coefficients of the iteration time, and how far they are from what they were fitted to.

    decodes, prefills: (sequences, seconds) and (prompt tokens, seconds) that they were fitted to.
    decode_departure, prefill_departure: largest relative distance to them.
    """

    iteration: IterationTime
    decodes: tuple[Point, ...]
    prefills: tuple[Point, ...]
    decode_departure: float
    prefill_departure: float


def coefficients(deployment: Deployment, batch: int, reached: Efficiency) -> Coefficients:
    """Fit the four coefficients by least squares of relative errors.

    W and h over batches from a sixteenth of `batch` up to `batch`, each twice the last, of
    sequences of the engine's mean context, so that h also holds what a sequence adds to products
    and transfers; F0 and F1 over a quarter
    to the whole of the token budget, prompts attending to half the mean context. F0 is at most
    W: an iteration without prompts takes W + h C.
    """
    engine = deployment.engine
    context = float(engine.mean_context_tokens)
    sizes = batches(batch, least=max(1, batch // _LIGHTEST))
    decodes = [(float(n), iteration_seconds(deployment, Load(n, context), reached)) for n in sizes]
    prefills = [
        (
            share * engine.token_budget,
            iteration_seconds(
                deployment, Load(0.0, 0.0, share * engine.token_budget, context / 2), reached
            ),
        )
        for share in BUDGET_SHARES
    ]
    found = fitted(engine, decodes, prefills)
    first_s = reached.first_token_s(_midway_s(decodes), context)
    return replace(found, iteration=replace(found.iteration, first_token_s=first_s))


def _midway_s(decodes: Sequence[Point]) -> float:
    """Seconds of an iteration of half the largest batch."""
    return decodes[max(0, len(decodes) - 2)][1]


def fitted(
    engine: EngineConfig, decodes: Sequence[Point], prefills: Sequence[Point]
) -> Coefficients:
    """The coefficients nearest to iterations of sequences at the mean context, and of prompts.

    decodes, prefills: as in Coefficients.
    """
    base_s, per_sequence_s = line(decodes)
    prefill_base_s, per_prompt_token_s = line(prefills, most=base_s)
    iteration = IterationTime(
        base_s=base_s,
        per_context_token_s=per_sequence_s / engine.mean_context_tokens,
        prefill_base_s=prefill_base_s,
        prefill_per_token_s=per_prompt_token_s,
        context="current",
        chunk_tokens=engine.token_budget,
        token_budget=engine.token_budget,
    )
    return Coefficients(
        iteration=iteration,
        decodes=tuple(decodes),
        prefills=tuple(prefills),
        decode_departure=_departure(decodes, base_s, per_sequence_s),
        prefill_departure=_departure(prefills, prefill_base_s, per_prompt_token_s),
    )


def line(points: Sequence[Point], most: float = math.inf) -> tuple[float, float]:
    """The line a + b x nearest to the points in relative terms, 0 <= a <= most and b >= 0.

    Least squares of (a + b x) / y - 1, solved in closed form. The problem is convex with two
    unknowns: where the free solution breaks a bound, the best of the bounded sides is taken.
    """
    uu = sum((1.0 / y) ** 2 for _, y in points)
    vv = sum((x / y) ** 2 for x, y in points)
    uv = sum(x / y**2 for x, y in points)
    su, sv = sum(1.0 / y for _, y in points), sum(x / y for x, y in points)
    determinant = uu * vv - uv * uv
    if determinant > 1e-12 * uu * vv:
        a, b = (su * vv - sv * uv) / determinant, (sv * uu - su * uv) / determinant
        if 0.0 <= a <= most and b >= 0.0:
            return a, b
    sides = [(min(most, su / uu), 0.0)]
    for a in (0.0, most):
        if vv > 0.0 and a < math.inf:
            sides.append((a, max(0.0, (sv - a * uv) / vv)))
    return min(sides, key=lambda side: _squares(points, *side))


def _squares(points: Sequence[Point], base: float, slope: float) -> float:
    return sum(((base + slope * x) / y - 1.0) ** 2 for x, y in points)


def batches(most: int, least: int = 1) -> list[int]:
    """From `least` up, each twice the last, and `most` itself."""
    powers = (least << k for k in range(most.bit_length()))
    return [*(n for n in powers if n < most), most]


def _departure(points: Sequence[Point], base: float, slope: float) -> float:
    return max(abs((base + slope * x) / y - 1.0) for x, y in points)
