"""Energy under its published names: the same figures as the questions give."""

from __future__ import annotations

import math

import pytest

from fleetopt.compat import (
    A10G,
    A100_80GB,
    H100_80GB,
    ManualProfile,
    fleet_tpw_analysis,
    grid_flex_analysis,
    print_fleet_tpw,
    print_grid_flex_table,
    print_tpw_table,
    split_cdf,
    tpw_analysis,
)
from fleetopt.errors import InputError
from fleetopt.problem import FleetProblem
from fleetopt.questions.energy.split import split_tokens_per_watt


def test_grid_points_have_the_published_caps_and_the_true_verdicts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    points = grid_flex_analysis("azure", 200, 40, H100_80GB, 500, verbose=True)
    assert [p.n_max_cap for p in points] == [128, 84, 48, 33, 24, 18, 13, 7, 1]
    assert [p.slo_met for p in points] == [True] * 7 + [False] * 2
    assert {p.p99_ttft_des_ms for p in points} == {None}
    assert {p.power_model for p in points} == {"HIGH"}
    assert points[0].power_fleet_kw == pytest.approx(23.3, abs=0.05)
    assert points[0].drawn_fleet_kw < 15.0
    printed = capsys.readouterr().out
    print_grid_flex_table(points, 500, 40, 200)
    assert capsys.readouterr().out == printed
    assert len(printed.splitlines()) == len(points) + 2


def test_grid_simulation_has_no_percentile_where_the_line_grows() -> None:
    flex = grid_flex_analysis("azure", 200, 40, H100_80GB, 500, flex_pcts=[30, 50],
                              n_sim_requests=3_000)  # fmt: skip
    assert flex[0].p99_ttft_des_ms == pytest.approx(flex[0].p99_ttft_ms, rel=0.1)
    assert flex[1].p99_ttft_des_ms == math.inf


def test_published_method_gives_the_published_percentile() -> None:
    (point,) = grid_flex_analysis("azure", 200, 40, H100_80GB, 500, flex_pcts=[20],
                                  method="published")  # fmt: skip
    assert point.p99_ttft_ms == pytest.approx(7.9, abs=0.1)


def test_tpw_points_with_a_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    points = tpw_analysis("lmsys", 100, [H100_80GB, A100_80GB], rho_sweep=[0.4, 0.8])
    assert [p.slo_optimal for p in points] == [True, False, False] * 2
    assert {p.gpu_name for p in points} == {"H100-80GB", "A100-80GB"}
    assert [p.power_model_qual for p in points] == ["HIGH"] * 3 + ["FAIR"] * 3
    print_tpw_table(points)
    assert len(capsys.readouterr().out.splitlines()) == len(points) + 1


def test_fleet_of_split_distributions_is_the_split_fleet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`split_cdf` loses nothing: the pools are those of the question about a split."""
    short, long, alpha = split_cdf([(t, f) for t, f in AZURE], 4096)
    pools = [
        {"gpu": A10G, "cdf": short, "lam": 100 * alpha, "max_ctx": 4096, "label": "short"},
        {"gpu": H100_80GB, "cdf": long, "lam": 100 * (1 - alpha), "max_ctx": 8192,
         "label": "long"},
    ]  # fmt: skip
    result = fleet_tpw_analysis(pools, 100, topology="two pools")
    problem = FleetProblem.model_validate({"cdf": AZURE, "arrival_rate": 100.0})
    fleet = split_tokens_per_watt(problem, 4096, "a10g", "h100").split.fleet
    assert result.total_gpus == fleet.gpus
    assert result.fleet_tpw == pytest.approx(fleet.tokens_per_watt, rel=1e-3)
    assert result.fleet_power_kw == pytest.approx(fleet.kilowatts, rel=1e-3)
    assert any("LOW quality" in note for note in result.power_model_notes)
    print_fleet_tpw(result)
    assert "two pools: " in capsys.readouterr().out


AZURE = [(512, 0.29), (1024, 0.40), (2048, 0.78), (4096, 0.90), (8192, 1.0)]


def test_a_profile_without_power_is_named() -> None:
    dark = ManualProfile("dark", 0.004, 0.0003, 1024, 16, 65536, 256, 4.0)
    for ask in (
        lambda: tpw_analysis("azure", 100, [dark]),
        lambda: grid_flex_analysis("azure", 200, 40, dark, 500),
        lambda: fleet_tpw_analysis([{"gpu": dark, "cdf": "azure", "lam": 9, "max_ctx": 8192}], 9),
    ):
        with pytest.raises(InputError, match="profile 'dark', power: it has no power model"):
            ask()
