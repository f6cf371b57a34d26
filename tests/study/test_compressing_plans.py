"""Compression the whole way: solved, told, saved, read back and verified again."""

from __future__ import annotations

import json

import pytest

from fleetopt import FleetProblem, Plan
from fleetopt.errors import InputError
from fleetopt.problem import VerificationOptions, validate
from fleetopt.report import wording
from fleetopt.report.console import render
from fleetopt.report.plan_report import plan_report
from fleetopt.study import solve, verify

OPTIONS = VerificationOptions(replications=4, top=1)


@pytest.fixture(scope="module")
def plan() -> Plan:
    """The verified plan of short chats that compress up to twice the split."""
    return solve(
        FleetProblem.model_validate(
            {
                "cdf": "azure",
                "max_context": 8192,
                "gammas": [1.5, 2.0],
                "compressible_share": 0.9,
                "verification": OPTIONS,
            }
        )
    )


def test_the_plan_compresses_and_passes(plan: Plan) -> None:
    """Some pool takes what is compressed; rates add up; nothing dearer than without."""
    assert plan.verification is not None
    assert plan.verification.verdict == "pass"
    assert max(pool.compression for pool in plan.fleet.pools) > 1.0
    assert sum(pool.arrival_rate for pool in plan.fleet.pools) == pytest.approx(100.0)
    plain = solve(plan.problem.model_copy(update={"gammas": (1.0,)}))
    assert plan.cost.usd_per_year < plain.cost.usd_per_year
    for pool, predicted, said in zip(
        plan.fleet.pools, plan.prediction.pools, plan.verification.pools, strict=True
    ):
        assert said.utilization == pytest.approx(predicted.utilization, rel=0.03), pool.name


def test_the_report_says_what_is_compressed(plan: Plan) -> None:
    """Lengths, share and pools in a note, and in the words for the fleet."""
    pool = next(pool for pool in plan.fleet.pools if pool.compression > 1.0)
    longest = round(pool.hi_tokens * pool.compression)
    text = render(plan_report(plan, 400), 400)
    span = f"{pool.hi_tokens + 1:,} to {longest:,} tokens"
    assert f"{pool.name} also serves 90 % of the requests of {span}" in text
    assert f"(compressing up to {longest:,})" in wording.fleet(plan.fleet)


def test_a_saved_plan_is_verified_with_its_compression(plan: Plan) -> None:
    """Read back it is the same plan, and its pools pass on fresh seeds."""
    again = Plan.from_dict(json.loads(json.dumps(plan.to_dict())))
    assert again == plan
    verified = verify(again, OPTIONS).verification
    assert verified is not None
    assert verified.verdict == "pass"


def test_another_compression_in_a_saved_plan_is_simulated_as_it_says(plan: Plan) -> None:
    """Without compression the upper pool gets requests that its replicas cannot carry."""
    data = plan.to_dict()
    for pool in data["fleet"]["pools"]:
        pool["compression"] = 1.0
    changed = verify(Plan.from_dict(json.loads(json.dumps(data))), OPTIONS).verification
    assert changed is not None
    assert plan.verification is not None
    before = [pool.utilization for pool in plan.verification.pools]
    after = [pool.utilization for pool in changed.pools]
    assert after != pytest.approx(before, rel=0.02)


def test_a_problem_without_factors_is_the_one_with_factor_one() -> None:
    """1.0 is always among the factors, and alone it changes nothing."""
    assert FleetProblem.model_validate({"gammas": [2.0]}).gammas == (1.0, 2.0)
    assert FleetProblem.model_validate({"gammas": []}) == FleetProblem()
    unverified = VerificationOptions(enabled=False)
    stated = {"cdf": "azure", "verification": unverified}
    plain = solve(FleetProblem.model_validate(stated))
    other = solve(FleetProblem.model_validate({**stated, "compressible_share": 0.3}))
    assert other.fleet == plain.fleet
    assert other.prediction == plain.prediction
    tiny = {**stated, "compressible_share": 1e-9, "gammas": [1.25, 2.0]}
    assert solve(FleetProblem.model_validate(tiny)).cost == plain.cost


@pytest.mark.parametrize("gammas", [(0.99,), (1.5, 1.5), (1e9,)])
def test_wrong_factors_are_refused(gammas: tuple[float, ...]) -> None:
    """Below 1, repeated, beyond any context."""
    with pytest.raises(InputError, match="gammas"):
        validate(FleetProblem, {"gammas": gammas}, "")
