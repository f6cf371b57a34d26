"""The commands of the pages on growth and on GPUs work, and show what the pages say."""

from __future__ import annotations

from pathlib import Path

import pytest
from walkthrough import walk

FIGURES = {"growth.md": "growth.png", "which-gpu.md": "gpus.png"}


@pytest.mark.parametrize("page", FIGURES)
def test_page(page: str, tmp_path: Path) -> None:
    """Every block is run in order."""
    pytest.importorskip("matplotlib")
    folder = walk(page, tmp_path)
    assert (folder / FIGURES[page]).read_bytes().startswith(b"\x89PNG")
