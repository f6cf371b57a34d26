"""GPUs under power caps: the batches they run, what they are provisioned for, and the program."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from fleetopt import FleetProblem, InfeasibleError, Plan, solve
from fleetopt.case import Case
from fleetopt.catalog import read_profiles
from fleetopt.errors import InputError
from fleetopt.optimization.tables import pool_tables
from fleetopt.performance.coefficient import profile_of
from fleetopt.problem import FleetProblem as Problem
from fleetopt.problem import ProfileSpec
from fleetopt.questions.fleets import scenario_of
from fleetopt.questions.fleets.plans import plan_statement

STATED = {
    "cdf": "azure",
    "max_context": 8192,
    "overlong": "clip",
    "gpus": ["h100"],
    "verification": {"enabled": False},
}


def stated(**changed: Any) -> Problem:
    return FleetProblem.model_validate({**STATED, **changed})


def batch_under(spec: ProfileSpec, share: float) -> int:
    """The largest batch that draws at most a share of nominal power, counted up from one."""
    power = profile_of(spec).power
    assert power is not None
    batch = 0
    while power.watts(batch + 1) <= share * power.nominal_w:
        batch += 1
    return batch


@pytest.mark.parametrize("share", [0.7, 0.85])
@pytest.mark.parametrize("name", ["h100", "a100", "a10g"])
def test_a_cap_limits_the_batch(name: str, share: float) -> None:
    """As in grid-flex, under both kinds of admission."""
    case = Case.of(stated(gpus=[name], power_caps=[share]))
    free, capped = case.profiles
    assert capped.name == f"{name}@{100 * share:g}%"
    most = batch_under(read_profiles()[name], share)
    for tokens in (512, 4096, 8192):
        assert capped.reserved(tokens).slots == min(free.reserved(tokens).slots, most)
        assert capped.paged(tokens, 256).slots == min(256, most)
        assert case.offers(capped, tokens) == (free.reserved(tokens).slots >= most)


def fleets_of(case: Case) -> list[tuple[Any, ...]]:
    """Fleets of one or two pools by hand: the tables of whole profiles with fewer slots."""
    points = case.breakpoints
    paths = [((0, points[-1]),), *(((0, t), (t, points[-1])) for t in points[1:-1])]
    shares = [1.0, 0.7, 0.85]
    free = {(t.lo_tokens, t.hi_tokens, t.profile.name): t for t in pool_tables(case)}
    pools: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for (lo, hi, name), table in free.items():
        if table.slots < 1:
            continue
        power = table.profile.power
        for share in shares:
            most = batch_under(read_profiles()[name], share) if share < 1.0 else 10**9
            if share < 1.0 and table.slots < most:
                continue
            capacity = replace(table.capacity, slots=min(table.slots, most))
            capped = table.with_capacity(capacity)
            least = capped.min_replicas()
            if least is not None:
                watts = share * power.nominal_w if share < 1.0 else power.watts(table.slots)
                cost = least * table.profile.usd_per_hour
                pools.setdefault((lo, hi), []).append((cost, least * watts / 1000.0))
    return [
        (sum(cost for cost, _ in chosen), sum(kw for _, kw in chosen))
        for path in paths
        for chosen in product(*(pools.get(arc, []) for arc in path))
    ]


def test_power_budgets_against_enumeration() -> None:
    """Random rates and budgets; caps find fleets that are cheaper, or the only ones."""
    rng, helped = random.Random("power caps"), 0
    for gpus, context in ((["h100"], 8192), (["h100", "a10g"], 2048)):
        keys: dict[str, Any] = {
            "gpus": gpus,
            "arrival_rate": rng.uniform(2.0, 12.0),
            "max_pools": 2,
            "max_context": context,
        }
        every = fleets_of(Case.of(stated(**keys)))
        least_kw = min(kw for _, kw in every)
        for factor in (0.99, 1.01, rng.uniform(1.1, 1.6)):
            budget = factor * least_kw
            expected = min((usd for usd, kw in every if kw <= budget), default=math.inf)
            found = cost_of(power_kw=budget, power_caps=[0.7, 0.85], **keys)
            assert found == pytest.approx(8760.0 * expected)
            helped += found < 0.999999 * cost_of(power_kw=budget, **keys)
    assert helped >= 1


def cost_of(**keys: Any) -> float:
    try:
        return solve(stated(**keys)).cost.usd_per_year
    except InfeasibleError:
        return math.inf


def test_a_verified_plan_under_caps() -> None:
    """The simulator runs the capped slots, and the plan stands alone."""
    plan = solve(stated(power_caps=[0.8], power_kw=0.5, verification={"top": 1}, arrival_rate=4.0))
    assert plan.verification is not None
    assert plan.verification.verdict == "pass"
    assert any(pool.profile == "h100@80%" for pool in plan.fleet.pools)
    for pool in plan.fleet.pools:
        if pool.profile == "h100@80%":
            assert pool.slots == batch_under(read_profiles()["h100"], 0.8)
    again = Plan.from_dict(plan.to_dict())
    assert [p.name for p in Case.of(again.problem).profiles] == ["h100", "h100@80%"]
    scenario = scenario_of(plan_statement(again))
    assert [model.name for model in scenario.profiles] == [p.profile for p in plan.fleet.pools]


def test_impossible_caps_are_named() -> None:
    dark = read_profiles()["a100"].model_copy(update={"name": "dark", "power": None})
    with pytest.raises(InputError) as refused:
        Case.of(stated(gpus=["h100", "dark"], profiles=[dark], power_caps=[0.3, 0.8]))
    said = str(refused.value)
    assert "power_caps: 0.3 of 'h100' is 180 W, and one sequence draws" in said
    assert "power_caps: the profile 'dark' has no power curve" in said
    with pytest.raises(ValueError, match="less than 1"):
        stated(power_caps=[1.2])


def test_the_plan_says_what_a_cap_costs() -> None:
    """By the calibrated coefficients: full batches over how long an iteration of them takes."""
    plan = solve(stated(arrival_rate=5.0, power_kw=0.5, power_caps=(0.8,)))
    (note,) = [text for text in plan.notes if "the cap of" in text]
    spec = read_profiles()["h100"]
    case = Case.of(stated(arrival_rate=5.0))
    lengths = case.lengths
    work = np.ceil(lengths.prompt_tokens / spec.chunk_tokens) + lengths.output_tokens
    share = lengths.weights * work / (lengths.weights @ work)
    each = spec.per_sequence_s * float(share @ lengths.total_tokens)
    each /= spec.calibration_context_tokens

    def rate(batch: int) -> float:
        return batch / (spec.base_s + each * batch)

    capped, free = batch_under(spec, 0.8), 128
    assert f"{capped} sequences a replica in place of {free};" in note
    assert f" {100 * rate(capped) / rate(free):.0f} % of" in note
    assert "iteration of the same batch takes as long" in note


def test_sources_of_power_are_named_where_power_counts() -> None:
    told = [text for text in solve(stated(power_kw=9.0)).notes if "quality" in text]
    assert told == [f"the power of h100 is of HIGH quality ({source_of('h100')})"]
    assert not any("quality" in text for text in solve(stated()).notes)
    capped = solve(stated(arrival_rate=5.0, power_kw=0.5, power_caps=(0.8,)))
    assert told[0] in capped.notes


def source_of(name: str) -> str:
    curve = read_profiles()[name].power
    assert curve is not None
    return curve.source
