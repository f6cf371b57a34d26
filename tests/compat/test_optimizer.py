"""FleetOptimizer and threshold_pareto: against the program, the tables and the simulator."""

from __future__ import annotations

import math

import pytest

from fleetopt import FleetProblem, solve
from fleetopt.catalog import read_lengths
from fleetopt.compat import (
    A10G,
    A100_80GB,
    A100_AVAIL_RSC1_SLOW,
    H100_80GB,
    FleetOptimizer,
    ManualProfile,
    split_cdf,
    threshold_pareto,
)
from fleetopt.errors import InputError
from fleetopt.plan import Plan
from fleetopt.study import tabulate

AZURE = read_lengths("azure")[0]
QUICK = {"n_sim_requests": 2000, "verbose": False}


def plan(b_short: int, **keys: object) -> Plan:
    """The program's own answer for a fixed split of Azure on one type."""
    stated = {
        "cdf": "azure", "max_context": 8192, "max_pools": 2, "thresholds": [b_short],
        "gpus": ["h100"], "verification": {"enabled": False},
    }  # fmt: skip
    return solve(FleetProblem.model_validate({**stated, **keys}))


@pytest.mark.parametrize("b_short", [1024, 3072, 4096])
@pytest.mark.parametrize("node_avail", [1.0, A100_AVAIL_RSC1_SLOW])
def test_a_sweep_sizes_the_pools_as_the_program_does(b_short: int, node_avail: float) -> None:
    """Counts with spare replicas, cost and percentiles, two ways."""
    optimizer = FleetOptimizer(
        H100_80GB, H100_80GB, b_short, long_max_ctx=8192, node_avail=node_avail
    )
    (row,) = optimizer.sweep_analytical("azure", 100.0, [1.0])
    found = plan(b_short, availability=node_avail, availability_rule="mean")
    assert (row.n_s, row.n_l) == tuple(pool.bought for pool in found.fleet.pools)
    assert row.total_gpus == found.fleet.gpus
    assert row.annualised_cost_kusd == pytest.approx(found.cost.usd_per_year / 1000)
    predicted = [pool.p99_ttft_ms for pool in found.prediction.pools]
    assert [row.p99_ttft_short_ms, row.p99_ttft_long_ms] == pytest.approx(predicted)
    assert row.slo_met


def test_each_pool_has_its_gpu() -> None:
    """The program would put both on the cheaper; the optimizer was told otherwise."""
    optimizer = FleetOptimizer(H100_80GB, A10G, 2048, t_slo_ms=5000, long_max_ctx=8192)
    report = optimizer.optimize(AZURE, 10.0, **QUICK)
    result, swept = report.best_simulated, report.best_analytical
    assert result is not None
    for row in (result, swept):
        price = row.n_s * H100_80GB.cost_per_hr + row.n_l * A10G.cost_per_hr
        assert row.cost_per_hr == pytest.approx(price)
        assert min(row.n_s, row.n_l) >= 1
    (short,) = tabulate(
        FleetProblem(cdf="azure", max_context=8192, gpus=("h100",), slo=({"limit_ms": 5000.0},),
                     arrival_rate=10.0 * split_cdf("azure", 2048)[2]),
        lo=0, hi=2048, replicas=swept.n_s,
    )  # fmt: skip
    assert short.p99_ttft_ms == pytest.approx(swept.p99_ttft_short_ms, rel=1e-3)


def test_pools_that_nothing_saves_are_simulated_as_they_are() -> None:
    """The counts of the sweep, with percentiles of the simulator, and a miss."""
    optimizer = FleetOptimizer(A100_80GB, A100_80GB, 4096, t_slo_ms=50, long_max_ctx=8192)
    report = optimizer.optimize("azure", 20.0, **QUICK)
    swept, seen = report.best_analytical, report.best_simulated
    assert seen is not None
    assert (seen.n_s, seen.n_l) == (swept.n_s, swept.n_l)
    assert not seen.slo_met
    assert seen.note in ("fail", "unstable")
    assert seen.p99_ttft_long_ms == pytest.approx(swept.p99_ttft_long_ms, rel=0.15)


def test_what_the_simulator_says_of_an_accepted_split() -> None:
    """It meets the SLO, and the table was not far off."""
    report = FleetOptimizer(H100_80GB, H100_80GB, 4096, 500, 8192).optimize(
        "azure", 100.0, [1.0], verbose=False
    )
    table, simulated = report.best_analytical, report.best_simulated
    assert simulated is not None
    assert simulated.slo_met
    assert (simulated.source, simulated.note) == ("simulated", "pass")
    assert simulated.total_gpus >= table.total_gpus
    if simulated.total_gpus == table.total_gpus:
        assert simulated.p99_ttft_long_ms == pytest.approx(table.p99_ttft_long_ms, rel=0.15)


def test_the_published_split_of_lmsys_misses_its_slo(capsys: pytest.CaptureFixture[str]) -> None:
    """Its formulas say 13 and 110 ms; simulation says several times as much, and a miss."""
    asked = ("lmsys", 100.0, [1.0])
    published = FleetOptimizer(A100_80GB, A100_80GB, 4096, method="published")
    theirs = published.optimize(*asked, verbose=False)
    said, seen = theirs.best_analytical, theirs.best_simulated
    assert seen is not None
    assert (said.n_s, said.n_l) == (seen.n_s, seen.n_l)
    assert said.slo_met
    assert not seen.slo_met
    assert seen.p99_ttft_short_ms > 3 * said.p99_ttft_short_ms
    assert seen.p99_ttft_long_ms > 3 * said.p99_ttft_long_ms
    assert theirs.notes == ()

    ours = FleetOptimizer(A100_80GB, A100_80GB, 4096).optimize(*asked, 0, verbose=False)
    assert not ours.best_analytical.slo_met
    ours.print_report()
    text = capsys.readouterr().out
    assert "no number of these replicas keeps P99 TTFT within 500 ms" in text
    assert f"published {said.n_s} + {said.n_l} replicas" in text
    assert "the mean prefill of a sequence that is alone" in text


def test_no_requests_on_one_side() -> None:
    """A split at the longest context, and one below every request, make one pool."""
    everything = FleetOptimizer(A100_80GB, H100_80GB, 8192, long_max_ctx=8192)
    (row,) = everything.sweep_analytical("azure", 50.0, [1.0])
    assert row.n_l == 0
    assert row.p99_ttft_long_ms == 0.0
    assert row.cost_per_hr == pytest.approx(row.n_s * A100_80GB.cost_per_hr)
    nothing = FleetOptimizer(A100_80GB, H100_80GB, 100, t_slo_ms=5000, long_max_ctx=1024)
    (row,) = nothing.sweep_analytical([[500, 0.0], [1000, 1.0]], 50.0, [1.0])
    assert row.n_s == 0
    assert row.cost_per_hr == pytest.approx(row.n_l * H100_80GB.cost_per_hr)
    simulated = nothing.optimize([[500, 0.0], [1000, 1.0]], 50.0, **QUICK).best_simulated
    assert simulated is not None
    assert (simulated.n_s, simulated.n_l) == (row.n_s, row.n_l)


def test_simulation_can_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """By 0 requests or 0 results to verify; a verbose run says what it does."""
    optimizer = FleetOptimizer(H100_80GB, H100_80GB, 4096, long_max_ctx=8192)
    assert optimizer.optimize("azure", 20.0, n_sim_requests=0).best_simulated is None
    assert "[analytical] gamma 1:" in capsys.readouterr().out
    report = optimizer.optimize("azure", 20.0, verify_top_n=0, verbose=False)
    assert report.simulated == []
    assert capsys.readouterr().out == ""
    report.print_report()
    assert "best by simulation" not in capsys.readouterr().out


@pytest.mark.parametrize("gamma", [1.0, 1.5])
def test_every_split_as_the_optimizer_sizes_it(gamma: float) -> None:
    """Rows in order, each as a sweep at that split; none marked that another beats."""
    rows = threshold_pareto("azure", 100.0, A10G, H100_80GB, gamma=gamma)
    points = [t for t, share in AZURE.cdf[:-1] if 0.01 <= share <= 0.999 and t < 8192]
    assert [row.b_short for row in rows] == points
    (one_pool,) = FleetOptimizer(H100_80GB, H100_80GB, 8192, long_max_ctx=8192).sweep_analytical(
        AZURE, 100.0, [gamma]
    )
    for row in rows[::3]:
        optimizer = FleetOptimizer(A10G, H100_80GB, row.b_short, long_max_ctx=8192)
        (swept,) = optimizer.sweep_analytical(AZURE, 100.0, [gamma])
        assert (row.n_s, row.n_l, row.slo_met) == (swept.n_s, swept.n_l, swept.slo_met)
        assert row.cost_kusd_yr == pytest.approx(swept.annualised_cost_kusd)
        saved = 100 * (1 - swept.cost_per_hr / one_pool.cost_per_hr)
        assert row.savings_vs_homo_pct == pytest.approx(saved)
        worst = max(swept.p99_ttft_short_ms, swept.p99_ttft_long_ms)
        assert row.worst_p99_ms == pytest.approx(worst)
    for row in rows:
        beaten = any(
            other.cost_kusd_yr < row.cost_kusd_yr and other.worst_p99_ms < row.worst_p99_ms
            for other in rows
        )
        assert row.pareto is not beaten


def test_published_counts_of_the_published_split() -> None:
    """Three and five A100 in the published table; six by exact sums in place of a sample."""
    rows = threshold_pareto("lmsys", 100.0, A100_80GB, A100_80GB, 500, 65536, method="published")
    (row,) = [row for row in rows if row.b_short == 4096]
    assert row.n_s == 3
    assert abs(row.n_l - 5) <= 1
    assert row.p99_long_ms == pytest.approx(108, abs=5)


def test_where_nothing_helps_the_load_decides() -> None:
    """A bound that prefill alone exceeds: as many replicas as the load needs, and a miss."""
    optimizer = FleetOptimizer(A100_80GB, A100_80GB, 4096, t_slo_ms=50, long_max_ctx=8192)
    (row,) = optimizer.sweep_analytical("azure", 100.0, [1.0])
    assert not row.slo_met
    assert row.p99_ttft_long_ms > 50
    assert math.isfinite(row.cost_per_hr)
    keys = {"slo": [{"limit_ms": 1e6}], "gpus": ["a100"]}
    assert row.n_l == plan(4096, **keys).fleet.pools[1].replicas


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"B_short": 0}, "thresholds"),
        ({"t_slo_ms": -1}, "slo"),
        ({"node_avail": 1.5}, "availability: must be at most 1, got 1.5"),
        ({"node_avail": 0.0}, "availability: must be greater than 0, got 0"),
        ({"long_max_ctx": 0}, "must be greater than 0"),
        ({"gpu_short": ManualProfile("H100-80GB", 1.0, 0.0, 512, 16, 65536, 8, 1.0)},
         "two different profiles have this name"),
        ({"gpu_long": ManualProfile("tiny", 0.01, 0.001, 512, 16, 100, 8, 1.0)},
         "no replica of tiny holds 8,192 tokens"),
        ({"p_c": 0.0}, "compressible_share: must be greater than 0, got 0"),
        ({"p_c": 1.5}, "compressible_share: must be at most 1, got 1.5"),
        ({"method": "guess"}, "method: expected 'fleetopt' or 'published', got 'guess'"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused(options: dict[str, object], said: str) -> None:
    """With the key of the problem and what was expected."""
    stated = {"gpu_short": H100_80GB, "gpu_long": H100_80GB, "long_max_ctx": 8192, **options}
    with pytest.raises(InputError) as refused:
        FleetOptimizer(**stated).sweep_analytical("azure", 50.0)
    assert said in str(refused.value)
