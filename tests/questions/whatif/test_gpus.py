"""Fleets of several GPUs: each pool by itself, the pairs, the order, and the program."""

from __future__ import annotations

import pytest

from fleetopt.problem import WhatIf
from fleetopt.questions.whatif.asked import pools_over_rates
from fleetopt.questions.whatif.gpus import GpuComparison, compare_gpus

NAMES = ("a10g", "a100", "h100")
STATED = WhatIf(cdf="azure", long_max_ctx=8192, lam_range=(60.0, 100.0), gpu_compare=NAMES)


@pytest.fixture(scope="module")
def compared() -> GpuComparison:
    """Three GPUs at two rates."""
    return compare_gpus(STATED)


def test_every_gpu_and_every_pair_is_there_once(compared: GpuComparison) -> None:
    for lam in STATED.rates:
        fleets = compared.at(lam)
        assert [f.layout for f in fleets].count("homo") == 3
        assert [f.layout for f in fleets].count("two-pool") == 3
        pairs = {
            (f.short.size.gpu.name, f.long.size.gpu.name) for f in fleets if f.short and f.long
        }
        assert pairs == {(a, b) for a in NAMES for b in NAMES}
        assert len(fleets) == 12


def test_pairs_are_those_that_the_two_pool_question_sizes(compared: GpuComparison) -> None:
    for fleet in compared.fleets:
        if fleet.short is None or fleet.long is None:
            continue
        names = (fleet.short.size.gpu.name, fleet.long.size.gpu.name)
        alone = STATED.model_copy(
            update={"gpu_short": names[0], "gpu_long": names[1], "gpu_compare": ()}
        )
        _, sizes = pools_over_rates(alone)
        short, long = sizes.at(fleet.lam).split(STATED.b_short)
        assert short is not None
        assert long is not None
        assert (fleet.short.replicas, fleet.long.replicas) == (short.replicas, long.replicas)
        assert fleet.usd_per_year == pytest.approx(
            8760.0 * (short.usd_per_hour + long.usd_per_hour)
        )


def test_one_pool_is_that_of_a_split_at_the_largest_context(compared: GpuComparison) -> None:
    for fleet in compared.fleets:
        if fleet.whole is None:
            continue
        alone = WhatIf(
            cdf="azure",
            b_short=8192,
            long_max_ctx=8192,
            gpu_short=fleet.gpu,
            lam=fleet.lam,
        )
        _, sizes = pools_over_rates(alone)
        short, long = sizes.split(8192)
        assert long is None
        assert short is not None
        assert fleet.whole.replicas == short.replicas


def test_order(compared: GpuComparison) -> None:
    """Fleets that keep the bound come first, and the cheapest of them is the first."""
    for lam in STATED.rates:
        order = [(not f.meets, round(f.usd_per_year, 2)) for f in compared.at(lam)]
        assert order == sorted(order)


def test_the_program_is_never_dearer(compared: GpuComparison) -> None:
    """The program may split where this question does, with the same tables."""
    solved = compare_gpus(STATED.model_copy(update={"lam_range": (100.0,)}), solve=True)
    plan = solved.plans[100.0]
    assert plan is not None
    assert plan.verification is None
    assert plan.cost.usd_per_year <= compared.at(100.0)[0].usd_per_year + 1e-6


def test_a_gpu_that_no_fleet_can_use_is_last() -> None:
    """Long prompts of LMSYS take A10G and A100 longer than the bound: their pairs miss it."""
    found = compare_gpus(WhatIf(cdf="lmsys", lam=100.0, gpu_compare=NAMES))
    for fleet in found.fleets:
        slow = fleet.long is not None and fleet.long.size.gpu.name != "h100"
        assert fleet.meets is not slow


def test_simulated_fleets() -> None:
    """The least H100 that pass twice; where the table is right, those are the table's."""
    stated = WhatIf(cdf="azure", long_max_ctx=8192, lam=30.0, gpu_compare=("h100",))
    simulated, by_table = compare_gpus(stated, simulate=True), compare_gpus(stated)
    assert simulated.is_simulated
    for fleet in simulated.fleets:
        assert fleet.meets
        for pool in fleet.pools:
            assert pool.accepted is not None
            low = pool.accepted.said.slo_attainment.low
            assert low is not None
            assert low > 0.99
    assert {f.layout: f.gpus for f in simulated.fleets} == {
        f.layout: f.gpus for f in by_table.fleets
    }
