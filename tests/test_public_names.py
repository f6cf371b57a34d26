"""The public face of the package."""

import subprocess
import sys

import pytest

import fleetopt


@pytest.mark.parametrize("name", [n for n in fleetopt.__all__ if n != "solve"])
def test_public_names_load_when_they_are_used(name):
    assert getattr(fleetopt, name) is not None


def test_solve_is_the_study():
    study = pytest.importorskip("fleetopt.study")
    assert fleetopt.solve is study.solve


def test_all_names_are_listed():
    assert set(fleetopt.__all__) <= set(dir(fleetopt))


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = fleetopt.nothing


def test_importing_the_package_loads_nothing_else():
    script = "import sys, fleetopt; print(*[n for n in sys.modules if n.startswith('fleetopt')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert set(done.stdout.split()) == {"fleetopt", "fleetopt.lazy"}
