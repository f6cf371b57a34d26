"""The migration page: its scripts run, its tables are complete, its figures are measured."""

from __future__ import annotations

import json
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import click
import pytest

from fleetopt import compat
from fleetopt.cli import main
from fleetopt.compat import (
    A10G,
    A100_80GB,
    H100_80GB,
    DisaggFleetOptimizer,
    FleetOptimizer,
)

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "migration.md").read_text()
FLAGS = ROOT.parent / "shared" / "reference" / "published_cli.json"
BLOCK = r'^```python title="%s"\n(.*?)^```\n'
AFTER = re.compile(BLOCK % "after" + r"\n```text\n(.*?)^```\n", flags=re.M | re.S)
PAIR = re.compile(BLOCK % "before" + "\n" + BLOCK % "after", flags=re.M | re.S)


def column(heading: str, number: int) -> list[str]:
    """The code words in a column of the table below a heading."""
    section = TEXT.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    return [word for row in rows for word in re.findall(r"`([^`]+)`", row[number])]


def test_scripts_print_what_the_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every script after its change, in order."""
    monkeypatch.chdir(ROOT)
    blocks = AFTER.findall(TEXT)
    assert len(blocks) == TEXT.count('title="after"') == 9
    names: dict[str, object] = {}
    for code, shown in blocks:
        printed = StringIO()
        with redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue() == shown


def test_only_import_lines_change() -> None:
    """From every script before to the one after it."""
    pairs = PAIR.findall(TEXT)
    assert len(pairs) == TEXT.count('title="before"') == 8
    for before, after in pairs:
        renamed = re.sub(
            r"^from fleet_sim[.\w]* import", "from fleetopt.compat import", before, flags=re.M
        )
        assert renamed == after


def test_the_rate_with_the_prompts_kv() -> None:
    """The figure that the page quotes, of the counts that its script prints."""
    stated = re.search(r"`best.rate_with_prompt_kv`\ncounts it, and is (\d+)", TEXT)
    assert stated is not None
    optimizer = DisaggFleetOptimizer(H100_80GB, A100_80GB, 1450, 483, 500, 100, 8192)
    point = next(p for p in optimizer.sweep() if (p.n_prefill, p.n_decode) == (1, 6))
    assert round(point.rate_with_prompt_kv) == int(stated[1])


def test_every_name_has_its_row() -> None:
    """Those of the table are those that the package offers."""
    assert sorted(column("Names", 1)) == sorted(compat.__all__)


def test_every_option_in_the_table_exists() -> None:
    """On solve, verify or simulate; and the flags in it were published."""
    names = ("solve", "verify", "simulate")
    commands = [main.cli.get_command(click.Context(main.cli), name) for name in names]
    options = {spelling for c in commands if c for param in c.params for spelling in param.opts}
    assert set(column("Commands", 2)) <= options
    if FLAGS.is_file():
        published = json.loads(FLAGS.read_text())
        flags = {flag for command in published.values() for flag in command}
        assert set(column("Commands", 1)) <= flags


def test_percentiles_of_the_first_example() -> None:
    """What the formulas promise is exact; what the simulator finds is near."""
    stated = re.search(r"of (\d+) and (\d+) ms, the simulator (\d+) and (\d+) ms", TEXT)
    assert stated is not None
    asked = ("lmsys", 100, [1.0])
    report = FleetOptimizer(A10G, H100_80GB, 4096).optimize(*asked, verbose=False)
    theirs, ours = report.as_published, report.best_simulated
    assert ours is not None
    said = [theirs.p99_ttft_short_ms, theirs.p99_ttft_long_ms]
    assert [round(value) for value in said] == [int(stated[1]), int(stated[2])]
    assert ours.p99_ttft_short_ms == pytest.approx(int(stated[3]), rel=0.1)
    assert ours.p99_ttft_long_ms == pytest.approx(int(stated[4]), rel=0.25)


def test_percentiles_of_the_published_split() -> None:
    """The counts, the promise and what simulation finds."""
    stated = re.search(
        r"with (\d) \+ (\d)\sGPUs, which .*? they promise (\d+) ms there, and simulation\s"
        r"finds ([\d,]+) ms", TEXT, flags=re.S,
    )  # fmt: skip
    assert stated is not None
    optimizer = FleetOptimizer(A100_80GB, A100_80GB, 4096, method="published")
    report = optimizer.optimize("lmsys", 100, [1.0], verbose=False)
    said, seen = report.best_analytical, report.best_simulated
    assert seen is not None
    assert (said.n_s, said.n_l) == (int(stated[1]), int(stated[2]))
    assert round(said.p99_ttft_long_ms) == int(stated[3])
    assert seen.p99_ttft_long_ms == pytest.approx(int(stated[4].replace(",", "")), rel=0.3)
    assert not seen.slo_met


def test_the_published_fleet_with_compression_is_overloaded() -> None:
    """The factor and counts that the page quotes, with their utilization, and the verdict."""
    stated = re.search(
        r"`gamma ([\d.]+): (\d) \+ (\d) GPUs, .*?its short pool has (\d+) % of", TEXT, flags=re.S
    )
    assert stated is not None
    optimizer = FleetOptimizer(A100_80GB, A100_80GB, 4096, 500, 8192, method="published")
    report = optimizer.optimize("azure", 100, [float(stated[1])], verbose=False)
    said, seen = report.best_analytical, report.best_simulated
    assert seen is not None
    assert (said.n_s, said.n_l) == (int(stated[2]), int(stated[3]))
    assert round(100 * said.utilization_short) == int(stated[4])
    assert seen.note == "unstable"
