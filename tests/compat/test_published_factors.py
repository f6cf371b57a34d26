"""Factors of compression under the published names: the program, the simulator, the published."""

from __future__ import annotations

import pytest

from fleetopt import FleetProblem, solve, solve_program
from fleetopt.catalog import read_lengths
from fleetopt.compat import A10G, A100_80GB, H100_80GB, FleetOptimizer, ManualProfile
from fleetopt.errors import InputError
from fleetopt.questions.two_pools import TwoPools

SPLIT, CONTEXT = 4096, 8192
AZURE = read_lengths("azure")[0]
SWEPT = {1.0: (8, 12), 1.1: (8, 11), 1.2: (8, 10), 1.3: (8, 10), 1.4: (8, 9), 1.5: (8, 8),
         1.6: (8, 8), 1.7: (8, 7), 1.8: (8, 7), 1.9: (8, 7), 2.0: (8, 6)}  # fmt: skip
"""Short and long A10G in the sweep that vllm-sr-sim 0.1.0 makes of Azure without `gammas`."""


def optimizer(short: ManualProfile, long: ManualProfile, **options: object) -> FleetOptimizer:
    """Azure split in the middle of its lengths."""
    return FleetOptimizer(short, long, SPLIT, 500.0, CONTEXT, **options)


@pytest.mark.parametrize(
    ("short", "long", "gpus"), [(A10G, A10G, 19), (A100_80GB, A100_80GB, 12), (A10G, A100_80GB, 15)]
)
def test_published_fleets(short: ManualProfile, long: ManualProfile, gpus: int) -> None:
    """The published tables list 19, 12 and 15 GPUs at a factor of 1.1, one more at 1.0."""
    published = optimizer(short, long, method="published")
    rows = {row.gamma: row for row in published.sweep_analytical("azure", 100.0, [1.0, 1.1])}
    assert (rows[1.0].total_gpus, rows[1.1].total_gpus) == (gpus + 1, gpus)
    assert rows[1.1].slo_met


def test_the_published_sweep() -> None:
    """Its factors if none are given, its counts, the cheapest first."""
    rows = optimizer(A10G, A10G, method="published").sweep_analytical("azure", 100.0)
    assert {row.gamma: (row.n_s, row.n_l) for row in rows} == SWEPT
    assert [row.cost_per_hr for row in rows] == sorted(row.cost_per_hr for row in rows)


@pytest.mark.parametrize("gpu", [A100_80GB, H100_80GB])
@pytest.mark.parametrize("p_c", [0.5, 0.75])
def test_a_sweep_is_what_the_program_finds(gpu: ManualProfile, p_c: float) -> None:
    """`solve` takes the cheaper of a factor and none; its fleets are those of the sweep."""
    rows = optimizer(gpu, gpu, p_c=p_c).sweep_analytical(AZURE, 100.0, [1.0, 1.1, 1.5, 2.0])
    swept = {row.gamma: row for row in rows}
    stated = {
        "cdf": "azure", "max_context": CONTEXT, "max_pools": 2, "thresholds": [SPLIT],
        "gpus": [gpu.spec.name], "profiles": [gpu.spec], "compressible_share": p_c,
        "verification": {"enabled": False},
    }  # fmt: skip
    for gamma in (1.1, 1.5, 2.0):
        found = solve(FleetProblem.model_validate({**stated, "gammas": [gamma]}))
        cheapest = min(swept[1.0].cost_per_hr, swept[gamma].cost_per_hr)
        assert found.cost.usd_per_hour == pytest.approx(cheapest)
        chosen = swept[found.fleet.pools[0].compression]
        assert (chosen.n_s, chosen.n_l) == tuple(pool.bought for pool in found.fleet.pools)
        predicted = found.prediction.pools
        assert [chosen.utilization_short, chosen.utilization_long] == pytest.approx(
            [pool.utilization for pool in predicted]
        )
        assert [chosen.p99_ttft_short_ms, chosen.p99_ttft_long_ms] == pytest.approx(
            [pool.p99_ttft_ms for pool in predicted]
        )


@pytest.mark.parametrize("gamma", [1.0, 1.2, 1.9])
def test_a_program_is_held_to_its_factor(gamma: float) -> None:
    """Also where another would be cheaper."""
    asked = TwoPools(AZURE, 100.0, A10G.spec, H100_80GB.spec, 500.0, CONTEXT)
    pools = solve_program(asked.program(SPLIT, gamma)).fleet.pools
    (row,) = optimizer(A10G, H100_80GB).sweep_analytical(AZURE, 100.0, [gamma])
    assert [pool.compression for pool in pools] == [gamma, 1.0]
    assert [pool.gpu for pool in pools] == [A10G.spec.name, H100_80GB.spec.name]
    assert [pool.bought for pool in pools] == [row.n_s, row.n_l]


def test_simulated_pools_receive_what_is_compressed(capsys: pytest.CaptureFixture[str]) -> None:
    """The work that tables count is done in the simulator; the report names the factor."""
    report = optimizer(H100_80GB, H100_80GB).optimize("azure", 100.0, verify_top_n=2, verbose=False)
    said, seen = report.best_analytical, report.best_simulated
    assert seen is not None
    assert len(report.simulated) == 2
    assert seen.slo_met
    assert seen.gamma == said.gamma > 1.0
    assert seen.total_gpus == said.total_gpus
    assert seen.utilization_short == pytest.approx(said.utilization_short, rel=0.03)
    assert seen.utilization_long == pytest.approx(said.utilization_long, rel=0.03)
    report.print_report()
    assert f"best by simulation:   gamma {seen.gamma:g}, {seen.n_s} +" in capsys.readouterr().out


def test_published_rows_that_overload_are_told() -> None:
    """At 1.1 the short pool holds with more work than was counted; at 1.5 it does not."""
    published = optimizer(A10G, A10G, method="published")
    for gamma, holds in ((1.1, True), (1.5, False)):
        report = published.optimize("azure", 100.0, [gamma], verbose=False)
        said, seen = report.best_analytical, report.best_simulated
        assert seen is not None
        assert (seen.n_s, seen.n_l) == (said.n_s, said.n_l) == SWEPT[gamma]
        assert said.slo_met
        (note,) = report.notes
        assert f"{100 * said.utilization_short:.0f} % (gamma {gamma:g})" in note
        assert ("cannot keep up" in note) is not holds
        if holds:
            assert seen.utilization_short == pytest.approx(said.utilization_short, rel=0.02)
        else:
            assert said.utilization_short > 1.1
            assert seen.note == "unstable"


def test_the_published_answer_is_beside_that_of_the_tables() -> None:
    """With its own factor, and the work that it leaves out."""
    report = optimizer(A10G, A10G).optimize("azure", 100.0, n_sim_requests=0, verbose=False)
    theirs = report.as_published
    assert (theirs.gamma, theirs.n_s, theirs.n_l) == (2.0, *SWEPT[2.0])
    assert f"published {theirs.n_s} + {theirs.n_l} replicas at gamma 2, here" in report.notes[0]
    assert "cannot keep up" in report.notes[-1]


def test_a_factor_reaches_no_further_than_the_context() -> None:
    """Whatever it is, it compresses all lengths up to there, and not those of the lower pool."""
    wide = FleetOptimizer(A100_80GB, A100_80GB, 6144, long_max_ctx=CONTEXT)
    rows = wide.sweep_analytical(AZURE, 100.0, [CONTEXT / 6144, 1.5, 40.0])
    assert len({(row.n_s, row.n_l, row.utilization_short) for row in rows}) == 1
    assert rows[0].n_l > 0


def test_everything_may_be_compressed_into_the_short_pool() -> None:
    """Where all requests can be; it is simulated with them."""
    report = optimizer(H100_80GB, H100_80GB, p_c=1.0).optimize(
        "azure", 100.0, [2.0], n_sim_requests=4000, verbose=False
    )
    said, seen = report.best_analytical, report.best_simulated
    assert seen is not None
    assert said.n_l == seen.n_l == 0
    assert said.n_s == seen.n_s
    assert seen.utilization_short == pytest.approx(said.utilization_short, rel=0.05)


def test_the_published_method_needs_requests_beyond_the_factor() -> None:
    """Without them there is no fleet; the row comes last, and is not simulated."""
    published = FleetOptimizer(H100_80GB, H100_80GB, 1000, 500, 2000, method="published")
    report = published.optimize([[1000, 0.5], [2000, 1.0]], 50.0, [2.0, 1.0], 2000, verbose=False)
    first, last = report.analytical
    assert first.total_gpus > 0
    assert (last.gamma, last.total_gpus, last.slo_met) == (2.0, 0, False)
    assert "no requests have more than 2,000 tokens" in last.note
    assert [row.gamma for row in report.simulated] == [1.0]


def test_one_pool_compresses_nothing() -> None:
    """A split at the longest context: every factor is the same, and there is no word of it."""
    whole = FleetOptimizer(A100_80GB, A100_80GB, CONTEXT, long_max_ctx=CONTEXT)
    report = whole.optimize("azure", 50.0, [1.0, 1.5], n_sim_requests=0, verbose=False)
    assert len({(row.n_s, row.n_l) for row in report.analytical}) == 1
    assert not any("gamma" in note for note in report.notes)


@pytest.mark.parametrize(
    ("gammas", "said"),
    [
        ([0.9], "gammas[0]: must be at least 1, got 0.9"),
        ([1.0, -2], "gammas[1]: must be at least 1, got -2"),
        ([float("nan")], "gammas[0]: expected a finite number, got nan"),
        ([float("inf")], "gammas[0]: expected a finite number, got inf"),
        ([1001], "gammas[0]: must be at most 1000, got 1001"),
        ([], "gammas: expected factors of compression such as [1.0, 1.5], got []"),
        (1.5, "gammas: expected factors of compression such as [1.0, 1.5], got 1.5"),
        ("1.5", "gammas: expected factors of compression such as [1.0, 1.5], got '1.5'"),
        ([None], "gammas: expected factors of compression such as [1.0, 1.5], got [None]"),
    ],
)
def test_wrong_factors_are_refused(gammas: object, said: str) -> None:
    """By a sweep and by an optimization, with what was expected."""
    for ask in (FleetOptimizer().sweep_analytical, FleetOptimizer().optimize):
        with pytest.raises(InputError) as refused:
            ask("azure", 50.0, gammas)
        assert said in str(refused.value)


def test_wrong_factors_are_told_with_the_other_faults() -> None:
    """All at once."""
    with pytest.raises(InputError) as refused:
        FleetOptimizer(t_slo_ms=-1.0, p_c=2.0).sweep_analytical("azure", 50.0, [0.5, 0.7])
    places = [fault.place for fault in refused.value.faults]
    assert sorted(places) == ["compressible_share", "gammas[0]", "gammas[1]", "slo[0].limit_ms"]


def test_a_factor_may_be_asked_for_twice() -> None:
    """As published: a row each."""
    rows = optimizer(H100_80GB, H100_80GB).sweep_analytical(AZURE, 20.0, [1.5, 1.5])
    assert [row.gamma for row in rows] == [1.5, 1.5]
    assert rows[0] == rows[1]
