"""Constants of a calibration: recovered, against another solver, and where nobody measured."""

import json

import numpy as np
import pytest
from scipy.optimize import minimize

from fleetopt.catalog import data_folder
from fleetopt.performance.calibration import (
    CAUSES,
    DECODING,
    FIRST_TOKEN,
    NONE,
    Constants,
    Factors,
    FirstToken,
    Record,
    Rows,
    first_token_names,
    level_names,
)
from fleetopt.performance.calibration.regression import _RIDGE
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
    return Rows.of(DECODING, units, e2e, [levels[i] for i in home]), truth


def test_many_rows_without_noise_are_reproduced() -> None:
    found, _ = rows(40_000)
    used = np.ones(40_000, dtype=bool)
    logs = found.fit(used)
    error = np.abs(found.predicted_s(logs) / found.measured_s - 1.0)
    assert np.median(error) < 0.01


def test_wrong_rows_move_little() -> None:
    """A twentieth of the rows is tenfold wrong; the others are predicted as well as before."""
    found, _ = rows(3000)
    spoiled = found.measured_s.copy()
    bad = np.arange(3000) % 20 == 7
    spoiled[bad] *= 10.0
    broken = Rows(DECODING, found.units, spoiled, found.members, found.names)
    predicted = broken.predicted_s(broken.fit(np.ones(3000, dtype=bool)))
    assert np.median(np.abs(predicted / found.measured_s - 1.0)[~bad]) < 0.03


def test_the_minimum_is_that_of_a_general_solver() -> None:
    """The loss of soft L1 with its ridges, by a quasi-Newton method without any elimination."""
    found, _ = rows(60, noise=0.1)
    used = np.ones(60, dtype=bool)
    sigma = np.array([DECODING.spread(name) for name in found.names])

    def loss(flat: np.ndarray) -> float:
        logs = flat.reshape(len(found.names), len(CAUSES))
        residual = np.log(found.predicted_s(logs) / found.measured_s) / DECODING.scale
        ridges = _RIDGE * (logs**2 / sigma**2).sum()
        return float((np.sqrt(1.0 + residual**2) - 1.0).sum() + ridges / 2)

    logs = found.fit(used, iterations=200)
    other = minimize(loss, np.zeros(logs.size), method="L-BFGS-B", options={"maxfun": 400_000})
    assert loss(logs.ravel()) == pytest.approx(other.fun, rel=1e-3)


def test_groups_without_rows_count_as_much_as_with_them() -> None:
    """Rows of three groups beside summaries of the other two, and rows of all five."""
    whole, _ = rows(600, noise=0.1)
    every = np.ones(600, dtype=bool)
    logs = whole.fit(every, iterations=200)
    factors = whole.factors(every, logs)
    names = [f"group {gpu} {engine} {model}" for engine, _, model, gpu in HOMES[:2]]
    known = [each for each in factors.summaries if each.levels[-1] in names]
    assert {f"group {each.group}" for each in known} == set(names)
    here = np.isin(whole.members[:, -1], [whole.names.index(name) for name in names], invert=True)
    levels = [tuple(whole.names[i] for i in row) for row in whole.members[here]]
    part = Rows.of(DECODING, whole.units[here], whole.measured_s[here], levels, known)
    used = np.ones(int(here.sum()), dtype=bool)
    again = part.named(part.fit(used, iterations=200))
    assert set(again) == set(whole.names)
    for name, found in whole.named(logs).items():
        assert again[name] == pytest.approx(found, abs=0.01), name
    alone = Rows.of(DECODING, part.units, part.measured_s, levels)
    assert np.abs(alone.named(alone.fit(used))["any"] - again["any"]).max() > 0.02


def test_summaries_are_kept_in_a_file() -> None:
    found, _ = rows(100, noise=0.1)
    every = np.ones(100, dtype=bool)
    factors = found.factors(every, found.fit(every))
    again = Factors.from_dict(json.loads(json.dumps(factors.to_dict())))
    for one, other in zip(factors.summaries, again.summaries, strict=True):
        assert other.matrix == pytest.approx(one.matrix, rel=1e-3)
        moved = one.at + 0.1
        assert other.slope_at(moved) == pytest.approx(one.slope_at(moved), rel=0.02, abs=0.5)
    assert len(again.without({"h100 vllm a"})) == len(HOMES) - 1


def test_unmeasured_levels_fall_back() -> None:
    found, _ = rows(500)
    factors = found.named(found.fit(np.ones(500, dtype=bool)))
    constants = Constants(Factors(factors), Factors(), (), "")
    known = level_names("vllm", "dense", "a", "h100")
    unknown = level_names("vllm", "dense", "z", "l4")
    shared = sum(factors[name] for name in known[:2])
    assert constants.seconds(unknown) == pytest.approx(NOMINAL * np.exp(shared))
    nobodys = level_names("other", "dense", "z", "l4")
    assert constants.seconds(nobodys) == pytest.approx(NOMINAL * np.exp(factors["any"]))
    assert NONE.seconds(unknown) == pytest.approx(NOMINAL)


def test_a_level_without_its_rows_is_one_again() -> None:
    found, _ = rows(100)
    kept = found.members[:, -1] != found.members[0, -1]
    left = found.without(np.ones((len(found.names), len(CAUSES))), kept)
    assert np.all(left[found.members[0, -1]] == 0.0)
    assert np.all(left[0] == 1.0)


def test_first_token_constants_are_recovered_and_pulled() -> None:
    """Ten models whose clients wait alike: what they share is found; one alone moves it little."""
    n, truth = 4000, FirstToken(0.3, 1.3, 12.0, 2e-5)
    simulated, iteration = RNG.uniform(0.02, 2.0, size=n), RNG.uniform(0.005, 0.1, size=n)
    prompts = RNG.uniform(100, 16_000, size=n)
    units = np.stack([np.ones(n), simulated, iteration, prompts], axis=1)
    levels = [first_token_names("vllm", "moe", f"m{i % 10}", "h100") for i in range(n)]
    found = Rows.of(FIRST_TOKEN, units, units @ np.array(truth), levels)
    constants = Constants(
        Factors(), Factors(found.named(found.fit(np.ones(n, dtype=bool)))), (), ""
    )
    told = constants.first_token_of(first_token_names("vllm", "moe", "another", "h100"))
    for name, value in truth._asdict().items():
        assert getattr(told, name) == pytest.approx(value, rel=0.1), name
    assert told.seconds(1.0, 0.02, 1000) == pytest.approx(
        told.factor + told.outside_s + 0.02 * told.iterations + 1000 * told.per_token_s
    )
    one = Rows.of(FIRST_TOKEN, np.array([[1.0, 1.0, 0.02, 100.0]]), np.array([3.0]), levels[:1])
    alone = Factors(one.named(one.fit(np.ones(1, dtype=bool))))
    factor = Constants(Factors(), alone, (), "").first_token_of(levels[1]).factor
    assert 1.0 < factor < 1.5


def test_attention_groups_fall_back_to_their_engine() -> None:
    kind = Factors({"kind vllm moe": np.log([5.0, 2.0, 3.0, 1.0])})
    constants = Constants(Factors(), kind, (), "")
    levels = [first_token_names("vllm", "moe", "m", "h100", groups) for groups in (1, 8, 64)]
    assert len({names[2] for names in levels}) == 3
    for names in levels:
        told = constants.first_token_of(names).seconds(1.0, 0.1, 1000)
        assert told == pytest.approx(0.1 + 2.0 + 0.3 + 0.004)
    other = constants.first_token_of(first_token_names("other", "moe", "m", "h100"))
    assert other == pytest.approx(tuple(FIRST_TOKEN.nominal))


def test_the_bundled_constants_are_whole() -> None:
    data = json.loads((data_folder() / "calibration.json").read_text())
    constants = Constants.from_dict(data)
    assert {**constants.to_dict(), **Record.from_dict(data).to_dict()} == data
    assert len(data["source"]) > 50
    assert data["causes"] == list(CAUSES)
    assert data["nominal"] == pytest.approx(list(NOMINAL))
    for part, equation in (("decoding", DECODING), ("first_token", FIRST_TOKEN)):
        factors = data[part]["factors"]
        assert {name.split(" ")[0] for name in factors} == set(equation.sigma)
        assert all(0.02 < value < 50 for values in factors.values() for value in values)
    assert {each.group for each in constants.decoding.summaries} == set(constants.groups)
    assert {each.group for each in constants.first_token.summaries} == set(constants.groups)
