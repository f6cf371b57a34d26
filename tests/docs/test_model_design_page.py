"""The page on designs on one model works, and its recorded answer is one of the program."""

from __future__ import annotations

import re
from pathlib import Path

from walkthrough import DOCS, walk


def test_every_command_but_the_recorded_one_does_what_the_page_says(tmp_path: Path) -> None:
    text = (DOCS / "model-design.md").read_text()
    assert "--max-pools 1\n```\n\n<!-- made: model answer -->" in text
    walk("model-design.md", tmp_path)


def test_the_recorded_answer_has_what_the_page_points_at() -> None:
    said = " ".join((DOCS / "measured" / "solve_model.txt").read_text().split())
    assert re.search(r"Engines pool-1: h[12]00-tp\d, llama-3.1-70b; tensor parallelism", said)
    assert "6 of 8 engine configurations of llama-3.1-70b can run" in said
    assert "does not fit with bf16 weights, which takes 2 GPUs at least" in said
    assert "Verdict: pass" in said
