"""A length distribution as a user states it: points of a cumulative distribution."""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate, pairwise
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from fleetopt.errors import Fault
from fleetopt.problem.faults import FaultsError, Stated, faults_of

MAX_TOKENS = 4_194_304
"""Longest total length accepted, in tokens; four times the longest context sold."""

EXPECTED = "expected a list of [tokens, fraction] pairs, or an object with this list as 'cdf'"


Tokens = Annotated[int, Field(strict=True, ge=1, le=MAX_TOKENS)]
Count = Annotated[int, Field(strict=True, ge=1)]


class JointLengths(Stated):
    """How many requests had which prompt and output tokens."""

    binned_above: int | None = Field(default=None, ge=1)
    """Token counts above this one stand at the mean of their bin; all are exact if absent."""
    bins_per_doubling: int | None = Field(default=None, ge=1)
    """Bins between a token count and twice as much."""
    pairs: tuple[tuple[Tokens, Tokens, Count], ...] = Field(min_length=1)
    """Triples (prompt tokens, output tokens, requests)."""


class LengthCdf(Stated):
    """Cumulative distribution of total lengths, with its name and source."""

    name: str = "lengths"
    """Short name of the workload; the file's own name if absent."""
    title: str = ""
    """Full name of the workload."""
    source: str = ""
    """Where the figures come from."""
    prompt_fraction: float = Field(default=0.8, gt=0, lt=1)
    """Prompt tokens as a share of total tokens."""
    cdf: tuple[tuple[int, float], ...]
    """Pairs (tokens, share of requests with at most that many tokens), ascending."""
    joint: JointLengths | None = None
    """Joint table of prompt and output tokens; it replaces the spread between the points, and
    the points stay where a fleet may split."""

    @model_validator(mode="before")
    @classmethod
    def _accept_bare_list(cls, data: Any) -> Any:
        if isinstance(data, list | tuple):
            return {"cdf": data}
        if not isinstance(data, dict | LengthCdf):
            raise FaultsError([Fault("", f"{EXPECTED}, got {data!r:.60}")])
        return data

    @field_validator("cdf", mode="before")
    @classmethod
    def _is_distribution(cls, points: Any) -> Any:
        faults = points_faults(points)
        if faults:
            raise FaultsError(faults)
        return points

    @model_validator(mode="after")
    def _joint_fits_points(self) -> LengthCdf:
        if self.joint is not None:
            faults = _joint_faults(self.joint, self.cdf)
            if faults:
                raise FaultsError(faults)
        return self

    @property
    def max_tokens(self) -> int:
        """Longest total length of the distribution, in tokens."""
        return self.cdf[-1][0]


def points_faults(points: Any) -> list[Fault]:
    """Every fault in a list of (tokens, fraction) pairs; empty if it is a distribution."""
    if not isinstance(points, list | tuple) or not points:
        return [Fault("", "expected a non-empty list of [tokens, fraction] pairs")]
    faults = [_pair_faults(pair, f"[{i}]") for i, pair in enumerate(points)]
    sound = [(i, *pair) for i, pair in enumerate(points) if not faults[i]]
    last = [_end_faults(*sound[-1])] if not faults[-1] else []
    return [fault for group in (*faults, _order_faults(sound), *last) for fault in group]


def _joint_faults(joint: JointLengths, points: tuple[tuple[int, float], ...]) -> list[Fault]:
    """Points at which the joint table says something else than the distribution."""
    ordered = sorted((prompt + output, count) for prompt, output, count in joint.pairs)
    totals = [total for total, _ in ordered]
    below = [0, *accumulate(count for _, count in ordered)]
    shares = [below[bisect_right(totals, tokens)] / below[-1] for tokens, _ in points]
    return [
        Fault(f"cdf[{i}] fraction", f"the joint table says {share:.6g}, got {fraction:.6g}")
        for i, ((_, fraction), share) in enumerate(zip(points, shares, strict=True))
        if abs(share - fraction) > 1e-6
    ]


def _pair_faults(pair: Any, place: str) -> list[Fault]:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return [Fault(place, f"expected a pair [tokens, fraction], got {pair!r:.60}")]
    tokens, fraction = pair
    faults = []
    if not _is_number(tokens) or not 0 < tokens <= MAX_TOKENS or tokens != int(tokens):
        text = f"expected a whole number in (0, {MAX_TOKENS}], got {tokens!r:.60}"
        faults.append(Fault(f"{place} tokens", text))
    if not _is_number(fraction) or not 0 <= fraction <= 1:
        text = f"expected a number in [0, 1], got {fraction!r:.60}"
        faults.append(Fault(f"{place} fraction", text))
    return faults


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _order_faults(points: list[tuple[int, int, float]]) -> list[Fault]:
    """Faults between neighbours, given as (index, tokens, fraction)."""
    faults = []
    for (_, tokens, fraction), (i, next_tokens, next_fraction) in pairwise(points):
        if next_tokens == tokens:
            faults.append(Fault(f"[{i}] tokens", f"{tokens} appears twice; each point once"))
        elif next_tokens < tokens:
            text = f"{next_tokens} follows {tokens}; tokens must ascend"
            faults.append(Fault(f"[{i}] tokens", text))
        if next_fraction < fraction:
            text = f"{next_fraction} follows {fraction}; fractions must not decrease"
            faults.append(Fault(f"[{i}] fraction", text))
    return faults


def _end_faults(index: int, tokens: int, fraction: float) -> list[Fault]:
    if abs(fraction - 1.0) <= 1e-9:
        return []
    return [
        Fault(f"[{index}] fraction", f"the last fraction must be 1, got {fraction} at {tokens}")
    ]


def name_or_lengths(stated: Any) -> Any:
    """Judge an inline distribution by itself, so that its faults keep their places.

    Raises FaultsError.
    """
    if isinstance(stated, str | LengthCdf):
        return stated
    faults = points_faults(stated) if isinstance(stated, list | tuple) else []
    if not isinstance(stated, dict | list | tuple):
        faults = [Fault("", f"expected a file, a workload's name or points, got {stated!r}")]
    if faults:
        raise FaultsError(faults)
    try:
        return LengthCdf.model_validate(stated)
    except ValidationError as error:
        raise FaultsError(faults_of(error, LengthCdf)) from None
