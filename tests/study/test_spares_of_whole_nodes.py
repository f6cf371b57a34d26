"""Spare replicas for nodes that fail as a whole: bought, said, written down and simulated."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleetopt import FleetProblem, Plan, solve
from fleetopt.cli import main
from fleetopt.problem import AVAILABILITIES
from fleetopt.questions.difference import compare
from fleetopt.questions.fleets import plan_statement
from fleetopt.report.console import render
from fleetopt.report.plan_report import plan_report

AZURE = {"cdf": "azure", "max_context": 8192, "gpus": ["h100"], "arrival_rate": 200.0}


def plan(**keys: object) -> Plan:
    """An unverified plan of Azure's requests on H100 unless the keys say otherwise."""
    stated = {**AZURE, "verification": {"enabled": False}, **keys}
    return solve(FleetProblem.model_validate(stated))


@pytest.fixture(scope="module")
def failing() -> Plan:
    """One pool of 13, on nodes of eight of which each is down two days in 154."""
    return plan(failures="0.0065:48h", max_pools=1)


def test_a_pool_outlasts_the_loss_of_a_node(failing: Plan) -> None:
    """13 must be up: 21 lie on three nodes, and two of them are down 1 - (3 A^2 - 2 A^3)."""
    (pool,), (seen,) = failing.fleet.pools, failing.prediction.pools
    assert (pool.replicas, pool.bought, pool.gpus) == (13, 21, 21)
    up = 1 / (1 + 0.0065 * 2)
    assert seen.enough_up == pytest.approx(3 * up**2 - 2 * up**3)
    assert seen.enough_up >= 0.999


def test_rates_and_availability_say_the_same(failing: Plan) -> None:
    """So does the name of the published figure, in any case of its letters."""
    for stated in (1 / (1 + 0.0065 * 2), "A100_AVAIL_RSC1_SLOW", "a100_avail_rsc1_slow"):
        same = plan(availability=stated, max_pools=1)
        assert (same.fleet, same.cost) == (failing.fleet, failing.cost)
    assert FleetProblem.model_validate({"availability": "h100_avail_5pct"}).share_up == 0.95


@pytest.mark.parametrize(
    ("keys", "size", "target"),
    [
        ({}, 8, 0.999),
        ({"availability_target": 0.97}, 8, 0.97),
        ({"availability_target": 0.99999}, 8, 0.99999),
        ({"gpus_per_node": 1}, 1, 0.999),
        ({"node_size": 4}, 4, 0.999),
        ({"node_size": 4, "gpus_per_node": 8}, 8, 0.999),
        ({"slo": ["p99.9 ttft 500", "p50 ttft 400"]}, 8, 0.9999),
        ({"slo": ["p90 ttft 500"]}, 8, 0.999),
    ],
)
def test_a_pool_buys_the_fewest_that_suffice(
    keys: dict[str, object], size: int, target: float
) -> None:
    """Counted up one by one; nodes that are bought fail as such, and a stricter SLO leaves less
    time for too few.
    """
    (pool,) = plan(failures="0.0065:48h", max_pools=1, **keys).fleet.pools
    up, fewest = 1 / (1 + 0.0065 * 2), pool.replicas
    while short_by_nodes(pool.replicas, fewest, up, size) > 1 - target:
        fewest += 1
    assert pool.bought == fewest


def test_the_mean_buys_the_published_number() -> None:
    """One more; it says nothing of nodes."""
    (pool,) = plan(failures="0.0065:48h", max_pools=1, availability_rule="mean").fleet.pools
    assert (pool.replicas, pool.bought) == (13, 14)


def test_each_pool_has_nodes_of_its_own() -> None:
    """Two pools of one type: each keeps the target by itself, and both count as cost."""
    found = plan(availability=0.95, thresholds=[2048], gpus_per_node=4)
    assert len(found.fleet.pools) == 2
    for pool, seen in zip(found.fleet.pools, found.prediction.pools, strict=True):
        assert short_by_nodes(pool.replicas, pool.bought, 0.95, 4) <= 0.001
        assert short_by_nodes(pool.replicas, pool.bought - 1, 0.95, 4) > 0.001
        assert seen.enough_up is not None
        assert seen.enough_up >= 0.999
    assert found.fleet.gpus == sum(pool.bought for pool in found.fleet.pools)


def short_by_nodes(replicas: int, bought: int, share_up: float, size: int) -> float:
    """Chance that too few are up, summed over the numbers of full nodes that are up."""
    nodes, rest = divmod(bought, size)
    chance = 0.0
    for up in range(nodes + 1):
        full = math.comb(nodes, up) * share_up**up * (1 - share_up) ** (nodes - up)
        with_rest, without = up * size + rest < replicas, up * size < replicas
        chance += full * (share_up * with_rest + (1 - share_up) * without)
    return chance


def test_the_report_says_why_so_many(failing: Plan) -> None:
    """The node, the target, what is left, and what the mean would leave."""
    text = " ".join(render(plan_report(failing, 100), 100).split())
    assert "a node of 8 GPUs is up 98.7167 % of the time and fails as a whole" in text
    assert "pool-1 buys 21 replicas, of which 13 must be up" in text
    assert "fewer are up 0.049 % of the time" in text
    assert "with the 14 that are enough on average it would be 2.55 %" in text


def test_a_plan_file_states_how_often_enough_are_up(failing: Plan) -> None:
    """With the rates, so that it reads back as the same plan."""
    written = json.loads(json.dumps(failing.to_dict()))
    (pool,) = written["prediction"]["pools"]
    assert pool["enough_up"] == failing.prediction.pools[0].enough_up
    assert written["problem"]["failures"] == {"per_node_day": 0.0065, "repair_s": 172_800.0}
    assert Plan.from_dict(written) == failing


def test_a_difference_in_failures_is_told_as_it_is_stated(failing: Plan) -> None:
    """As rates, with the cost of the spare replicas."""
    (step,) = compare(plan(max_pools=1), failing).steps
    assert (step.key, step.before, step.after) == ("failures", "not set", "0.0065:48h")
    assert step.alone_usd_per_year == pytest.approx(failing.cost.usd_per_year)


def test_spare_replicas_serve_where_nodes_fail(failing: Plan) -> None:
    """A simulation of the plan has those that must be up, or with failures all of them."""
    (pool,) = plan_statement(failing).pools
    (all_of_them,) = plan_statement(failing, with_spares=True).pools
    assert (pool.n_gpus, all_of_them.n_gpus) == (13, 21)


def test_simulate_takes_the_spare_replicas_with_failures(failing: Plan, tmp_path: Path) -> None:
    """On the command line the option decides, and nodes are as large as the plan's."""
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(failing.to_dict()))
    for options, replicas in (([], 13), (["--failures", "100:1m"], 21)):
        said = CliRunner().invoke(
            main.cli,
            ["simulate", str(file), *options, "--n-req", "20000", "--replications", "2",
             "--format", "json"],
        )  # fmt: skip
        (pool,) = json.loads(said.stdout)["pools"]
        assert pool["replicas"] == replicas


def test_published_names_are_those_of_the_published_figures() -> None:
    """To the digits that are published."""
    assert dict(AVAILABILITIES) == pytest.approx(
        {"A100_AVAIL_RSC1_FAST": 0.9989, "A100_AVAIL_RSC1_SLOW": 0.9872, "H100_AVAIL_5PCT": 0.95},
        abs=5e-5,
    )
