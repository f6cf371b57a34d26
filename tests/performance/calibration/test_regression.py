"""Constants of a calibration: recovered, against another solver, and where nobody measured."""

import json

import numpy as np
import pytest
from scipy.optimize import minimize

from fleetopt.catalog import data_folder
from fleetopt.performance.calibration import (
    CAUSES,
    NONE,
    Constants,
    Record,
    Rows,
    first_token,
    first_token_name,
    level_names,
)
from fleetopt.performance.calibration.constants import LEVELS
from fleetopt.performance.calibration.regression import _RIDGE, _SCALE
from fleetopt.performance.calibration.seconds import NOMINAL

RNG = np.random.default_rng()
HOMES = [("vllm", "dense", "a", "h100"), ("vllm", "dense", "b", "h100"),
         ("vllm", "moe", "c", "b200"), ("sglang", "moe", "c", "b200"),
         ("sglang", "dense", "a", "h200")]  # fmt: skip


def rows(n: int, noise: float = 0.0) -> tuple[Rows, np.ndarray]:
    """Rows of five groups whose factors are drawn; the factors by group."""
    levels = [level_names(e, k, m, g) for e, k, m, g in HOMES]
    truth = RNG.normal(0.0, 0.3, size=(len(HOMES), len(CAUSES)))
    home = np.arange(n) % len(HOMES)
    units = RNG.gamma(1.0, 1.0, size=(n, len(CAUSES))) / NOMINAL
    e2e = (units * NOMINAL * np.exp(truth[home])).sum(axis=1)
    e2e *= np.exp(RNG.normal(0.0, noise, size=n)) if noise else 1.0
    return Rows.of(units, e2e, [levels[i] for i in home]), truth


def test_many_rows_without_noise_are_reproduced() -> None:
    found, _ = rows(40_000)
    used = np.ones(40_000, dtype=bool)
    logs = found.fit(used)
    error = np.abs(found.predicted_s(logs) / found.e2e_s - 1.0)
    assert np.median(error) < 0.01


def test_wrong_rows_move_little() -> None:
    """A twentieth of the rows is tenfold wrong; the others are predicted as well as before."""
    found, _ = rows(3000)
    spoiled = found.e2e_s.copy()
    bad = np.arange(3000) % 20 == 7
    spoiled[bad] *= 10.0
    broken = Rows(found.units, spoiled, found.members, found.names)
    predicted = broken.predicted_s(broken.fit(np.ones(3000, dtype=bool)))
    assert np.median(np.abs(predicted / found.e2e_s - 1.0)[~bad]) < 0.03


def test_the_minimum_is_that_of_a_general_solver() -> None:
    """The loss of soft L1 with its ridges, by a quasi-Newton method without any elimination."""
    found, _ = rows(60, noise=0.1)
    used = np.ones(60, dtype=bool)
    sigma = np.array([LEVELS[name.split(" ")[0]] for name in found.names])

    def loss(flat: np.ndarray) -> float:
        logs = flat.reshape(len(found.names), len(CAUSES))
        residual = np.log(found.predicted_s(logs) / found.e2e_s) / _SCALE
        ridges = _RIDGE * (logs**2 / sigma[:, None] ** 2).sum()
        return float((np.sqrt(1.0 + residual**2) - 1.0).sum() + ridges / 2)

    logs = found.fit(used, iterations=200)
    other = minimize(loss, np.zeros(logs.size), method="L-BFGS-B", options={"maxfun": 400_000})
    assert loss(logs.ravel()) == pytest.approx(other.fun, rel=1e-3)


def test_unmeasured_levels_fall_back() -> None:
    found, _ = rows(500)
    factors = found.named(found.fit(np.ones(500, dtype=bool)))
    constants = Constants(factors, {}, (), "")
    known = level_names("vllm", "dense", "a", "h100")
    unknown = level_names("vllm", "dense", "z", "l4")
    shared = sum(factors[name] for name in known[:2])
    assert constants.seconds(unknown) == pytest.approx(NOMINAL * np.exp(shared))
    assert NONE.seconds(unknown) == pytest.approx(NOMINAL)


def test_a_level_without_its_rows_is_one_again() -> None:
    found, _ = rows(100)
    kept = found.members[:, -1] != found.members[0, -1]
    left = found.without(np.ones((len(found.names), len(CAUSES))), kept)
    assert np.all(left[found.members[0, -1]] == 0.0)
    assert np.all(left[0] == 1.0)


def test_first_token_constants_are_recovered_and_pulled() -> None:
    simulated = RNG.uniform(0.05, 5.0, size=4000)
    iteration = RNG.uniform(0.005, 0.1, size=4000)
    measured = 0.08 + 1.3 * simulated + 12.0 * iteration
    outside_s, factor, iterations = first_token(simulated, iteration, measured, np.ones(4000))
    assert outside_s == pytest.approx(0.08, rel=0.1)
    assert factor == pytest.approx(1.3, rel=0.05)
    assert iterations == pytest.approx(12.0, rel=0.1)
    one = first_token(np.array([1.0]), np.array([0.02]), np.array([3.0]), np.ones(1))
    assert 1.0 < one[1] < 1.5


def test_attention_groups_fall_back_to_their_engine() -> None:
    constants = Constants({}, {"vllm moe": (0.1, 2.0, 3.0)}, (), "")
    names = [first_token_name("vllm", "moe", groups) for groups in (1, 8, 64)]
    assert len(set(names)) == 3
    for name in names:
        assert constants.first_token_s(name, 1.0, 0.1) == pytest.approx(0.1 + 2.0 + 0.3)
    assert constants.first_token_s("sglang moe", 1.0, 0.1) == pytest.approx(1.12)


def test_the_bundled_constants_are_whole() -> None:
    data = json.loads((data_folder() / "calibration.json").read_text())
    constants = Constants.from_dict(data)
    assert {**constants.to_dict(), **Record.from_dict(data).to_dict()} == data
    assert len(data["source"]) > 50
    assert data["causes"] == list(CAUSES)
    assert data["nominal"] == pytest.approx(list(NOMINAL))
    assert {name.split(" ")[0] for name in data["factors"]} == set(LEVELS)
    assert all(0.02 < value < 50 for values in data["factors"].values() for value in values)
