"""The pages on two pools: their example runs, and what they recorded is still the answer."""

from __future__ import annotations

import re
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from click.testing import CliRunner

from fleetopt.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import record  # noqa: E402

BLOCK = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```\n", flags=re.M | re.S)
NUMBERS = re.compile(r"^ *([\d,]+) +[\d.]+ % +(\d+ \+ \d+)", flags=re.M)
GAMMAS = re.compile(r"^a10g \+ h100 +([\d.]+) +(\d+ \+ \d+) +([\d.]+ K\$)", flags=re.M)


def test_the_example_says_what_the_page_says() -> None:
    [(code, shown)] = BLOCK.findall((ROOT / "docs" / "where-to-split.md").read_text())
    printed = StringIO()
    with redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == shown


def test_recorded_splits_are_those_of_the_tables() -> None:
    recorded = (record.MEASURED / "where_to_split.txt").read_text()
    words = record.TWO_POOLS["where_to_split"].replace(" --simulate", "").split()
    done = CliRunner(env={"COLUMNS": "100"}).invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert NUMBERS.findall(recorded) == NUMBERS.findall(done.stdout) != []
    assert "Split at 2,048 tokens" in recorded
    assert "by the tables" not in recorded.split("\n\n", 1)[0]


def test_recorded_factors_are_those_of_the_tables() -> None:
    recorded = (record.MEASURED / "optimize.txt").read_text()
    words = [*record.TWO_POOLS["optimize"].split(), "--verify-top", "0"]
    done = CliRunner(env={"COLUMNS": "100"}).invoke(cli, words)
    assert done.exit_code == 0, done.output
    tables, published = (recorded.split(title, 1)[i] for title, i in
                         (("Simulated", 0), ("By the published method", 1)))  # fmt: skip
    assert GAMMAS.findall(tables + published) == GAMMAS.findall(done.stdout) != []
    assert "its requests pile up" in " ".join(recorded.split())
