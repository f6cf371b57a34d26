"""Limits that no fleet keeps: which they are, what each would have to be, and that it is so."""

from __future__ import annotations

import re
from typing import Any

import pytest

from fleetopt import FleetProblem, InfeasibleError, solve

LINE = re.compile(r"^  (\S+) = ([\d,.]+); it would have to be at (least|most) ([\d,.]+)", re.M)


def keys_with(key: str, value: float, **others: Any) -> dict[str, Any]:
    """Keys of a problem with one of them changed; 'inventory.h100' is inside of a key."""
    outer, _, gpu = key.partition(".")
    changed = {**others.get(outer, {}), gpu: value} if gpu else value
    return {**others, outer: changed}


def refusal(**keys: Any) -> str:
    """What is said of a problem without a fleet."""
    with pytest.raises(InfeasibleError) as refused:
        solve(FleetProblem.model_validate({"verification": {"enabled": False}, **keys}))
    return str(refused.value)


def feasible(**keys: Any) -> bool:
    try:
        solve(FleetProblem.model_validate({"verification": {"enabled": False}, **keys}))
    except InfeasibleError:
        return False
    return True


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"max_gpus": 3}, {"max_gpus"}),
        ({"budget_usd_per_year": 100_000.0}, {"budget_usd_per_year"}),
        ({"power_kw": 1.0}, {"power_kw"}),
        (
            {"inventory": {"h100": 2}, "max_gpus": 9, "min_replicas": 2},
            {"inventory.h100", "max_gpus", "min_replicas"},
        ),
        ({"node_size": 8, "inventory": {"h100": 12, "a100": 0, "a10g": 0}, "max_pools": 1,
          "arrival_rate": 300.0}, {"inventory.h100"}),
    ],
)  # fmt: skip
def test_each_named_limit_is_enough_alone_and_not_less(
    keys: dict[str, Any], named: set[str]
) -> None:
    """With the stated value there is a fleet, with a slightly smaller change there is none."""
    lines = LINE.findall(refusal(**keys))
    assert {key for key, *_ in lines} >= named
    for key, _, bound, text in lines:
        needed = float(text.replace(",", ""))
        by = 1.0 if bound == "least" else -1.0
        step = by if key not in ("power_kw", "budget_usd_per_year") else 1e-3 * needed
        assert feasible(**keys_with(key, needed, **keys))
        assert not feasible(**keys_with(key, needed - step, **keys))


def test_several_that_have_to_give_together() -> None:
    """Neither GPUs nor power alone; both with the stated values."""
    said = refusal(max_gpus=3, power_kw=1.0)
    stated = re.search(r"would do: max_gpus = (\d+) and power_kw = ([\d.]+)$", said, re.M)
    assert stated is not None
    gpus, power = int(stated[1]), float(stated[2])
    assert "instead of max_gpus = 3 and power_kw = 1" in said
    assert feasible(max_gpus=gpus, power_kw=power)
    assert not feasible(max_gpus=gpus - 1, power_kw=power)
    assert not feasible(max_gpus=gpus, power_kw=0.999 * power)


def test_limits_are_not_blamed_for_a_latency_that_nothing_can_meet() -> None:
    """The bound is named, and nothing else."""
    said = refusal(slo=[{"limit_ms": 0.1}], max_gpus=500)
    assert "P99 TTFT <= 0.1 ms" in said
    assert "max_gpus" not in said
