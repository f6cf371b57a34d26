"""Fleets on one model, from random engine configurations to the optimum, against enumeration.

Three ways to each optimum: all fleets one by one, the program over every candidate, and the
design that evaluates a candidate only when it may be part of the answer.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest
from enumeration import Problem, cost, fleets

from fleetopt.case import Case
from fleetopt.catalog import read_machines
from fleetopt.errors import InputError
from fleetopt.optimization.design import Design
from fleetopt.optimization.lazily import LazyDesign
from fleetopt.problem import FleetProblem

GPUS = ("a100", "h100", "h200", "l40s", "a10g")
LLMS = ("llama-3.1-8b", "mistral-7b", "mixtral-8x7b", "llama-3.1-70b")


def random_case(seed: int, folder: Path, **keys: object) -> Case | None:
    """A model on one or two GPUs at random prices; None if nothing runs it."""
    rng = random.Random(seed)
    tokens = sorted(rng.sample(range(64, 16_000), rng.randint(2, 4)))
    cuts = sorted(rng.random() for _ in tokens[1:])
    gpus = rng.sample(GPUS, rng.randint(1, 2))
    prices = [
        {"gpu": gpu, "usd_per_hour": round(rng.uniform(0.5, 5.0), 2), "date": "2026-01-01",
         "source": "drawn"}
        for gpu in gpus
    ]  # fmt: skip
    sheet = folder / f"prices{seed}.json"
    sheet.write_text(json.dumps({"schema": "fleetopt.catalogue/1", "prices": prices}))
    stated = FleetProblem.model_validate(
        {
            "model": rng.choice(LLMS),
            "gpus": gpus,
            "catalogs": [str(sheet)],
            "engine": {
                "tp": sorted(rng.sample([1, 2, 4, 8], rng.randint(1, 3))),
                "pp": rng.choice([[1], [1, 2]]),
                "weights": rng.choice([["bf16"], ["bf16", "fp8"], ["int4"]]),
                "max_num_seqs": rng.choice([[256], [16, 128]]),
                "admission": rng.choice([["reserved"], ["reserved", "paged"]]),
            },
            "cdf": {"cdf": [list(pair) for pair in zip(tokens, [*cuts, 1.0], strict=True)]},
            "arrival_rate": rng.uniform(0.5, 60.0),
            "slo": [{"limit_ms": rng.choice([150.0, 300.0, 600.0])}],
            "max_pools": rng.randint(1, 3),
            **keys,
        }
    )
    try:
        return Case.of(stated)
    except InputError:
        return None


@pytest.mark.parametrize(
    ("seeds", "wanted"), [(range(30), 2), pytest.param(range(30, 90), 11, marks=pytest.mark.slow)]
)
def test_the_optimum_is_the_cheapest_of_all_fleets(
    seeds: range, wanted: int, tmp_path: Path
) -> None:
    """Program, lazy design and enumeration find the same cost, until so many have a fleet.

    The program needs every table: `pytest -m slow` takes a minute for the rest of them.
    """
    solved = 0
    for seed in seeds:
        if solved == wanted:
            break
        case = random_case(seed, tmp_path)
        if case is None:
            continue
        design = Design(case, grey=False, extra_rows=0)
        most = case.problem.max_pools
        every = fleets(Problem(design.candidates, len(case.nodes), most))
        least = cost(every[0]) if every else math.inf
        assert design.optimum().usd_per_hour == pytest.approx(least)
        lazy = LazyDesign(case, grey=False, extra_rows=0)
        found = lazy.optimum()
        assert found.usd_per_hour == pytest.approx(least)
        cheapest = [fleet for fleet in every if cost(fleet) == pytest.approx(least)]
        assert len(found.chosen) == min(map(len, cheapest), default=0)
        assert {p.profile for p in design.candidates} <= {p.name for p in case.profiles}
        solved += bool(every)
    assert solved == wanted


@pytest.mark.parametrize(
    "seeds", [range(100, 102), pytest.param(range(102, 109), marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    "limit", [{"max_gpus": 16}, {"node_size": 8}, {"min_replicas": 2}], ids=lambda keys: min(keys)
)
def test_the_lazy_design_keeps_limits(
    limit: dict[str, object], seeds: range, tmp_path: Path
) -> None:
    """With a limit it finds what the program over every candidate finds; so are the next best."""
    for seed in seeds:
        case = random_case(seed, tmp_path, **limit)
        if case is None:
            continue
        whole = Design(case, grey=False, extra_rows=0)
        lazy = LazyDesign(case, grey=False, extra_rows=0)
        assert lazy.optimum().usd_per_hour == pytest.approx(whole.optimum().usd_per_hour)
        costs = [solution.usd_per_hour for solution in whole.best(3)]
        assert [solution.usd_per_hour for solution in lazy.best(3)] == pytest.approx(costs)


def test_pools_fill_whole_nodes(tmp_path: Path) -> None:
    """Replicas of several GPUs stand on nodes; each type's GPUs are paid for in whole ones."""
    machines = read_machines()
    for seed in range(6):
        case = random_case(seed, tmp_path, node_size=8, gpus=["h100"], catalogs=[])
        if case is None:
            continue
        solution = LazyDesign(case, grey=False).optimum()
        used = sum(c.gpus(row) for c, row in solution.chosen)
        paid = 8 * math.ceil(used / 8) * machines.gpus["h100"].usd_per_hour
        assert not solution.chosen or solution.usd_per_hour == pytest.approx(paid)
