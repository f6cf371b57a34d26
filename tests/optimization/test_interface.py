"""The list of the model's parts: complete, true to the model, and on the docs page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyomo.core as pyo
import pytest

from fleetopt import FleetProblem, build_program
from fleetopt.optimization.attributes import Percentiles
from fleetopt.optimization.interface import parts

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs" / "hooks"))

import program

KINDS = {
    "set": (pyo.Set, pyo.RangeSet),
    "variable": (pyo.Var,),
    "expression": (pyo.Expression,),
    "constraint": (pyo.Constraint,),
    "objective": (pyo.Objective,),
}
EVERY_LIMIT = {
    "inventory": {"a100": 50, "h100": 50},
    "max_gpus": 90,
    "power_kw": 90.0,
    "mean_power_kw": 80.0,
    "energy_mwh_per_year": 900.0,
    "carbon_tonnes_per_year": 400.0,
    "carbon_g_per_kwh": 380.0,
    "budget_usd_per_year": 1e6,
    "node_size": 4,
    "min_replicas": 2,
    "availability": 0.9,
    "slo_scope": "fleet",
    "objective": "energy",
}


@pytest.fixture(scope="module")
def model() -> Any:
    """A program with every part."""
    return build_program(FleetProblem.model_validate({"gpus": ["a100", "h100"], **EVERY_LIMIT}))


def test_every_component_is_listed(model: Any) -> None:
    """Sets, variables, expressions, constraints and the objective; nothing else is in it."""
    listed = {part.name for part in parts()}
    assert {component.name for component in model.component_objects()} <= listed


def test_every_attribute_is_listed(model: Any) -> None:
    """Data and percentiles are plain attributes; those of a model without them are not ours."""
    own = set(vars(model)) - set(vars(pyo.ConcreteModel(name="empty")))
    own -= {component.name for component in model.component_objects()}
    assert own <= {part.name for part in parts()}


@pytest.fixture(scope="module")
def phased() -> Any:
    """A program whose prefill and decode are apart, which not every limit goes with."""
    stated = {"gpus": ["h100"], "phases": "apart", "thresholds": [4096]}
    return build_program(FleetProblem.model_validate(stated))


@pytest.mark.parametrize("part", parts(), ids=lambda part: part.name)
def test_part_is_what_the_list_says(model: Any, phased: Any, part: Any) -> None:
    """Its kind, its index, a meaning, and its line on the page."""
    model = phased if "phases" in part.present else model
    thing = getattr(model, part.name)
    if part.name.startswith("p99"):
        assert isinstance(thing, Percentiles)
    elif part.kind == "data":
        assert isinstance(thing, dict) == bool(part.index)
    else:
        assert thing.ctype in KINDS[part.kind]
    if part.kind in ("variable", "expression", "constraint", "objective"):
        assert _index(model, thing) == part.index
    assert part.meaning
    assert f"| `{part.name}" in program.interface()


def _index(model: Any, thing: Any) -> str:
    """What a component is indexed by, told from its keys."""
    keys = set(thing)
    sets = {"c": model.candidates, "i": model.breakpoints, "c, k": model.rows}
    known = {index: set(members) for index, members in sets.items()}
    known["type"] = set(model.gpu_types)
    known["b"] = set(getattr(model, "bounds", ()))
    known |= {"i, j, link": set(model.paired)} if model.paired else {}
    return next((index for index, members in known.items() if keys == members), "")


@pytest.mark.parametrize("part", [part for part in parts() if part.present], ids=lambda p: p.name)
def test_part_is_absent_without_its_condition(part: Any) -> None:
    """What the list calls conditional is not in the program of a plain problem."""
    spec = {"name": "dark", "gpu": "dark", "base_s": 0.004, "per_sequence_s": 0.0003,
            "calibration_context_tokens": 8192, "chunk_tokens": 1024, "kv_blocks": 65536,
            "calibration_slots": 256, "usd_per_hour": 4.0}  # fmt: skip
    plain = build_program(FleetProblem.model_validate({"gpus": ["dark"], "profiles": [spec]}))
    assert not hasattr(plain, part.name)
