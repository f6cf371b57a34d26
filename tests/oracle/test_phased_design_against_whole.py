"""The lazy program with phases apart against the one with every pool and every pair."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest
from enumeration import Problem, cost
from phased import phased_fleets

from fleetopt.case import Case
from fleetopt.optimization.design import Design
from fleetopt.optimization.goals import COST
from fleetopt.optimization.lazily import LazyDesign
from fleetopt.optimization.options import ArcOptions
from fleetopt.optimization.shortest_path import shortest_path
from fleetopt.optimization.uses import Use
from fleetopt.problem import FleetProblem
from fleetopt.queueing.phase_floor import PhaseFloors


def phased_case(seed: int, objective: str = "cost", e2e: bool = False) -> Case:
    """Three or four points, links at random speeds, bounds that often bite."""
    rng = random.Random(f"phased {seed}")
    tokens = sorted(rng.sample(range(256, 12_000), rng.randint(3, 4)))
    cuts = sorted(rng.random() for _ in tokens[1:])
    speeds = [f"{rng.choice((2.0, 12.5, 50.0)):g}:{a}:{b}"
              for a, b in product(("a100", "h100"), repeat=2) if rng.random() < 0.8]  # fmt: skip
    return Case.of(
        FleetProblem.model_validate(
            {
                "cdf": {"cdf": [list(pair) for pair in zip(tokens, [*cuts, 1.0], strict=True)]},
                "gpus": ["a100", "h100"],
                "arrival_rate": rng.uniform(2.0, 80.0),
                "slo": [
                    f"p99 ttft {rng.choice([40, 150, 500])}",
                    "p99 tpot 60",
                    *([f"p99 e2e {rng.choice([15_000, 25_000, 40_000])}"] if e2e else []),
                ],
                "objective": objective,
                "max_pools": rng.randint(1, 2),
                "phases": rng.choice(["apart", "either"]),
                "links": speeds or ["50"],
                "gammas": rng.choice([[1.0], [1.0, 1.5]]),
                "prefill_batch": rng.choice([1, 1, 4, 32]),
            }
        )
    )


@pytest.mark.parametrize("seed", range(8))
def test_lazily_as_with_everything(seed: int) -> None:
    """Cost by the lazy program, by the whole one, by a shortest path and by enumeration."""
    case = phased_case(seed)
    lazy, whole = LazyDesign(case, grey=False), Design(case, grey=False, extra_rows=0)
    best = whole.optimum()
    assert lazy.optimum().usd_per_hour == pytest.approx(best.usd_per_hour)
    points, most = len(case.nodes), case.problem.max_pools
    path = shortest_path(whole.candidates, points, most)
    assert path.cost == pytest.approx(best.usd_per_hour)
    every = phased_fleets(Problem(whole.candidates, points, most))
    assert best.usd_per_hour == pytest.approx(cost(every[0]) if every else np.inf)
    for gpu in ("a100", "h100"):
        ours, theirs = lazy.best_of_type(gpu), whole.best_of_type(gpu)
        assert ours.usd_per_hour == pytest.approx(theirs.usd_per_hour)


@pytest.mark.parametrize(
    ("objective", "e2e", "seed"),
    [
        ("cost", True, 1), ("gpus", False, 0), ("energy", False, 0), ("energy", False, 3),
        *(pytest.param(objective, True, seed, marks=pytest.mark.slow)
          for objective in ("cost", "energy") for seed in (0, 1, 4, 5, 6)),
    ],
)  # fmt: skip
def test_bounds_on_e2e_and_other_objectives(objective: str, e2e: bool, seed: int) -> None:
    """By the lazy program and by the whole one, which has a pair for every division of E2E."""
    case = phased_case(seed, objective, e2e)
    lazy, whole = LazyDesign(case, grey=False), Design(case, grey=False)
    best = whole.optimum()
    assert best.chosen
    assert lazy.optimum().objective == pytest.approx(best.objective)


@pytest.mark.parametrize("seed", range(3))
def test_gpus_by_enumeration(seed: int) -> None:
    """The fewest GPUs of all fleets."""
    case = phased_case(seed, "gpus")
    whole = Design(case, grey=False, extra_rows=0)
    every = phased_fleets(Problem(whole.candidates, len(case.nodes), case.problem.max_pools))
    least = min((sum(c.gpus(row) for c, row in pools) for pools in every), default=np.inf)
    assert whole.optimum().objective == pytest.approx(least)


@pytest.mark.parametrize("seed", range(0, 8, 3))
def test_floors_are_below_every_cost(seed: int) -> None:
    """What an arc is taken to cost before it is looked at is no more than it does."""
    case = phased_case(seed)
    options = ArcOptions(case, case.arcs())
    apart = options.floors_apart(Use.of_goal(COST), PhaseFloors(case, case.arcs()))
    for way, floors in enumerate(apart, start=len(options) - len(apart)):
        for arc, floor in enumerate(floors):
            if not np.isfinite(floor):
                continue
            least = [offer.table.min_replicas() for offer in options.offers(way, arc)]
            if None not in least:
                prices = [o.table.profile.usd_per_hour for o in options.offers(way, arc)]
                true = sum(p * n for p, n in zip(prices, least, strict=True))
                assert floor <= true * (1.0 + 1e-9)
