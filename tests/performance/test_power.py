"""Power models: the published curves, linear ones, and their exact inversion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetopt.catalog import read_profiles
from fleetopt.errors import InputError
from fleetopt.performance.power import (
    LinearPower,
    LogisticPower,
    PowerModel,
    largest_batch,
    power_model,
)
from fleetopt.problem import PowerCurve, validate

PUBLISHED_W = {
    "h100": {1: 304, 4: 330, 16: 435, 32: 507, 64: 557, 128: 583},
    "a100": {1: 191, 4: 254, 32: 369, 128: 383},
}


@st.composite
def models(draw: st.DrawFn) -> PowerModel:
    """Logistic and linear curves, some of them flat."""
    idle_w = draw(st.floats(0.0, 400.0))
    nominal_w = idle_w + draw(st.floats(0.0, 600.0))
    if draw(st.booleans()):
        return LinearPower(idle_w, nominal_w, draw(st.integers(1, 600)), "LOW", "")
    steepness, midpoint = draw(st.floats(0.05, 6.0)), draw(st.floats(-3.0, 9.0))
    return LogisticPower(idle_w, nominal_w, steepness, midpoint, "LOW", "")


def bundled(name: str) -> PowerModel:
    curve = read_profiles()[name].power
    assert curve is not None
    return power_model(curve)


@pytest.mark.parametrize("name", PUBLISHED_W)
def test_bundled_curves_are_the_published_ones(name: str) -> None:
    for batch, watts in PUBLISHED_W[name].items():
        assert round(bundled(name).watts(batch)) == watts


def test_halving_a_batch_of_64_saves_fifty_watts() -> None:
    power = bundled("h100")
    assert power.watts(64) - power.watts(32) == pytest.approx(50.0, abs=1.0)


@given(models(), st.integers(1, 300), st.floats(0.0, 1.2), st.data())
def test_inversion_is_the_scan_of_all_batches(
    power: PowerModel, most: int, share: float, data: st.DataObject
) -> None:
    """At any target, and at targets that a batch draws exactly."""
    exactly = power.watts(data.draw(st.integers(1, most)))
    for watts in (share * power.nominal_w, exactly):
        fitting = [n for n in range(1, most + 1) if power.watts(n) <= watts]
        assert largest_batch(power, watts, most) == max(fitting, default=0)


def test_linear_power_ends_at_the_full_batch() -> None:
    curve = PowerCurve(idle_w=100.0, nominal_w=300.0, full_batch=50)
    power = power_model(curve)
    assert isinstance(power, LinearPower)
    assert [power.watts(n) for n in (0, 25, 50, 80)] == [100.0, 200.0, 300.0, 300.0]


@pytest.mark.parametrize(
    ("keys", "places"),
    [
        ({}, ["steepness", "midpoint_log2"]),
        ({"steepness": 1.0}, ["midpoint_log2"]),
        ({"full_batch": 8, "midpoint_log2": 2.0}, ["full_batch"]),
        ({"full_batch": 8, "nominal_w": 50.0}, ["nominal_w"]),
        ({"nominal_w": 50.0}, ["nominal_w", "steepness", "midpoint_log2"]),
    ],
)
def test_half_stated_curves_are_refused(keys: dict[str, float], places: list[str]) -> None:
    """Every fault at once, each with its key."""
    with pytest.raises(InputError) as refused:
        validate(PowerCurve, {"idle_w": 100.0, "nominal_w": 300.0, **keys}, "power")
    assert [fault.place for fault in refused.value.faults] == [f"power, {p}" for p in places]
