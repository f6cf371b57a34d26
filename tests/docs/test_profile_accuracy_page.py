"""The page on measured profiles: its commands, its tables, and the errors that it promises."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from walkthrough import DOCS, walk

sys.path.insert(0, str(DOCS / "hooks"))

import validations

TEXT = (DOCS / "profile-accuracy.md").read_text()


def test_every_command_does_what_the_page_says(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    walk("profile-accuracy.md", tmp_path)
    assert (tmp_path / "fit.png").read_bytes().startswith(b"\x89PNG")
    assert "[[profiles]]" in (tmp_path / "mine.toml").read_text()


def test_recorded_errors_keep_their_bounds() -> None:
    """TPOT and TTFT of unsaturated rows, and false flags."""
    found = validations.recorded()
    for kind, tpot, ttft in (("dense", 0.10, 0.30), ("moe", 0.25, 0.45)):
        assert found["overall"][kind]["tpot_median_abs_error"] <= tpot
        assert found["overall"][kind]["ttft_median_abs_error"] <= ttft
    assert found["flagged"]["unsaturated"] <= 0.10
    assert found["flagged"]["saturated"] >= 0.90
    (rows,) = re.findall(r"Over ([\d,]+) runs", TEXT)
    assert int(rows.replace(",", "")) == found["rows"]


def test_the_page_says_what_is_flagged() -> None:
    flagged = validations.recorded()["flagged"]
    (found,) = re.findall(r"TTFT is predicted above 2.5 s \| ([\d.]+) % \| ([\d.]+) %", TEXT)
    told = [round(100 * flagged[kind], 1) for kind in ("saturated", "unsaturated")]
    assert [float(share) for share in found] == told


def test_tables_have_every_group() -> None:
    found = validations.recorded()
    text = validations.tables()
    names = [*found["groups"], *found["by_gpu"], *found["by_engine"], *found["by_model"]]
    assert all(f"| {name} | " in text for name in names)
    parts = [found["overall"][kind]["n"] for kind in ("dense", "moe")]
    assert sum(entry["n"] for entry in found["groups"].values()) == sum(parts)
