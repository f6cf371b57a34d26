"""Plans for the least energy or carbon, and what every plan says of its energy."""

from __future__ import annotations

import pytest

from fleetopt import FleetProblem, Plan, solve
from fleetopt.case import Case
from fleetopt.catalog import read_profiles
from fleetopt.errors import InputError
from fleetopt.problem import FleetSimulation, PoolStatement, validate
from fleetopt.questions.energy.simulated import kilowatts
from fleetopt.questions.fleets import scenario_of
from fleetopt.questions.fleets.simulating import simulate_scenario

STATED = {
    "cdf": "azure",
    "max_context": 8192,
    "overlong": "clip",
    "max_pools": 2,
    "electricity_usd_per_kwh": 0.12,
    "carbon_g_per_kwh": 380.0,
    "pue": 1.25,
    "verification": {"enabled": False},
}


def plan_for(**changed: object) -> Plan:
    return solve(FleetProblem.model_validate({**STATED, **changed}))


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    goals = ("cost", "energy", "carbon", "cost+energy")
    return {goal: plan_for(objective=goal) for goal in goals}


def test_each_objective_is_least_in_its_own_plan(plans: dict[str, Plan]) -> None:
    seen = {name: plan.prediction.energy for name, plan in plans.items()}
    kwh = {name: energy.kwh_per_year for name, energy in seen.items() if energy}
    assert kwh["energy"] == pytest.approx(min(kwh.values()))
    assert kwh["carbon"] == pytest.approx(kwh["energy"])
    assert kwh["energy"] < 0.99 * kwh["cost"], "cheap replicas are not the thriftiest"
    usd = {name: plan.cost.usd_per_year for name, plan in plans.items()}
    assert usd["cost"] == pytest.approx(min(usd.values()))
    both = {name: usd[name] + 0.12 * kwh[name] for name in kwh}
    assert both["cost+energy"] == pytest.approx(min(both.values()))


def test_the_objective_is_the_prediction(plans: dict[str, Plan]) -> None:
    """In its units, the same number twice."""
    for name, plan in plans.items():
        energy = plan.prediction.energy
        assert energy is not None
        assert energy.kwh_per_year == pytest.approx(8760.0 * 1.25 * energy.mean_kw)
        assert energy.co2_kg_per_year == pytest.approx(0.38 * energy.kwh_per_year)
        assert energy.electricity_usd_per_year == pytest.approx(0.12 * energy.kwh_per_year)
        values = {
            "energy": energy.kwh_per_year,
            "carbon": 0.38 * energy.kwh_per_year / 1000.0,
            "cost+energy": plan.cost.usd_per_year + 0.12 * energy.kwh_per_year,
        }
        if plan.objective is None:
            assert name == "cost"
        else:
            assert plan.objective.name == name
            assert plan.objective.value == pytest.approx(values[name])


def test_energy_of_tokens(plans: dict[str, Plan]) -> None:
    """Joules and dollars over the output tokens of an hour, counted from the lengths."""
    plan = plans["cost+energy"]
    energy = plan.prediction.energy
    assert energy is not None
    lengths = Case.of(plan.problem).lengths
    tokens = 100.0 * 3600.0 * float(lengths.weights @ lengths.output_tokens)
    hourly = (plan.cost.usd_per_year + 0.12 * energy.kwh_per_year) / 8760.0
    assert energy.joules_per_output_token == pytest.approx(3600e3 * 1.25 * energy.mean_kw / tokens)
    assert energy.usd_per_million_output_tokens == pytest.approx(1e6 * hourly / tokens)


def test_the_simulator_draws_the_same(plans: dict[str, Plan]) -> None:
    """Within 3 % of what the tables predict for the whole fleet."""
    plan = plans["energy"]
    pools = tuple(
        PoolStatement(id=pool.name, gpu=pool.profile, n_gpus=pool.gpus, max_ctx=pool.hi_tokens)
        for pool in plan.fleet.pools
    )
    stated = {
        "pools": pools, "cdf": plan.problem.cdf, "lam": 100.0, "slo": plan.problem.slo,
        "n_req": 8_000, "replications": 3,
    }  # fmt: skip
    seen = simulate_scenario(scenario_of(validate(FleetSimulation, stated, "")))
    assert plan.prediction.energy is not None
    drawn = kilowatts(seen.runs).estimate
    assert plan.prediction.energy.mean_kw == pytest.approx(drawn, rel=0.03)


def test_a_plan_with_energy_is_read_back(plans: dict[str, Plan]) -> None:
    plan = plans["carbon"]
    assert Plan.from_dict(plan.to_dict()).to_dict() == plan.to_dict()


def test_without_a_price_there_is_no_electricity() -> None:
    energy = plan_for(electricity_usd_per_kwh=None, carbon_g_per_kwh=None).prediction.energy
    assert energy is not None
    assert energy.electricity_usd_per_year is None
    assert energy.co2_kg_per_year is None


def test_a_profile_without_power_is_named() -> None:
    """For the cost nobody asks for it."""
    dark = read_profiles()["h100"].model_copy(update={"name": "dark", "power": None})
    changed = {"gpus": ("dark",), "profiles": (dark,)}
    assert plan_for(**changed).prediction.energy is None
    with pytest.raises(InputError, match="profile 'dark', power: it has no power model"):
        plan_for(objective="energy", **changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"objective": "carbon", "carbon_g_per_kwh": None}, "carbon needs carbon_g_per_kwh"),
        ({"objective": "cost+energy", "electricity_usd_per_kwh": None}, "needs electricity_usd"),
        ({"objective": "energy", "method": "published"}, "knows no occupancy"),
        ({"electricity_usd_per_kwh": -0.1}, "greater than or equal to 0"),
        ({"carbon_g_per_kwh": -1.0}, "greater than or equal to 0"),
        ({"pue": 0.9}, "greater than or equal to 1"),
    ],
)
def test_impossible_statements_are_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FleetProblem.model_validate({**STATED, **changed})
