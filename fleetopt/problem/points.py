"""Points of a cumulative distribution of lengths, judged before they are taken."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from fleetopt.errors import Fault

MAX_TOKENS = 4_194_304
"""Longest total length accepted, in tokens; four times the longest context sold."""


def points_faults(points: Any) -> list[Fault]:
    """Every fault in a list of (tokens, fraction) pairs; empty if it is a distribution."""
    if not isinstance(points, list | tuple) or not points:
        return [Fault("", "expected a non-empty list of [tokens, fraction] pairs")]
    faults = [_pair_faults(pair, f"[{i}]") for i, pair in enumerate(points)]
    sound = [(i, *pair) for i, pair in enumerate(points) if not faults[i]]
    last = [_end_faults(*sound[-1])] if not faults[-1] else []
    return [fault for group in (*faults, _order_faults(sound), *last) for fault in group]


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
