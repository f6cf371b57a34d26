"""The page on workloads works: its files and commands, its figures of the real traces."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from walkthrough import DOCS, walk

sys.path.insert(0, str(DOCS.parent / "tests" / "workload"))

from recordings import real

from fleetopt.workload.burstiness import arrival_figures
from fleetopt.workload.traces import read_trace

PAGE = "workloads.md"


def test_every_command_does_what_the_page_says(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    walk(PAGE, tmp_path)
    workload = json.loads((tmp_path / "chat.workload.json").read_text())
    assert workload["arrivals"]["gap_cv2"] > 2
    assert (tmp_path / "chat.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "some.json").read_text())["files"][0]["skipped"] == 2


@pytest.mark.parametrize(("row", "name"), [("code", "code"), ("conversation", "conv")])
def test_figures_of_the_real_traces(row: str, name: str) -> None:
    """The page's table holds what is measured, to the digits that it shows."""
    figures = arrival_figures(read_trace(real(f"azure_{name}_2023.csv")))
    cells = re.search(rf"^\| {row} \| (.*) \|$", (DOCS / PAGE).read_text(), flags=re.M)
    assert cells is not None
    said = [float(cell.replace(",", "")) for cell in cells[1].split(" | ")]
    index, peaks = dict(figures.dispersion), dict(figures.peak_rates)
    measured = [figures.requests, figures.rate, figures.gap_cv2,
                index[1.0], index[60.0], index[300.0], peaks[60.0]]  # fmt: skip
    assert said == pytest.approx(measured, rel=5e-3)
