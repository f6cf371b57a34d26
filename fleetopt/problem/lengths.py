"""A length distribution as a user states it: points of a cumulative distribution."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from pydantic import Field, field_validator, model_validator

from fleetopt.errors import Fault
from fleetopt.problem.faults import FaultsError, Stated

MAX_TOKENS = 4_194_304
"""Longest total length accepted, in tokens; four times the longest context sold."""


class LengthCdf(Stated):
    """Cumulative distribution of total lengths, with its name and source."""

    name: str = "lengths"
    title: str = ""
    source: str = ""
    prompt_fraction: float = Field(default=0.8, gt=0, lt=1)
    """Prompt tokens as a share of total tokens."""
    cdf: tuple[tuple[int, float], ...]
    """Pairs (tokens, share of requests with at most that many tokens), ascending."""

    @model_validator(mode="before")
    @classmethod
    def _accept_bare_list(cls, data: Any) -> Any:
        return {"cdf": data} if isinstance(data, list) else data

    @field_validator("cdf", mode="before")
    @classmethod
    def _is_distribution(cls, points: Any) -> Any:
        faults = points_faults(points)
        if faults:
            raise FaultsError(faults)
        return points

    @property
    def max_tokens(self) -> int:
        """Longest total length of the distribution, in tokens."""
        return self.cdf[-1][0]


def points_faults(points: Any) -> list[Fault]:
    """Every fault in a list of (tokens, fraction) pairs; empty if it is a distribution."""
    if not isinstance(points, list | tuple) or not points:
        return [Fault("", "expected a non-empty list of [tokens, fraction] pairs")]
    faults = [fault for i, pair in enumerate(points) for fault in _pair_faults(pair, f"[{i}]")]
    if faults:
        return faults
    tokens = [pair[0] for pair in points]
    fractions = [pair[1] for pair in points]
    return [*_order_faults(tokens, fractions), *_end_faults(fractions)]


def _pair_faults(pair: Any, place: str) -> list[Fault]:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return [Fault(place, f"expected a pair [tokens, fraction], got {pair!r}")]
    tokens, fraction = pair
    faults = []
    if not _is_number(tokens) or tokens != int(tokens) or not 0 < tokens <= MAX_TOKENS:
        faults.append(
            Fault(
                f"{place} tokens", f"expected a whole number in (0, {MAX_TOKENS}], got {tokens!r}"
            )
        )
    if not _is_number(fraction) or not 0 <= fraction <= 1:
        faults.append(Fault(f"{place} fraction", f"expected a number in [0, 1], got {fraction!r}"))
    return faults


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _order_faults(tokens: list[int], fractions: list[float]) -> list[Fault]:
    faults = [
        Fault(f"[{i}] tokens", f"{now} follows {before}; tokens must ascend")
        for i, (before, now) in enumerate(zip(tokens, tokens[1:], strict=False), start=1)
        if now < before
    ]
    faults += [
        Fault("", f"tokens {value} appears {count} times; each point once")
        for value, count in Counter(tokens).items()
        if count > 1
    ]
    faults += [
        Fault(f"[{i}] fraction", f"{now} follows {before}; fractions must not decrease")
        for i, (before, now) in enumerate(zip(fractions, fractions[1:], strict=False), start=1)
        if now < before
    ]
    return faults


def _end_faults(fractions: list[float]) -> list[Fault]:
    if abs(fractions[-1] - 1.0) <= 1e-9:
        return []
    return [
        Fault(
            f"[{len(fractions) - 1}] fraction",
            f"the last fraction must be 1, got {fractions[-1]}",
        )
    ]
