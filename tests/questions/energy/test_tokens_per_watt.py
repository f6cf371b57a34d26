"""Tokens per watt: definitions, contexts, counts, and what a split changes."""

from __future__ import annotations

import pytest

from fleetopt.case import Case
from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.errors import InputError
from fleetopt.problem import FleetProblem
from fleetopt.questions.energy.pools import FleetEnergy
from fleetopt.questions.energy.runs import Runs
from fleetopt.questions.energy.split import split_tokens_per_watt
from fleetopt.questions.energy.tokens_per_watt import SWEEP, cut_shares, tokens_per_watt
from fleetopt.workload.lengths import LengthDistribution

AZURE = FleetProblem(cdf="azure", arrival_rate=100.0, gpus=("h100", "a100"))


def output_rate(cdf: str, rate: float, context: int) -> float:
    lengths = LengthDistribution.from_cdf(read_lengths(cdf)[0]).clipped(context)
    return rate * lengths.mean(lengths.output_tokens)


def test_tokens_are_those_of_the_workload_over_the_draw_of_all_gpus() -> None:
    for gpu in tokens_per_watt(AZURE).gpus:
        (pool,) = gpu.fleet.pools
        expected = output_rate("azure", 100.0, 8192) / (pool.gpus * pool.watts)
        assert gpu.fleet.tokens_per_watt == pytest.approx(expected, rel=1e-9)
        price = 1e6 * pool.usd_per_hour / 3600 / output_rate("azure", 100.0, 8192)
        assert gpu.fleet.usd_per_million_tokens == pytest.approx(price, rel=1e-9)


def test_fleets_are_the_fewest_that_keep_the_slo() -> None:
    counts = [gpu.fleet.gpus for gpu in tokens_per_watt(AZURE).gpus]
    assert all(gpu.fleet.meets for gpu in tokens_per_watt(AZURE).gpus)
    fewer = tokens_per_watt(AZURE, gpus=[count - 1 for count in counts])
    for gpu in fewer.gpus:
        busy = gpu.fleet.pools[0].utilization
        assert busy > AZURE.max_utilization or not gpu.fleet.meets


def test_sweep_has_the_fewest_replicas_that_are_at_most_so_busy() -> None:
    for gpu in tokens_per_watt(AZURE, sweep=SWEEP).gpus:
        tokens = [point.fleet.tokens_per_watt for point in gpu.sweep]
        assert tokens == sorted(tokens)
        for point in gpu.sweep:
            (pool,) = point.fleet.pools
            assert pool.utilization <= point.utilization
            assert pool.utilization * pool.replicas / max(1, pool.replicas - 1) > point.utilization


def test_lengths_stay_whole_where_cutting_them_would_change_the_workload() -> None:
    azure = tokens_per_watt(AZURE)
    assert azure.context_tokens == azure.published_context_tokens == 8192
    lmsys = tokens_per_watt(AZURE.model_copy(update={"cdf": "lmsys"}))
    assert (lmsys.context_tokens, lmsys.published_context_tokens) == (65_536, 8192)
    stated = AZURE.model_copy(update={"cdf": "lmsys", "max_context": 8192})
    told = tokens_per_watt(stated)
    assert told.context_tokens == 8192
    for whole, cut in zip(lmsys.gpus, told.gpus, strict=True):
        assert whole.cut is not None
        assert whole.cut.tokens_per_watt == cut.fleet.tokens_per_watt


def test_shares_that_a_context_cuts() -> None:
    """By the lengths themselves."""
    lengths = LengthDistribution.from_cdf(read_lengths("lmsys")[0])
    requests, tokens = cut_shares(lengths, 8192)
    clipped = lengths.clipped(8192)
    assert requests == pytest.approx(clipped.clipped_share)
    kept = clipped.mean(clipped.total_tokens) / lengths.mean(lengths.total_tokens)
    assert tokens == pytest.approx(1.0 - kept, rel=1e-9)


def test_joint_outputs_count_as_they_are() -> None:
    """Long outputs of a joint table, not a fifth of the length."""
    pairs = [(100, 300, 1), (400, 100, 3)]
    cdf = {"joint": {"pairs": pairs}, "cdf": [[400, 0.25], [500, 1.0]]}
    problem = FleetProblem.model_validate(
        {"cdf": cdf, "arrival_rate": 50.0, "gpus": ["h100"], "max_context": 500}
    )
    (gpu,) = tokens_per_watt(problem).gpus
    assert gpu.fleet.pools[0].output_tokens == pytest.approx(150.0)
    assert gpu.published.pools[0].output_tokens == pytest.approx(0.2 * 475.0)


def test_split_keeps_every_request_and_token() -> None:
    """Rates and outputs of both pools add up to those of one pool."""
    found = split_tokens_per_watt(AZURE, 4096, "a10g", "h100")
    split, one = found.split.fleet, found.one_pool.fleet
    assert sum(p.arrival_rate for p in split.pools) == pytest.approx(100.0)
    for fleet in (split, one):
        tokens = sum(pool.tokens_per_s for pool in fleet.pools)
        assert tokens == pytest.approx(output_rate("azure", 100.0, 8192), rel=1e-9)
    labels = [each.fleet.label for each in found.topologies]
    assert labels == ["a10g + h100", "h100", "a10g"]
    assert found.saving == pytest.approx(1.0 - one.tokens_per_watt / split.tokens_per_watt)


def test_simulation_settles_whether_a_split_saves() -> None:
    """Energy of both fleets on the same arrivals; the table is within 3 % of it."""
    found = split_tokens_per_watt(
        AZURE.model_copy(update={"arrival_rate": 40.0}), 4096, "a10g", "h100",
        runs=Runs(requests=6_000, replications=3, seed=7),
    )  # fmt: skip
    for each in found.topologies:
        assert each.simulated is not None
        drawn = each.simulated.kilowatts.estimate
        assert each.fleet.kilowatts == pytest.approx(drawn, rel=0.03)
    assert found.saves is True
    less = found.one_pool.simulated
    assert less is not None
    assert (less.tokens_per_watt_less.low or 0.0) > 0.0


def test_a_profile_without_power_is_named() -> None:
    spec = read_profiles()["h100"].model_copy(update={"name": "dark", "power": None})
    problem = FleetProblem(cdf="azure", gpus=("dark",), profiles=(spec,))
    with pytest.raises(InputError, match="profile 'dark', power: it has no power model"):
        tokens_per_watt(problem)


@pytest.mark.parametrize(
    ("gpus", "message"),
    [([3], "one count for each of 2 GPU types, got 1"), ([3, 0], "above 0 for a100, got 0")],
)
def test_wrong_counts_are_refused(gpus: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tokens_per_watt(AZURE, gpus=gpus)


def test_a_fleet_adds_up_its_pools() -> None:
    pools = tuple(gpu.fleet.pools[0] for gpu in tokens_per_watt(AZURE).gpus)
    both = FleetEnergy("both", pools)
    assert both.gpus == sum(pool.gpus for pool in pools)
    assert both.kilowatts == sum(pool.kilowatts for pool in pools)
    assert both.worst_p99_ttft_ms == max(pool.p99_ttft_ms for pool in pools)


def test_problem_is_read_once_for_each_method() -> None:
    """The answer's problem stands alone: its distribution and profiles are written into it."""
    found = tokens_per_watt(AZURE)
    again = Case.of(found.problem)
    assert again.breakpoints[-1] == found.context_tokens


def test_under_a_model_its_profiles_are_compared() -> None:
    """One row a configuration, all of one model, each the pool that its own table gives."""
    stated = {
        "cdf": "azure", "arrival_rate": 5.0, "gpus": ["h100", "h200"], "model": "llama-3.1-70b",
        "engine": {"tp": [4, 8]}, "slo": ["p99 ttft 2000", "p99 tpot 100"],
    }  # fmt: skip
    found = tokens_per_watt(FleetProblem.model_validate(stated))
    assert [gpu.gpu for gpu in found.gpus] == ["h100-tp4", "h100-tp8", "h200-tp4", "h200-tp8"]
    assert len({gpu.fleet.pools[0].serves for gpu in found.gpus}) == 1
    assert {gpu.fleet.pools[0].power_quality for gpu in found.gpus} <= {"LOW", "FAIR", "HIGH"}
    assert all(gpu.published is None for gpu in found.gpus), "they have no published formulas"
    case = Case.of(found.problem)
    for gpu in found.gpus:
        (pool,) = gpu.fleet.pools
        assert pool.gpus == pool.replicas * case.profile(gpu.gpu).gpus_per_replica
        expected = output_rate("azure", 5.0, 8192) / (pool.gpus * pool.watts)
        assert gpu.fleet.tokens_per_watt == pytest.approx(expected, rel=1e-9)


def test_bounds_on_tpot_leave_the_published_figures_out() -> None:
    """The published formulas say nothing of them."""
    bounded = FleetProblem.model_validate(
        {"cdf": "azure", "gpus": ["h100"], "slo": ["p99 ttft 500", "p99 tpot 20"]}
    )
    (gpu,) = tokens_per_watt(bounded).gpus
    assert gpu.published is None
    assert gpu.fleet.meets
    split = split_tokens_per_watt(bounded, 4096, "h100", "h100")
    assert all(each.published is None for each in split.topologies)


def test_a_year_is_the_mean_draw_of_8760_hours() -> None:
    priced = AZURE.model_copy(
        update={"electricity_usd_per_kwh": 0.1, "carbon_g_per_kwh": 250.0, "pue": 1.3}
    )
    for gpu in tokens_per_watt(priced).gpus:
        (pool,) = gpu.fleet.pools
        kwh = 8760.0 * 1.3 * pool.gpus * pool.watts / 1000.0
        assert gpu.year.kwh_per_year == pytest.approx(kwh)
        assert gpu.year.co2_kg_per_year == pytest.approx(0.25 * kwh)
        tokens = 8760.0 * 3600.0 * pool.tokens_per_s / 1e6
        paid = 8760.0 * pool.usd_per_hour + 0.1 * kwh
        assert gpu.year.usd_per_million_output_tokens == pytest.approx(paid / tokens)
