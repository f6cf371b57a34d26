"""Every constraint against its golden LP file."""

from __future__ import annotations

import inspect
from io import StringIO
from pathlib import Path

import pyomo.core as pyo
import pytest
import small_fleet
from pyomo.repn.plugins.lp_writer import LPWriter

from fleetopt.optimization import constraints

GOLDEN = Path(__file__).parent / "lp"
SECTIONS = ("min", "s.t.", "bounds", "binary", "end")
CONSTRAINTS = sorted(
    name
    for name, function in inspect.getmembers(constraints, inspect.isfunction)
    if function.__module__ == constraints.__name__ and not name.startswith("_")
)


def lp_of(name: str) -> str:
    """The small fleet in LP format with only this constraint active."""
    model = small_fleet.model()
    for component in model.component_objects(pyo.Constraint, active=True):
        if component.name != name:
            component.deactivate()
    text = StringIO()
    LPWriter().write(model, text, symbolic_solver_labels=True)
    return text.getvalue()


def unordered(lp: str) -> dict[str, list[str]]:
    """Every objective, constraint and section of an LP file with its lines sorted."""
    blocks: dict[str, list[str]] = {}
    title = ""
    for line in filter(None, map(str.strip, lp.splitlines())):
        if line in SECTIONS or line.endswith(":"):
            title = line
            blocks[title] = []
        elif not line.startswith("\\"):
            blocks[title].append(line)
    return {name: sorted(lines) for name, lines in blocks.items()}


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraint_equals_its_golden_file(name: str) -> None:
    """The constraint, written as LP, equals tests/optimization/lp/<name>.lp in any order."""
    golden = GOLDEN / f"{name}.lp"
    assert golden.exists(), f"constraint {name} has no golden LP file {golden}"
    assert unordered(lp_of(name)) == unordered(golden.read_text())


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraint_is_in_the_program(name: str) -> None:
    """The program holds a component of the function's name, so its LP file is not empty."""
    assert small_fleet.model().component(name) is not None


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraint_carries_its_equation(name: str) -> None:
    """The docs page of the mathematics is made from these docstrings."""
    assert ".. math::" in (inspect.getdoc(getattr(constraints, name)) or "")


def test_every_golden_file_belongs_to_a_constraint() -> None:
    """No golden file outlives its constraint."""
    assert sorted(path.stem for path in GOLDEN.glob("*.lp")) == CONSTRAINTS
