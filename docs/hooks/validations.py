"""Tables of the page on how far calibrated profiles are from measurements."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_FILE = Path(__file__).resolve().parents[1] / "measured" / "profile_accuracy.json"
_KINDS = {"dense": "dense, unsaturated", "moe": "experts, unsaturated", "saturated": "saturated"}


def recorded() -> dict[str, Any]:
    """What `fleetopt profile validate --format json` said."""
    content: dict[str, Any] = json.loads(_FILE.read_text())
    return content


def overall() -> str:
    """Errors of all rows, by kind."""
    found = recorded()["overall"]
    return _table("rows", {_KINDS[name]: entry for name, entry in found.items()})


def tables() -> str:
    """Errors of unsaturated rows by GPU, engine, model, regime and group."""
    found = recorded()
    keys = {"GPU": "by_gpu", "engine": "by_engine", "model": "by_model", "regime": "by_regime",
            "GPU, engine and model": "groups"}  # fmt: skip
    return "\n\n".join(_table(heading, found[key]) for heading, key in keys.items())


def saturated() -> str:
    """Errors of saturated rows, and the share of them that is flagged."""
    found = recorded()
    keys = {"GPU": "saturated_by_gpu", "engine": "saturated_by_engine",
            "model": "saturated_by_model"}  # fmt: skip
    return "\n\n".join(_table(heading, found[key]) for heading, key in keys.items())


def _table(heading: str, found: Mapping[str, Mapping[str, Any]]) -> str:
    head = f"| {heading} | n | TPOT | bias | TTFT | bias | flagged |\n| --- " + "| ---: " * 6 + "|"
    return "\n".join([head, *(_row(name, entry) for name, entry in found.items())])


def _row(name: str, entry: Mapping[str, Any]) -> str:
    cells = [
        f"{entry['tpot_median_abs_error']:.1%}", f"{entry['tpot_median_error']:+.0%}",
        f"{entry['ttft_median_abs_error']:.1%}", f"{entry['ttft_median_error']:+.0%}",
        f"{entry['flagged']:.1%}",
    ]  # fmt: skip
    return f"| {name} | {entry['n']:,} | " + " | ".join(c.replace("%", " %") for c in cells) + " |"
