"""The published names: those that are there, and what is said of the others."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fleetopt import compat

FIGURES = Path(__file__).resolve().parents[3] / "shared" / "reference" / "published_python.json"


@pytest.mark.parametrize("name", compat.__all__)
def test_names_are_there(name: str) -> None:
    """All that are listed."""
    assert getattr(compat, name) is not None


def test_names_that_were_never_published_are_unknown() -> None:
    """As in any module."""
    with pytest.raises(AttributeError, match="no attribute 'FleetOptimiser'"):
        _ = compat.FleetOptimiser


def test_every_published_name_is_there() -> None:
    """Functions, classes and constants of the published interface."""
    if not FIGURES.is_file():
        pytest.skip(f"the published names are not at {FIGURES}")
    published = json.loads(FIGURES.read_text())
    stated = ", ".join([*published["functions"], *published["classes"]])
    bare = re.sub(r"\.\w+", "", re.sub(r"\([^()]*\)", "", stated))  # no parameters, no methods
    called = set(bare.split(", "))
    constants = published["constants"]
    lists = {name for value in constants.values() if isinstance(value, list) for name in value}
    single = {name for name, value in constants.items() if not isinstance(value, list)}
    returned = {"ComputedProfile"}  # named as what ProfileBuilder().build(...) returns
    assert called | lists | single | returned == set(compat.__all__) | returned


def test_availability_constants() -> None:
    """To the digits that are published."""
    if not FIGURES.is_file():
        pytest.skip(f"the published figures are not at {FIGURES}")
    constants = json.loads(FIGURES.read_text())["constants"]
    for name in ("A100_AVAIL_RSC1_FAST", "A100_AVAIL_RSC1_SLOW", "H100_AVAIL_5PCT"):
        assert getattr(compat, name) == pytest.approx(constants[name], abs=5e-6)
