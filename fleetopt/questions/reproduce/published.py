"""The published scenarios as they are written down in data/published_scenarios.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from fleetopt.catalog import data_folder, read_json

SCENARIOS = "published_scenarios.json"


@dataclass(frozen=True)
class PublishedScenario:
    """One published table.

    key: such as 'puzzle_1_lmsys'. command: what a user types; empty where there is none.
    stated: its workload, arrival rate, bounds and GPUs, by key. rows: its figures, by field.
    """

    key: str
    question: str
    command: str
    stated: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]


@cache
def published_scenarios() -> dict[str, PublishedScenario]:
    """Every published table, by its key."""
    data, _ = read_json(data_folder() / SCENARIOS)
    return {
        stated["key"]: PublishedScenario(
            stated["key"],
            stated["question"],
            stated.get("command", ""),
            stated.get("stated", {}),
            tuple(stated["rows"]),
        )
        for stated in data["scenarios"]
    }
