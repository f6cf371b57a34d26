"""Plans with prefill and decode apart: what they say, read back, verified and simulated again."""

from __future__ import annotations

import json

import pytest

from fleetopt import FleetProblem, Plan, solve
from fleetopt.case import Case
from fleetopt.errors import InfeasibleError, InputError
from fleetopt.questions.fleets.plans import plan_statement
from fleetopt.questions.fleets.simulating import simulate
from fleetopt.report import wording
from fleetopt.study import verify

STATED = {
    "cdf": "azure",
    "gpus": ["h100"],
    "arrival_rate": 40.0,
    "max_context": 8192,
    "overlong": "clip",
    "slo": ["p99 ttft 60", "p99 tpot 50"],
    "phases": "apart",
    "links": ["25"],
    "thresholds": [3072],
    "verification": {"requests": 4000, "top": 1},
}


def problem(**keys: object) -> FleetProblem:
    return FleetProblem.model_validate({**STATED, **keys})


@pytest.fixture(scope="module")
def plan() -> Plan:
    return solve(problem())


def test_pairs_of_a_plan(plan: Plan) -> None:
    """Named after their place, each with its partner; two pairs are two pools."""
    pools = plan.fleet.pools
    assert [pool.name for pool in pools] == [
        "pool-1-prefill", "pool-1-decode", "pool-2-prefill", "pool-2-decode",
    ]  # fmt: skip
    assert [pool.partner for pool in pools] == [
        "pool-1-decode", "pool-1-prefill", "pool-2-decode", "pool-2-prefill",
    ]  # fmt: skip
    assert plan.problem.max_pools == 3
    assert {pool.link for pool in pools} == {"25 GB/s: 25 GB/s a replica, 40,960 bytes a token"}
    assert wording.fleet(plan.fleet).count("prefill") == 2
    for pool, predicted in zip(pools, plan.prediction.pools, strict=True):
        metrics = {"prefill": ["ttft"], "decode": ["tpot"]}[str(pool.phase)]
        assert [bound.metric for bound in predicted.bounds] == metrics


def test_requests_are_counted_once(plan: Plan) -> None:
    assert plan.verification is not None
    assert plan.verification.verdict == "pass"
    of_pools = [pool.arrivals for pool in plan.verification.pools]
    assert of_pools[0] == of_pools[1]
    assert plan.verification.requests == of_pools[0] + of_pools[2]


def test_round_trip_and_older_plans(plan: Plan) -> None:
    """A plan is what its JSON says; pools without a phase do both."""
    stored = json.loads(json.dumps(plan.to_dict()))
    assert Plan.from_dict(stored) == plan
    whole = stored["fleet"]["pools"][0]
    for key in ("phase", "partner", "link"):
        del whole[key]
    with pytest.raises(InputError, match=r"fleet.pools\[1\].partner: no pool of these lengths"):
        Plan.from_dict(stored)


def test_a_saved_plan_is_verified_again(plan: Plan) -> None:
    again = verify(Plan.from_dict(json.loads(json.dumps(plan.to_dict()))),
                   plan.problem.verification.model_copy(update={"seed": 5}))  # fmt: skip
    assert again.verification is not None
    assert again.verification.verdict == "pass"
    assert again.fleet == plan.fleet


def test_the_whole_fleet_is_simulated_with_its_links(plan: Plan) -> None:
    """Another way through the simulator, all pairs at once: the same P99 and no KV lost."""
    stated = plan_statement(plan).model_copy(update={"n_req": 8000, "replications": 4})
    found = simulate(stated)
    assert [link.source for link in found.links] == ["pool-1-prefill", "pool-2-prefill"]
    assert all(link.lost_gb == 0.0 for link in found.links)
    assert plan.verification is not None
    for name, ours in zip(plan.fleet.pools, plan.verification.pools, strict=True):
        pool = next(p for p in found.pools if p.requests.name.endswith(name.name))
        if name.phase == "prefill":
            seen = pool.requests.latency_ms["ttft"]["p99"].estimate
            assert seen == pytest.approx(ours.p99_ttft_ms.estimate, rel=0.1)


def test_no_pair_is_fast_enough() -> None:
    with pytest.raises(InfeasibleError, match="the prefill and transfer of long prompts"):
        solve(problem(slo=["p99 ttft 5", "p99 tpot 50"]))


def test_prompts_in_batches() -> None:
    """Batches share the fixed part of an iteration: fewer replicas, the same in every run."""
    alone, batched = (
        solve(
            problem(
                prefill_batch=most,
                arrival_rate=120.0,
                slo=["p99 ttft 500"],
                thresholds=[],
                verification={"requests": 20_000, "top": 1},
            )
        )
        for most in (1, 16)
    )
    counts = [plan.fleet.pools[0].replicas for plan in (alone, batched)]
    assert counts[1] < counts[0]
    assert batched.fleet.pools[0].slots == 16
    assert batched.verification is not None
    assert batched.verification.verdict == "pass"
    stated = plan_statement(batched)
    assert [pool.max_batch for pool in stated.pools] == [16, None]


def test_the_most_requests_of_a_power_cap() -> None:
    """Provisioned power of both phases, one that prefills as with a full batch."""
    plan = solve(
        problem(objective="rate", power_kw=2.5, thresholds=[], verification={"enabled": False})
    )
    assert plan.objective is not None
    rate, curve = plan.objective.value, Case.of(plan.problem).profiles[0].power
    assert curve is not None
    drawn = sum(
        pool.gpus * curve.watts(512 if pool.phase == "prefill" else pool.slots)
        for pool in plan.fleet.pools
    )
    assert drawn <= 2500.0
    more = problem(arrival_rate=1.01 * rate, power_kw=2.5, thresholds=[])
    with pytest.raises(InfeasibleError):
        solve(more)
