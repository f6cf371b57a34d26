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
from fleetopt.optimization.limits import NONE, FleetSlo, SideConstraints, Site
from fleetopt.optimization.solver import ProgramSolver
from fleetopt.queueing.availability import SpareRule

GOLDEN = Path(__file__).parent / "lp"
SECTIONS = ("min", "s.t.", "bounds", "binary", "end")
CONSTRAINTS = sorted(
    name
    for name, function in inspect.getmembers(constraints, inspect.isfunction)
    if function.__module__ == constraints.__name__ and not name.startswith("_")
)


STATED = {
    "inventory": SideConstraints(inventory={"b": 3}),
    "gpu_limit": SideConstraints(max_gpus=6),
    "power_limit": SideConstraints(power_kw=2.5),
    "mean_power_limit": SideConstraints(mean_power_kw=1.5),
    "energy_limit": SideConstraints(energy_mwh_per_year=17.52, site=Site(pue=1.25)),
    "carbon_limit": SideConstraints(carbon_tonnes_per_year=7.0, site=Site(1.25, 400.0)),
    "budget": SideConstraints(budget_usd_per_year=8760.0 * 6),
    "whole_nodes": SideConstraints(node_size=4),
    "least_replicas": SideConstraints(min_replicas=3),
    "availability": SideConstraints(spares=SpareRule(0.75, "mean")),
    "fleet_attainment": SideConstraints(slo=small_fleet.FLEET_SLO),
}
"""What makes the program state each side constraint."""
SPARED = small_fleet.spared({0: 1, 1: 1, 2: 1})
"""One spare replica for each pool but that of all lengths."""
AMPLY_SPARED = small_fleet.spared({0: 2, 1: 3, 2: 2})
"""One more than the rule of the mean asks for at 75 %."""


def model_of(name: str) -> pyo.ConcreteModel:
    """The small fleet with what this constraint needs."""
    needed = {"availability": AMPLY_SPARED, "phase_pairing": small_fleet.PHASED}
    candidates = needed.get(name, small_fleet.CANDIDATES)
    return small_fleet.model(side=STATED.get(name, NONE), candidates=candidates)


def lp_of(name: str) -> str:
    """The small fleet in LP format with only this constraint active."""
    model = model_of(name)
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
    assert model_of(name).component(name) is not None


@pytest.mark.parametrize("name", sorted(STATED))
def test_side_constraint_is_there_only_where_it_is_stated(name: str) -> None:
    """A problem without it has the program that it always had."""
    assert small_fleet.model().component(name) is None


@pytest.mark.parametrize(
    ("side", "fleet", "usd_per_hour"),
    [
        # at most one GPU of type b: only a is left
        (SideConstraints(inventory={"b": 1}), [(0, 2), (1, 5)], 7.0),
        # a fleet of 2 + 2 GPUs fits four, but not three
        (SideConstraints(max_gpus=4), [(0, 2), (2, 1)], 5.0),
        (SideConstraints(max_gpus=3), [], float("inf")),
        # 0.8 kW + 1 kW
        (SideConstraints(power_kw=1.8), [(0, 2), (2, 1)], 5.0),
        (SideConstraints(power_kw=1.7), [], float("inf")),
        # 0.5 kW + 0.75 kW on average; 0.75 kW of three, and 0.75 kW; the latter use 16.425 MWh
        (SideConstraints(mean_power_kw=1.25), [(0, 2), (2, 1)], 5.0),
        (SideConstraints(mean_power_kw=1.2), [], float("inf")),
        (
            SideConstraints(
                energy_mwh_per_year=16.43,
                site=Site(pue=1.25),
                min_replicas=1,
                inventory={"a": 3},
                slo=FleetSlo(small_fleet.SLO[:1], 100.0),
            ),
            [(0, 3), (2, 1)],
            6.0,
        ),
        (
            SideConstraints(carbon_tonnes_per_year=5.476, site=Site(1.25, 400.0)),
            [(0, 2), (2, 1)],
            5.0,
        ),
        (SideConstraints(carbon_tonnes_per_year=5.474, site=Site(1.25, 400.0)), [], float("inf")),
        # 5 USD/h
        (SideConstraints(budget_usd_per_year=8760.0 * 5), [(0, 2), (2, 1)], 5.0),
        (SideConstraints(budget_usd_per_year=8760.0 * 4.9), [], float("inf")),
        # a node of each type costs 4 + 6, one node of b costs 6 and holds all
        (SideConstraints(node_size=4), [(3, 2)], 6.0),
        # seven of a in one node of seven cost 7, one node of b with four costs 10.5
        (SideConstraints(node_size=7), [(0, 2), (1, 5)], 7.0),
        # of three replicas or more: 0 with three and 1, or 3
        (SideConstraints(min_replicas=3), [(0, 3), (1, 5)], 8.0),
        # 5: 0.8 x 1 % + 0.2 x 4 % beyond P99; 0 with three, and 2: 0.8 %; 3: 2 %
        (SideConstraints(slo=FleetSlo(small_fleet.SLO[:1], 100.0)), [(0, 3), (2, 1)], 6.0),
        # 0.8 x 4 % + 0.2 x 30 % beyond P90; 5: 15.6 %
        (SideConstraints(slo=small_fleet.FLEET_SLO), [(0, 3), (2, 1)], 6.0),
        # without b: 0 with two and 1 with five miss 1.2 % and 13.6 %, with six 10.6 % of P90
        (
            SideConstraints(slo=small_fleet.FLEET_SLO, inventory={"b": 1}),
            [(0, 3), (1, 5)],
            8.0,
        ),
        # whole nodes count against the inventory
        (SideConstraints(node_size=8, inventory={"a": 7}), [(3, 2)], 12.0),
    ],
)
def test_what_each_side_constraint_leaves(
    side: SideConstraints, fleet: list[tuple[int, int]], usd_per_hour: float
) -> None:
    """The best fleet under each, worked out by hand."""
    solution = ProgramSolver(small_fleet.model(side=side)).solve()
    assert [(c.index, row.replicas) for c, row in solution.chosen] == fleet
    assert solution.usd_per_hour == pytest.approx(usd_per_hour)
    assert solution.objective == pytest.approx(usd_per_hour)


@pytest.mark.parametrize(
    ("side", "fleet", "usd_per_hour"),
    [
        # spare replicas are paid for: without them 3 alone is the cheapest
        (NONE, [(3, 2)], 6.0),
        # 2 of 3 and 1 of 2 are up on average, 2 of 2 in candidate 3 are not: 3 + 6 USD/h
        (SideConstraints(spares=SpareRule(0.75, "mean")), [(0, 2), (2, 1)], 9.0),
        # 5 of 6 are not enough of candidate 1, whose GPUs are the only ones left
        (SideConstraints(spares=SpareRule(0.75, "mean"), inventory={"b": 3}), [], float("inf")),
        # at 0.84 they are: 3 + 6 GPUs of type a
        (
            SideConstraints(spares=SpareRule(0.84, "mean"), inventory={"b": 3}),
            [(0, 2), (1, 5)],
            9.0,
        ),
        # spare replicas draw power: 3 * 0.4 + 2 * 1 kW
        (SideConstraints(spares=SpareRule(0.75, "mean"), power_kw=3.2), [(0, 2), (2, 1)], 9.0),
        (SideConstraints(spares=SpareRule(0.75, "mean"), power_kw=3.1), [], float("inf")),
        # and take GPUs: 3 + 4
        (SideConstraints(spares=SpareRule(0.75, "mean"), max_gpus=7), [(0, 2), (2, 1)], 9.0),
        (SideConstraints(spares=SpareRule(0.75, "mean"), max_gpus=6), [], float("inf")),
        # 2 of 3 are up 0.972 of the time; a replica on two nodes is up 0.81, 1 of 2 are 0.9639
        (
            SideConstraints(spares=SpareRule(0.9, target=0.96, gpus_per_node=1)),
            [(0, 2), (2, 1)],
            9.0,
        ),
        (SideConstraints(spares=SpareRule(0.9, target=0.97, gpus_per_node=1)), [], float("inf")),
        # 3 on one node are up together, 0.9 of the time
        (SideConstraints(spares=SpareRule(0.9, target=0.91)), [], float("inf")),
        (SideConstraints(spares=SpareRule(0.9, target=0.9)), [(3, 2)], 6.0),
    ],
)
def test_what_availability_leaves(
    side: SideConstraints, fleet: list[tuple[int, int]], usd_per_hour: float
) -> None:
    """The best fleet with spare replicas, worked out by hand."""
    solution = ProgramSolver(small_fleet.model(side=side, candidates=SPARED)).solve()
    assert [(c.index, row.replicas) for c, row in solution.chosen] == fleet
    assert solution.usd_per_hour == pytest.approx(usd_per_hour)
    assert solution.objective == pytest.approx(usd_per_hour)


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraint_carries_its_equation(name: str) -> None:
    """The docs page of the mathematics is made from these docstrings."""
    assert ".. math::" in (inspect.getdoc(getattr(constraints, name)) or "")


def test_every_golden_file_belongs_to_a_constraint() -> None:
    """No golden file outlives its constraint."""
    assert sorted(path.stem for path in GOLDEN.glob("*.lp")) == CONSTRAINTS
