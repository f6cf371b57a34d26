"""Solve the worked examples and write each one's answer beside its problem.

python docs/examples.py [NAME ...]
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pyomo.environ as pyo

from fleetopt import FleetProblem, Plan, build_program, catalog, solve, solve_program

FILE = "expected.json"


def names() -> list[str]:
    """The bundled models that have an extension."""
    return [name for name in catalog.model_names() if catalog.read_problem(name)[0].extension]


def answer(name: str) -> dict[str, Any]:
    """What a model's plan is, by the table and verified, and what it is without extension."""
    problem, source = catalog.read_problem(name)
    without = _answers(problem.model_copy(update={"extension": None}), None)
    changed = _answers(problem, source.path.parent)
    return {**changed, "without": {**without, "objective": _objective_of_cheapest(problem)}}


def _objective_of_cheapest(problem: FleetProblem) -> float | None:
    """What an own objective is worth where the cost is minimized; None if there is none."""
    _, source = catalog.read_problem(problem.name)
    model = build_program(problem, beside=source.path.parent)
    (own,) = model.component_data_objects(pyo.Objective, active=True)
    if own is model.least_cost:
        return None
    own.deactivate()
    model.least_cost.activate()
    solve_program(model)
    return float(pyo.value(own))


def _answers(problem: FleetProblem, folder: Any) -> dict[str, Any]:
    table = solve_program(build_program(problem, beside=folder))
    return {"table": _said(table), "verified": _said(solve(problem, beside=folder))}


def _said(plan: Plan) -> dict[str, Any]:
    """Pools, cost, objective in its own units, and verdict."""
    return {
        "pools": [
            {
                "lo_tokens": pool.lo_tokens,
                "hi_tokens": pool.hi_tokens,
                "profile": pool.profile,
                "replicas": pool.replicas,
            }
            for pool in plan.fleet.pools
        ],
        "usd_per_year": round(plan.cost.usd_per_year, 2),
        "objective": plan.objective.value if plan.objective else plan.cost.usd_per_hour,
        "objective_meaning": plan.objective.meaning if plan.objective else "USD per hour",
        "verdict": plan.verification.verdict if plan.verification else None,
    }


def record(wanted: list[str]) -> None:
    """Write the answers of these examples, of all if there are none."""
    for name in wanted or names():
        text = json.dumps(answer(name), indent=2) + "\n"
        (catalog.models_folder() / name / FILE).write_text(text)


if __name__ == "__main__":
    record(sys.argv[1:])
