"""Power curves refitted to measurements: made-up ones by hand, and those of real A100s."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetopt.catalog import read_profiles
from fleetopt.errors import InputError
from fleetopt.performance.power import LogisticPower, power_model
from fleetopt.performance.power_fit import LEAST_STEEPNESS, fit_power
from fleetopt.questions.energy.fitting import fitted_power

ROOT = Path(__file__).resolve().parents[2]
MEASURED = ROOT.parent / "shared" / "data" / "splitwise_perf_model.csv"
TDP_W = 400.0
BATCHES = (1, 2, 4, 8, 16, 32, 64)


@given(st.floats(0.3, 3.0), st.floats(0.5, 5.5))
def test_points_on_a_curve_give_it_back(steepness: float, midpoint: float) -> None:
    true = LogisticPower(100.0, 500.0, steepness, midpoint, "HIGH", "")
    fit = fit_power([(n, true.watts(n)) for n in BATCHES], 100.0, 500.0, true)
    assert fit.curve.steepness == pytest.approx(steepness, rel=1e-3)
    assert fit.curve.midpoint_log2 == pytest.approx(midpoint, abs=1e-2)
    assert fit.worst_w < 0.1
    assert max(map(abs, fit.before_w)) == 0.0


def test_no_curve_on_a_grid_is_nearer() -> None:
    """The least squares against every slope and midpoint of a fine grid."""
    points = [(1, 190.0), (2, 230.0), (4, 215.0), (8, 300.0), (16, 310.0)]
    fit = fit_power(points, 175.0, 385.0)
    n, watts = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    for steepness in np.linspace(0.05, 3.0, 60):
        for midpoint in np.linspace(-3.0, 8.0, 60):
            drawn = 175.0 + 210.0 / (1.0 + np.exp(-steepness * (np.log2(n) - midpoint)))
            assert np.sqrt(np.mean((drawn - watts) ** 2)) >= fit.rms_w - 1e-6


def test_a_draw_that_falls_is_fitted_flat() -> None:
    fit = fit_power([(1, 300.0), (8, 280.0), (64, 260.0)], 175.0, 385.0)
    assert fit.curve.steepness == pytest.approx(LEAST_STEEPNESS, rel=1.0)
    assert fit.curve.watts(8) == pytest.approx(280.0, abs=1.0)


@pytest.mark.parametrize(
    ("points", "ends"), [([(4, 200.0)] * 3, (1.0, 2.0)), ([(1, 2.0), (2, 3.0)], (5.0, 5.0))]
)
def test_impossible_fits_are_refused(
    points: list[tuple[float, float]], ends: tuple[float, float]
) -> None:
    with pytest.raises(ValueError, match="Expected"):
        fit_power(points, *ends)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch,watts\n4,200\n4,210\n", "profile 'a100', power.steepness .* at least 2 .* got 1"),
        ("batch,watts\n", "got 0"),
        ("n,watts\n1,2\n", "expected the columns batch, watts"),
        ("batch,watts\n0,200\n4,x\n8,-1\n16\n", "(?s)line 2.*line 3.*line 4.*line 5"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "points.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        fitted_power(str(file), "a100")


def test_an_unknown_profile_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown profile 'a101'"):
        fitted_power(str(tmp_path), "a101")


@pytest.mark.skipif(not MEASURED.exists(), reason="the measurements are not beside the checkout")
def test_the_manual_has_the_errors_on_measured_a100s() -> None:
    """Every row of the manual's table, computed anew."""
    page = (ROOT / "docs" / "energy.md").read_text()
    curve = read_profiles()["a100"].power
    assert curve is not None
    before = power_model(curve)
    found = re.findall(
        r"^\| (Llama-2-70B|BLOOM-176B|all)(?:, TP (\d))? \| (\d+) \| ([\d.]+)–([\d.]+) "
        r"\| ([\d.]+) \| (-?[\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$",
        page,
        flags=re.M,
    )
    assert len(found) == 5
    for model, ways, *figures in found:
        points = measured(model.lower(), ways)
        fit = fit_power(points, before.idle_w, before.nominal_w, before)
        means = [np.mean([w for n, w in points if n == batch]) for batch in (1, 16)]
        rms_before = np.sqrt(np.mean(np.square(fit.before_w)))
        values = [*means, fit.curve.steepness, fit.curve.midpoint_log2]
        assert len(points) == int(figures[0])
        assert [float(x) for x in figures[1:5]] == pytest.approx(values, rel=0.02, abs=0.51)
        errors = [fit.rms_w, fit.worst_w, rms_before]
        assert [float(x) for x in figures[5:]] == pytest.approx(errors, abs=0.06)


def measured(model: str, ways: str) -> list[tuple[float, float]]:
    """Draws of the batch sweep with prompts of 512 tokens, in watts of one GPU."""
    with MEASURED.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if float(row["average_power"] or 0.0) > 0.0]
    return [
        (float(row["batch_size"]), TDP_W * float(row["average_power"]))
        for row in rows
        if row["prompt_size"] == "512"
        and (model == "all" or row["model"] == model.replace("llama-2", "llama2"))
        and ways in ("", row["tensor_parallel"])
    ]
