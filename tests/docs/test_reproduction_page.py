"""The recorded page is still the answer, table by table; the simulated ones are `slow`."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetopt.questions.reproduce.answer import SCENARIOS, reproduce
from fleetopt.report.blocks import to_markdown
from fleetopt.report.reproduction import reproduction_blocks

ROOT = Path(__file__).resolve().parents[2]
RECORDED = (ROOT / "docs" / "measured" / "reproduction.md").read_text()
SIMULATED = [key for key in SCENARIOS if key[:8] in {f"puzzle_{n}" for n in (1, 2, 3, 5, 6, 8)}]
EXACT = [key for key in SCENARIOS if key not in (*SIMULATED, "puzzle_10")]


def tables(keys: list[str]) -> list[str]:
    """Each table as Markdown."""
    found = reproduce(keys)
    text = to_markdown(reproduction_blocks(found))
    return [f"## {part}".strip() for part in text.split("\n## ")[1:]]


def test_exact_tables_are_as_recorded() -> None:
    found = tables(EXACT)
    assert len(found) == len(EXACT)
    for table in found:
        assert table in RECORDED


@pytest.mark.slow
@pytest.mark.parametrize("key", [*SIMULATED, "puzzle_10"])
def test_simulated_tables_are_as_recorded(key: str) -> None:
    """Same seeds, same figures: `pytest -m slow tests/docs/test_reproduction_page.py`."""
    (table,) = tables([key])
    assert table in RECORDED


def test_what_is_known_to_differ_is_on_the_page() -> None:
    for name in ("Sampled lengths", "One seed", "Compressed work", "Slots freed early",
                 "Prompt left out", "Exact caps", "Half the batch", "Clipped lengths"):  # fmt: skip
        assert f"### {name}" in RECORDED
