"""Published names take the published parameters, in their order and with their defaults."""

from __future__ import annotations

import importlib
import inspect
import json
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from fleetopt import compat
from fleetopt.compat.fleet_results import FleetSimResult

SIGNATURES = json.loads((Path(__file__).parent / "published_signatures.json").read_text())


def ours(name: str) -> str:
    """Parameters of a name here, those that published scripts may leave out aside."""
    home, _, method = name.partition(".")
    found = FleetSimResult if home == "FleetSimResult" else getattr(compat, home)
    return written(getattr(found, method) if method else found)


def written(what: Any) -> str:
    made = {
        field.name: field.default_factory()
        for field in (fields(what) if is_dataclass(what) else ())
        if field.default_factory is not MISSING
    }
    return ", ".join(
        name + ("" if p.default is p.empty else f"={made.get(name, p.default)!r}")
        for name, p in inspect.signature(what).parameters.items()
        if p.kind is not p.KEYWORD_ONLY
    )


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature(name: str) -> None:
    assert ours(name) == SIGNATURES[name]


def test_the_list_is_the_published_tools() -> None:
    """Where it is installed."""
    pytest.importorskip("fleet_sim")
    homes = ("fleet_sim", "fleet_sim.workload", "fleet_sim.core.fleet")
    modules = [importlib.import_module(module) for module in homes]
    for name, signature in SIGNATURES.items():
        home, _, method = name.partition(".")
        found = next(getattr(module, home) for module in modules if hasattr(module, home))
        assert written(getattr(found, method) if method else found) == signature, name
