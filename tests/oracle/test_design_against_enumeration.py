"""The whole way from random distributions and prices to the optimum, against enumeration."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from fractions import Fraction

import pytest
from enumeration import Problem, cost, fleets

from fleetopt.case import Case
from fleetopt.optimization.design import Design
from fleetopt.optimization.shortest_path import shortest_path
from fleetopt.problem import FleetProblem


def random_case(seed: int) -> Case:
    """Three to six points, the profiles at random prices, a rate and a limit that bite."""
    rng = random.Random(seed)
    tokens = sorted(rng.sample(range(64, 16_000), rng.randint(3, 6)))
    cuts = sorted(rng.random() for _ in tokens[1:])
    gpus = rng.sample(["a10g", "a100", "h100"], rng.randint(1, 2))
    stated = FleetProblem.model_validate(
        {
            "cdf": {"cdf": [list(pair) for pair in zip(tokens, [*cuts, 1.0], strict=True)]},
            "gpus": gpus,
            "arrival_rate": rng.uniform(0.5, 60.0),
            "slo": [{"limit_ms": rng.choice([80.0, 200.0, 500.0])}],
            "max_pools": rng.randint(1, 3),
            "admission": rng.choice(["reserved", "paged"]),
        }
    )
    case = Case.of(stated)
    specs = [
        profile.spec.model_copy(update={"usd_per_hour": round(rng.uniform(0.5, 5.0), 2)})
        for profile in case.profiles
    ]
    return Case.of(stated.model_copy(update={"profiles": tuple(specs)}))


@pytest.mark.parametrize("seed", range(0, 200, 4))
def test_the_optimum_with_spare_replicas(seed: int) -> None:
    """The cheapest of all fleets when the cost of each is counted anew with ceil(n / A)."""
    case = random_case(seed)
    share = random.Random(f"availability {seed}").uniform(0.6, 0.999)
    points, most = len(case.breakpoints), case.problem.max_pools
    plain = Design(case, grey=False, extra_rows=0)
    costs = [
        sum(c.usd_per_hour * math.ceil(row.replicas / Fraction(share)) for c, row in pools)
        for pools in fleets(Problem(plain.candidates, points, most))
    ]
    stated = case.problem.model_copy(update={"availability": share, "availability_rule": "mean"})
    solution = Design(replace(case, problem=stated), grey=False).optimum()
    assert solution.usd_per_hour == pytest.approx(min(costs, default=math.inf))
    for _, row in solution.chosen:
        assert row.bought == math.ceil(row.replicas / Fraction(share))


def fewest_on_nodes(replicas: int, share_up: float, target: float, size: int) -> int:
    """Replicas to buy for nodes of `size`, counted up one by one."""
    bought = replicas
    while short_on_nodes(replicas, bought, share_up, size) > (1.0 - target) * (1.0 + 1e-9):
        bought += 1
    return bought


def short_on_nodes(replicas: int, bought: int, share_up: float, size: int) -> float:
    """Chance that too few are up, summed over the full nodes that are up and the last one."""
    nodes, rest = divmod(bought, size)
    last = ((share_up, rest), (1.0 - share_up, 0))
    return sum(
        math.comb(nodes, up) * share_up**up * (1.0 - share_up) ** (nodes - up) * chance
        for up in range(nodes + 1)
        for chance, more in last
        if up * size + more < replicas
    )


@pytest.mark.parametrize("seed", range(1, 200, 8))
def test_the_optimum_where_whole_nodes_fail(seed: int) -> None:
    """The cheapest of all fleets when the spare replicas of each pool are counted anew."""
    case, rng = random_case(seed), random.Random(f"nodes {seed}")
    share, target = rng.uniform(0.8, 0.99), rng.choice((0.9, 0.999))
    size = rng.choice((2, 4, 8))
    points, most = len(case.breakpoints), case.problem.max_pools
    plain = Design(case, grey=False, extra_rows=0)
    counts = {
        c.index: fewest_on_nodes(c.rows[0].replicas, share, target, size) for c in plain.candidates
    }
    costs = [
        sum(c.usd_per_hour * counts[c.index] for c, _ in pools)
        for pools in fleets(Problem(plain.candidates, points, most))
    ]
    nodes = {"availability": share, "availability_target": target, "gpus_per_node": size}
    stated = case.problem.model_copy(update=nodes)
    solution = Design(replace(case, problem=stated), grey=False).optimum()
    assert solution.usd_per_hour == pytest.approx(min(costs, default=math.inf))
    for _, row in solution.chosen:
        assert row.bought == fewest_on_nodes(row.replicas, share, target, size)


@pytest.mark.parametrize("seed", range(200))
def test_the_optimum_is_the_cheapest_of_all_fleets(seed: int) -> None:
    """Program, enumeration and layered shortest path find the same cost."""
    case = random_case(seed)
    design = Design(case, grey=False)
    points, most = len(case.breakpoints), case.problem.max_pools
    every = fleets(Problem(design.candidates, points, most))
    solution = design.optimum()
    path = shortest_path(design.candidates, points, most)
    assert solution.usd_per_hour == pytest.approx(cost(every[0]) if every else float("inf"))
    assert path.cost == pytest.approx(solution.usd_per_hour)
    for candidate, row in solution.chosen:
        table = design.table(candidate)
        assert table.is_admissible(row.replicas)
        assert row.replicas == 1 or not table.is_admissible(row.replicas - 1)
