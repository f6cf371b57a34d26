"""Why a solve ends and what is held, as tables from the enums themselves."""

from __future__ import annotations

from enum import StrEnum

from fleetopt.optimization.other import OPTION_NAMES, OptionNames
from fleetopt.optimization.solution import Holding, Termination


def terminations() -> str:
    """Every reason to stop."""
    return _table("termination", Termination)


def holdings() -> str:
    """Everything that can be held."""
    return _table("holding", Holding)


def solvers() -> str:
    """The solvers that take fleetopt's options, and under which names."""
    keys = ("relative_gap", "threads", "seed", "node_limit")
    head = "| solver | " + " | ".join(f"`{key}`" for key in keys) + " |"
    rows = [f"| `{name}` | {_names(names, keys)} |" for name, names in OPTION_NAMES.items()]
    return "\n".join([head, "| --- " * (len(keys) + 1) + "|", *rows])


def _names(names: OptionNames, keys: tuple[str, ...]) -> str:
    found = (getattr(names, key) for key in keys)
    return " | ".join(f"`{name}`" if name else "no" for name in found)


def _table(title: str, kind: type[StrEnum]) -> str:
    rows = [f"| `{state.value}` | {state.meaning} |" for state in kind]  # type: ignore[attr-defined]
    return "\n".join([f"| {title} | meaning |", "| --- | --- |", *rows])
