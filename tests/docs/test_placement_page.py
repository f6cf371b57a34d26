"""The page on parallelism for goodput works."""

from __future__ import annotations

from pathlib import Path

from walkthrough import walk

PAGE = "placement.md"


def test_every_command_does_what_the_page_says(tmp_path: Path) -> None:
    walk(PAGE, tmp_path)
