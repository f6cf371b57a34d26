"""Measure what the manual and the README quote, and write it down.

python docs/record.py [answer] [frontier] [accuracy] [speed] [workload] [routers] [examples]
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / "docs" / "measured"
SOLVE = ("solve", "--cdf", "data/lmsys_cdf.json")
ROUTERS = {
    "agent": "--cdf data/agent_heavy_cdf.json --lam 20 --slo 1000 --n-s 2 --n-l 23 "
    "--long-max-ctx 65536",
    "azure": "--cdf data/azure_cdf.json --lam 200 --slo 500 --n-s 5 --n-l 7 --long-max-ctx 8192",
}
FRONTIER = ("frontier", "--cdf", "data/lmsys_cdf.json", "--verify")
WIDTH = "100"

sys.path[:0] = [str(ROOT / "docs" / "hooks"), str(ROOT / "tests" / "docs")]


def answer() -> None:
    """What the main command prints."""
    (MEASURED / "solve_lmsys.txt").write_text(_said(*SOLVE))


def frontier() -> None:
    """What the frontier of the bundled workload is, and its figure."""
    figure = str(ROOT / "docs" / "frontier.svg")
    said = _said(*FRONTIER, "--show", "refused,dominated", "--plot", figure)
    (MEASURED / "frontier_lmsys.txt").write_text(said.split("\n\nDominated")[0] + "\n")


def routers() -> None:
    """Which router suits the published two-pool fleets."""
    for name, stated in ROUTERS.items():
        gpus = ("--gpu-short", "h100", "--gpu-long", "h100")
        said = _said("compare-routers", *stated.split(), *gpus)
        (MEASURED / f"routers_{name}.txt").write_text(said)


def _said(*arguments: str) -> str:
    start = "from fleetopt.cli.main import run; run()"
    environment = {**os.environ, "COLUMNS": WIDTH}
    done = subprocess.run(
        [sys.executable, "-c", start, *arguments],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def accuracy() -> None:
    """The tables against the simulator."""
    _module("benchmarks.accuracy", "accuracy.json")


def speed() -> None:
    """All benchmarks. A target that is missed is recorded as missed."""
    _module("benchmarks", "benchmarks.json")


def workload() -> None:
    """The figure of the page on workloads, by doing what the page says."""
    from walkthrough import walk

    with tempfile.TemporaryDirectory() as place:
        drawn = walk("workloads.md", Path(place)) / "chat.png"
        shutil.copy(drawn, ROOT / "docs" / "figures" / "workload.png")


def examples() -> None:
    """The worked examples of extensions, each beside its problem."""
    subprocess.run([sys.executable, str(ROOT / "docs" / "examples.py")], cwd=ROOT, check=True)


def fill_readme() -> None:
    """Put the recorded answer and accuracy into the README."""
    readme = ROOT / "README.md"
    text = readme.read_text()
    for name, part in readme_parts().items():
        mark = f"<!-- {name} -->"
        text = re.sub(f"{mark}.*?{mark}", lambda _: f"{mark}\n\n{part}\n\n{mark}", text, flags=re.S)  # noqa: B023
    readme.write_text(text)


def readme_parts() -> dict[str, str]:
    """What stands between the marks of the README."""
    import measured

    said = (MEASURED / "solve_lmsys.txt").read_text().rstrip()
    return {"answer": f"```text\n{said}\n```", "accuracy": measured.ttft_table()}


def _module(name: str, file: str) -> None:
    subprocess.run([sys.executable, "-m", name, "--json", str(MEASURED / file)], cwd=ROOT)


if __name__ == "__main__":
    parts = {
        "answer": answer,
        "frontier": frontier,
        "accuracy": accuracy,
        "speed": speed,
        "workload": workload,
        "routers": routers,
        "examples": examples,
    }
    for wanted in sys.argv[1:] or parts:
        parts[wanted]()
    fill_readme()
