"""The least replicas by utilization, many pools at once, against the tables one by one."""

from __future__ import annotations

import random

import pytest

from fleetopt.case import Case
from fleetopt.optimization.design import arcs_on, maker
from fleetopt.problem import FleetProblem
from fleetopt.queueing.floor import RowFloors, rounded, utilization_floor


@pytest.mark.parametrize("admission", ["reserved", "paged"])
@pytest.mark.parametrize("workload", ["azure", "lmsys", "agent_heavy"])
def test_no_row_has_fewer_replicas(workload: str, admission: str) -> None:
    """The floor is what the table says of utilization, and its rows begin there or above."""
    case = Case.of(
        FleetProblem.model_validate(
            {"cdf": workload, "gammas": [1.2, 2.0], "admission": admission, "arrival_rate": 37.0}
        )
    )
    rng = random.Random(workload + admission)
    for profile in case.profiles:
        pools = rng.sample(arcs_on(case, profile), 12)
        floor = utilization_floor(case, profile, pools)
        for what, least in zip(pools, floor.tolist(), strict=True):
            table = maker(case, profile)(what, case.pool_rate(what))
            assert table.utilization(least) <= 0.85 * (1 + 1e-8)
            assert least == 1 or table.utilization(least - 1) > 0.85
            found = table.min_replicas(grey=True)
            assert found is None or found >= least


@pytest.mark.parametrize(
    ("model", "gpu", "workload", "budget", "slo"),
    [
        ("llama-3.1-70b", "h100", "azure", 8192, "p99 ttft 2000"),
        ("llama-3.1-8b", "h200", "lmsys", 512, "p99 ttft 300"),
        ("qwen3-32b", "a100", "azure", 2048, "p50 tpot 40"),
    ],
)
def test_floors_hold_where_prompts_take_time(
    model: str, gpu: str, workload: str, budget: int, slo: str
) -> None:
    """The table of computed profiles has no admissible row below the floor of its pool."""
    rng = random.Random(model + workload)
    engine = {"tp": [4], "token_budget": budget, "max_num_seqs": [16, 256],
              "admission": ["reserved", "paged"], "name": rng.choice(["vllm", "none"])}  # fmt: skip
    case = Case.of(
        FleetProblem.model_validate(
            {"model": model, "gpus": [gpu], "cdf": workload, "engine": engine, "slo": [slo],
             "arrival_rate": rng.uniform(2.0, 25.0), "max_context": 16384, "overlong": "clip"}
        )
    )  # fmt: skip
    for profile in case.profiles:
        pools = rng.sample(arcs_on(case, profile), 2)
        floors = RowFloors(case, pools)
        pairs = zip(
            pools, floors.least([profile])[0], rounded(floors.busy([profile])[0]), strict=True
        )
        for what, least, busy in pairs:
            table = maker(case, profile)(what, case.pool_rate(what))
            assert busy == 1 or table.utilization(int(busy) - 1) > 0.85
            found = table.min_replicas(grey=True)
            assert found is None or found >= least
