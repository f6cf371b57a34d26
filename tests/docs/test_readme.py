"""The README says what is so: its lines, its answer, its figures."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from click.testing import CliRunner

from fleetopt.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import record  # noqa: E402

README = (ROOT / "README.md").read_text()


def lines_to_paste() -> list[str]:
    return re.findall(r"```bash\n(.*?)\n```", README, flags=re.S)


def test_two_lines_to_paste() -> None:
    first, second = lines_to_paste()
    assert first.endswith(".venv/bin/fleetopt solve --cdf data/lmsys_cdf.json")
    assert second.endswith("bash .ci/check")


def test_ci_runs_the_second_line() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert lines_to_paste()[1] in script.splitlines()


def test_tests_come_last_in_the_checks() -> None:
    steps = re.findall(r"^step (\S+)", (ROOT / ".ci" / "check").read_text(), flags=re.M)
    assert {"ruff", "mypy", "lint-imports", "mkdocs"} < set(steps)
    assert steps[-1] == "pytest"


def test_recorded_parts_are_in_the_readme() -> None:
    for part in record.readme_parts().values():
        assert part in README


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).is_file(), target


def test_recorded_answer_is_still_the_answer() -> None:
    """The same pools, and the same sections; figures may move within their intervals."""
    said = CliRunner(env={"COLUMNS": record.WIDTH}).invoke(cli, list(record.SOLVE))
    assert said.exit_code == 0, said.output
    recorded = (record.MEASURED / "solve_lmsys.txt").read_text()
    assert pools(said.stdout) == pools(recorded)
    assert "Verdict: pass" in said.stdout
    assert "Verdict: pass" in recorded


def pools(report: str) -> list[list[str]]:
    """Name, lengths, GPU, replicas and slots of each pool."""
    return [line.split()[:5] for line in report.splitlines() if re.match(r"pool-\d+ +\d", line)]
