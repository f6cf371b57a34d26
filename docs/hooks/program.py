"""The interface of the program as tables, from the program's own list."""

from __future__ import annotations

from fleetopt.optimization.interface import Part, parts

_TITLES = {
    "set": "Sets",
    "data": "Data",
    "variable": "Variables",
    "expression": "Expressions",
    "constraint": "Constraints",
    "objective": "Objective",
}


def interface() -> str:
    """Every part of the model, a table for each kind."""
    return "\n\n".join(f"### {title}\n\n{_table(kind)}" for kind, title in _TITLES.items())


def _table(kind: str) -> str:
    rows = [_row(part) for part in parts() if part.kind == kind]
    return "\n".join(["| name | unit | meaning |", "| --- | --- | --- |", *rows])


def _row(part: Part) -> str:
    name = f"{part.name}[{part.index}]" if part.index else part.name
    present = f"; only where {part.present}" if part.present else ""
    return f"| `{name}` | {part.unit} | {part.meaning}{present} |"
