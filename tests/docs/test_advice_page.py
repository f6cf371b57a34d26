"""The page on advice: its command works, and the recorded answers are still the answers."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from walkthrough import walk

from fleetopt.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import record  # noqa: E402

TEXT = (ROOT / "docs" / "advice.md").read_text()


def recorded(name: str) -> str:
    return (record.MEASURED / f"advice_{name}.txt").read_text()


def test_the_command_of_the_page(tmp_path: Path) -> None:
    walk("advice.md", tmp_path)


@pytest.mark.parametrize("name", ["azure", *(pytest.param(n, marks=pytest.mark.slow)
                                             for n in ("lmsys", "agent"))])  # fmt: skip
def test_the_recorded_answer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", record.WIDTH)
    assert record.ADVICE[name] in TEXT
    assert CliRunner().invoke(cli, record.ADVICE[name].split()).stdout == recorded(name)


def test_what_the_page_says_of_the_answers() -> None:
    """Its savings and shares, from the recorded answers."""
    plan, one = (float(usd) for usd in re.findall(r"([\d.]+) K\$ a year", recorded("lmsys"))[1:3])
    assert f"Splitting saves {100 * (1 - plan / one):.0f} %" in TEXT
    kept = re.search(r"\(published method: P99.*?,\s+([\d.]+) %", recorded("lmsys"), re.S)
    assert kept is not None
    assert f"loses {100 - float(kept[1]):.0f} % of its worst" in TEXT
    more = re.search(r"two pools at 4,096 cost .*?\(\+([\d.]+) %\)", recorded("azure"), re.S)
    assert more is not None
    assert f"4,096 cost {float(more[1]):.0f} % more" in " ".join(TEXT.split())
    plan_, one_ = (float(x) for x in re.findall(r"([\d.]+) K\$ a year", recorded("azure"))[1:3])
    assert f"splitting saves {100 * (1 - plan_ / one_):.0f} %" in TEXT
    apart = re.search(r"phases apart +apart +wrong here +([\d.]+)", recorded("lmsys"))
    assert apart is not None
    assert 1.8 < float(apart[1]) / plan < 2.0
