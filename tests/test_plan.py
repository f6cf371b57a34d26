"""The stable JSON form of a plan, there and back."""

import copy
import json
from pathlib import Path

import pytest

from fleetopt.errors import InputError
from fleetopt.plan import SCHEMA, Plan

STORED = Path(__file__).parent / "data" / "plan.json"


@pytest.fixture
def stored():
    """The JSON form of a verified plan with two pools."""
    return json.loads(STORED.read_text())


def faults_of(data):
    with pytest.raises(InputError) as caught:
        Plan.from_dict(data, "plan.json")
    return [str(fault) for fault in caught.value.faults]


def test_a_plan_survives_the_round_trip(stored):
    assert json.loads(json.dumps(Plan.from_dict(stored).to_dict())) == stored


def test_a_plan_from_before_spare_replicas_reads_as_one_without_any(stored):
    for pool in stored["fleet"]["pools"]:
        del pool["spare_replicas"]
    del stored["problem"]["availability"]
    plan = Plan.from_dict(stored)
    assert [pool.bought for pool in plan.fleet.pools] == [p.replicas for p in plan.fleet.pools]
    assert plan.problem.availability == 1.0


def test_a_plan_from_before_traces_reads_as_verified_at_poisson_arrivals(stored):
    del stored["verification"]["trace"]
    for row in stored["status"]["refused_rows"]:
        del row["needs"]
    plan = Plan.from_dict(stored)
    assert plan.verification.trace is None
    assert all(row.needs is None for row in plan.status.refused_rows)


def test_the_schema_comes_first_and_the_documented_keys_are_there(stored):
    data = Plan.from_dict(stored).to_dict()
    assert next(iter(data.items())) == ("schema", SCHEMA)
    assert set(data) >= {"problem", "status", "fleet", "cost", "prediction", "verification",
                         "alternatives", "provenance"}  # fmt: skip
    assert set(data["fleet"]["pools"][0]) >= {"name", "lo_tokens", "hi_tokens", "gpu", "profile",
        "replicas", "gpus", "slots", "admission", "compression", "arrival_rate"}  # fmt: skip
    assert set(data["verification"]["pools"][0]) >= {"p99_ttft_ms", "slo_attainment", "arrivals",
        "completed", "rejected", "unfinished"}  # fmt: skip


@pytest.mark.parametrize("data", [[], "plan", None, {}, {"schema": "fleetopt.plan/0"}])
def test_another_schema_is_refused_with_a_hint(data):
    (fault,) = faults_of(data)
    assert fault.startswith("plan.json, schema: expected 'fleetopt.plan/1'")
    assert "fleetopt solve --format json" in fault


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        # wrong types and unknown words
        (("fleet", "pools", 0, "replicas"), "three", "fleet.pools[0].replicas"),
        (("verification", "verdict"), "passed", "verification.verdict"),
        # values that no fleet has
        (("fleet", "pools", 0, "replicas"), 0, "fleet.pools[0].replicas"),
        (("fleet", "pools", 1, "slots"), -1, "fleet.pools[1].slots"),
        (("fleet", "pools", 1, "spare_replicas"), -1, "fleet.pools[1].spare_replicas"),
        (("fleet", "pools", 1, "arrival_rate"), float("nan"), "fleet.pools[1].arrival_rate"),
        (("fleet", "pools", 1, "lo_tokens"), 65536, "fleet.pools[1]"),
        (("fleet", "pools", 0, "compression"), 0.9, "fleet.pools[0].compression"),
        (("fleet", "pools", 0, "compression"), 1000.0, "fleet.pools[0].compression"),
        (("fleet", "pools", 1, "compression"), 1.1, "fleet.pools[1].compression"),
        # lists that do not fit together
        (("prediction", "pools"), [], "prediction.pools"),
        (("verification", "pools"), [], "verification.pools"),
        # faults of the problem inside
        (("problem", "arrival_rate"), -1, "problem.arrival_rate"),
        (("problem", "cdf"), [[5, 0.5]], "problem.cdf[0] fraction"),
    ],
)
def test_faults_of_a_plan_name_their_place(stored, path, value, place):
    data = copy.deepcopy(stored)
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    (fault,) = faults_of(data)
    assert fault.startswith(f"plan.json, {place}: ")


def test_unknown_and_missing_keys_come_together(stored):
    stored["fleet"]["pools"][0]["replica"] = stored["fleet"]["pools"][0].pop("replicas")
    faults = faults_of(stored)
    assert "plan.json, fleet.pools[0].replicas: this key is required" in faults
    assert any("did you mean 'replicas'?" in fault for fault in faults)
    assert len(faults) == 2
