"""The verdict on a figure, and the figures that need no simulation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleetopt.errors import InputError
from fleetopt.plan import Interval
from fleetopt.questions.reproduce.answer import SCENARIOS, reproduce
from fleetopt.questions.reproduce.figure import Figure
from fleetopt.questions.reproduce.published import published_scenarios

REFERENCE = Path(__file__).resolve().parents[4] / "shared" / "reference"


def figure(published: float, **keys: object) -> Figure:
    return Figure("puzzle", "row", "p99_ms", "ms", published, **keys)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (figure(100.0, method=105.0), "reproduced"),
        (figure(100.0, method=107.0), "differs"),
        (figure(100.0, method=150.0, seeds=(90.0, 300.0)), "reproduced"),
        (figure(100.0, method=150.0, seeds=(120.0, 300.0)), "differs"),
        (figure(100.0, method=100.0, simulated=Interval(150.0, 140.0, 160.0)),
         "reproduced, but not so"),
        (figure(100.0, method=100.0, simulated=Interval(110.0, 95.0, 125.0)), "reproduced"),
        (figure(100.0, method=100.0, simulated=Interval(None, None, None)),
         "reproduced, but not so"),
        (figure(100.0, method=200.0, simulated=Interval(100.0, 95.0, 105.0)), "differs"),
        (figure(100.0, table=101.0), "reproduced"),
        (figure(100.0, table=120.0), "differs"),
    ],
)  # fmt: skip
def test_verdicts(found: Figure, verdict: str) -> None:
    assert found.verdict == verdict


def test_counts_may_differ_by_one() -> None:
    keys = ("puzzle", "row", "gpus", "count")
    assert Figure(*keys, 8, method=9).verdict == "reproduced"
    assert Figure(*keys, 8, method=10).verdict == "differs"
    assert Figure(*keys, 480, method=504).verdict == "reproduced"


def test_the_bundled_figures_are_the_published_ones() -> None:
    path = REFERENCE / "published_scenarios.json"
    if not path.is_file():
        pytest.skip(f"the published figures are not at {path}")
    published = json.loads(path.read_text())
    bundled = published_scenarios()
    for key, scenario in published.items():
        assert bundled[key].command == scenario["command"]
        rows = [{k: v for k, v in row.items() if k != "gamma"} for row in bundled[key].rows]
        assert rows == scenario["rows"]


def test_growth_is_reproduced_but_for_its_thresholds() -> None:
    """Puzzle 4: all counts and costs; no published formula gives when to add GPUs."""
    found = reproduce(["puzzle_4"])
    kinds = {figure.quantity: [] for figure in found.figures}
    for one in found.figures:
        kinds[one.quantity].append(one.verdict)
    assert set(kinds["gpus"]) == set(kinds["usd_per_year"]) == {"reproduced"}
    assert "differs" in kinds["add_before_lam"]
    assert not found.findings


def test_unknown_scenarios_are_named() -> None:
    with pytest.raises(InputError, match="puzzle_4"):
        reproduce(["puzle_4"])


def test_every_published_table_is_computed() -> None:
    assert set(SCENARIOS) == set(published_scenarios())
