"""Measure what the manual and the README quote, and write it down.

python docs/record.py [answer] [frontier] [accuracy] [speed] [workload] [whatif] [reliability]
                      [trace] [routers] [profile] [profile_accuracy] [disaggregation] [examples]
                      [energy] [power] [explain] [two_pools] [model] [estimated]
                      [splitwise] [advice] [reproduction] [placement] [splitwise_azure]
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / "docs" / "measured"
SOLVE = ("solve", "--cdf", "data/lmsys_cdf.json")
ROUTERS = {
    "agent": "--cdf data/agent_heavy_cdf.json --lam 20 --slo 1000 --n-s 2 --n-l 23 "
    "--long-max-ctx 65536",
    "azure": "--cdf data/azure_cdf.json --lam 200 --slo 500 --n-s 5 --n-l 7 --long-max-ctx 8192",
    "prefix": "--cdf data/agent_heavy_cdf.json --lam 20 --slo 1000 --n-s 2 --n-l 23 "
    "--long-max-ctx 65536 --sessions 6:30s --prefix-cache 200000 --router length "
    "--router prefix:imbalance=2 --router prefix:imbalance=8",
}
MODEL = (
    "solve", "--model", "llama-3.1-70b", "--gpus", "h100,h200", "--lam", "20", "--cdf", "azure",
    "--slo", "2000", "--admission", "paged", "--max-pools", "1",
)  # fmt: skip
PROFILE = ("profile", "show", "--model", "llama-3.1-70b", "--gpu", "h100", "--tp", "8")
ESTIMATED = ("profile", "aiconfigurator", *PROFILE[2:])
TOKENS = {
    "azure": "--cdf data/azure_cdf.json --lam 100 --slo 500 --gpus h100 a100 a10g --rho-sweep",
    "lmsys": "--cdf data/lmsys_cdf.json --lam 100 --slo 500 --gpus h100 a100",
}
SPLIT = (
    "--cdf data/azure_cdf.json --lam 100 --slo 500 --b-short 4096 --gpu-short a10g "
    "--gpu-long h100 --simulate"
)
GRID = (
    "--cdf data/azure_cdf.json --lam 200 --n-gpus 40 --gpu h100 --slo 500 --verify-des 15000 "
    "--event-minutes 15"
)
EXPLAIN = (
    "explain", "--cdf", "agent_heavy", "--lam", "20", "--slo", "1000", "--gpu-long", "h100",
    "--n-s", "0", "--n-l",
)  # fmt: skip
TWO_POOLS = {
    "where_to_split": "pareto --cdf data/lmsys_cdf.json --lam 100 --simulate",
    "optimize": "optimize --cdf data/azure_cdf.json --lam 100 --gpu-short a10g --gpu-long h100 "
    "--long-max-ctx 8192",
}
PLACEMENT = (
    "placement --cdf azure --model llama-3.1-70b --gpus h100 --tp 2,4,8 --admission paged "
    "--slo-ttft 1000 --slo-tpot 40 --attainment 0.9 --max-gpus 16 --max-ctx 8192 --overlong clip"
)
DISAGG = (
    "disagg --cdf data/azure_cdf.json --lam 100 --slo-ttft 500 --slo-tpot 100 "
    "--gpu-prefill a100 --gpu-decode h100 --max-ctx 8192"
)
DISAGG_MODEL = (
    "disagg --cdf data/azure_cdf.json --lam 60 --model llama-3.1-70b --gpu-prefill h100 "
    "--gpu-decode h100 --slo-tpot 30 --max-pools 1"
)
DISAGG_PUBLISHED = f"{DISAGG} --method published"
ADVICE = {
    "lmsys": "advise --cdf data/lmsys_cdf.json --lam 100 --slo 500",
    "azure": "advise --cdf data/azure_cdf.json --lam 100 --slo 500",
    "agent": "advise --cdf data/agent_heavy_cdf.json --lam 20 --slo 1000",
}
FRONTIER = ("frontier", "--cdf", "data/lmsys_cdf.json", "--verify")
AZURE = ("--cdf", "azure", "--long-max-ctx", "8192", "--overlong", "clip")
FRONTIER_PHASES = (
    "frontier", *AZURE, "--lam", "100", "--gpus", "a100,h100", "--phases", "either", "--verify",
)  # fmt: skip
COST_CARBON = (
    "frontier", *AZURE, "--objectives", "cost,carbon", "--carbon", "380", "--pue", "1.2",
)  # fmt: skip
RATE = (
    "solve", *AZURE, "--gpus", "h100", "--max-pools", "2", "--objective", "rate",
    "--power-kw", "10", "--verify-top", "1",
)  # fmt: skip
WIDTH = "100"

sys.path[:0] = [
    str(ROOT),
    str(ROOT / "docs"),
    str(ROOT / "docs" / "hooks"),
    str(ROOT / "tests" / "docs"),
]


def answer() -> None:
    """What the main command prints."""
    (MEASURED / "solve_lmsys.txt").write_text(_said(*SOLVE))


def frontier() -> None:
    """Frontiers of two workloads, one with prefill and decode apart, and their figures."""
    figure = str(ROOT / "docs" / "frontier.svg")
    said = _said(*FRONTIER, "--show", "refused,dominated", "--plot", figure)
    (MEASURED / "frontier_lmsys.txt").write_text(said.split("\n\nDominated")[0] + "\n")
    figure = str(ROOT / "docs" / "frontier_phases.svg")
    said = _said(*FRONTIER_PHASES, "--plot", figure)
    (MEASURED / "frontier_phases.txt").write_text(said)


def two_pools() -> None:
    """Where to split, and what to compress: answers and figures."""
    for name, words in TWO_POOLS.items():
        figure = str(ROOT / "docs" / f"{name}.svg")
        (MEASURED / f"{name}.txt").write_text(_said(*words.split(), "--plot", figure))


def advice() -> None:
    """The planner's questions on the bundled workloads, and the published rules on them."""
    for name, stated in ADVICE.items():
        (MEASURED / f"advice_{name}.txt").write_text(_said(*stated.split()))


def routers() -> None:
    """Which router suits the published two-pool fleets, and one with sessions."""
    for name, stated in ROUTERS.items():
        gpus = ("--gpu-short", "h100", "--gpu-long", "h100")
        said = _said("compare-routers", *stated.split(), *gpus)
        (MEASURED / f"routers_{name}.txt").write_text(said)


def model() -> None:
    """What a design on one model says."""
    (MEASURED / "solve_model.txt").write_text(_said(*MODEL))


def profile() -> None:
    """How the profile of the page on profiles comes about, and its figure."""
    figure = str(ROOT / "docs" / "figures" / "profile.png")
    said = _said(*PROFILE, "--plot", figure)
    (MEASURED / "profile_show.txt").write_text(said.split("\n\nSources")[0] + "\n")


def splitwise() -> None:
    """Profiles fitted to the measurements of Splitwise, of the file that `SPLITWISE` names.

    Without it what was recorded stays: the measurements are not part of the project.
    """
    if not os.environ.get("SPLITWISE"):
        print("splitwise: set SPLITWISE to the file perf_model.csv", file=sys.stderr)
        return
    import measured_profiles

    content = measured_profiles.fitted(os.environ["SPLITWISE"])
    (ROOT / "data" / "measured_profiles.json").write_text(json.dumps(content, indent=2) + "\n")
    table = measured_profiles.accuracy(os.environ["SPLITWISE"])
    (MEASURED / "splitwise.md").write_text(table + "\n")


def estimated() -> None:
    """What AIConfigurator says of the same engine; without it what was recorded stays."""
    if find_spec("aiconfigurator_core") is None:
        print("estimated: install fleetopt[aiconfigurator]", file=sys.stderr)
        return
    (MEASURED / "profile_estimated.txt").write_text(_said(*ESTIMATED))


def profile_accuracy() -> None:
    """Simulated against measured latencies, of the file that `MEASUREMENTS` names.

    Without it what was recorded stays: the measurements are not part of the project.
    """
    measured = os.environ.get("MEASUREMENTS", "")
    if not measured:
        print("profile_accuracy: set MEASUREMENTS to the file of measured runs", file=sys.stderr)
        return
    figure = str(ROOT / "docs" / "figures" / "profile_accuracy.png")
    said = _said("profile", "validate", measured, "-q", "--format", "json", "--plot", figure)
    found = {**json.loads(said), "measurements": Path(measured).name}
    (MEASURED / "profile_accuracy.json").write_text(json.dumps(found, indent=1) + "\n")


def energy() -> None:
    """Tokens per watt of the published questions, and power caps, with their figures."""
    figures = ROOT / "docs" / "figures"
    for name, stated in TOKENS.items():
        plot = ("--plot", str(figures / "tokens_per_watt.svg")) if name == "azure" else ()
        said = _said("tok-per-watt", *stated.split(), *plot)
        (MEASURED / f"tokens_{name}.txt").write_text(said)
    (MEASURED / "split_energy.txt").write_text(_said("tok-per-watt", *SPLIT.split()))
    plot = ("--plot", str(figures / "grid_flex.svg"))
    (MEASURED / "grid_flex.txt").write_text(_said("grid-flex", *GRID.split(), *plot))


def power() -> None:
    """Cost against carbon, with its figure, and the most requests per second of 10 kW."""
    figure = str(ROOT / "docs" / "figures" / "cost_carbon.svg")
    (MEASURED / "cost_carbon.txt").write_text(_said(*COST_CARBON, "--plot", figure))
    (MEASURED / "most_rate.txt").write_text(_said(*RATE))


def explain() -> None:
    """Whether the published agent fleet misses its SLO, and why one replica fewer does."""
    (MEASURED / "explain_agent.txt").write_text(_said(*EXPLAIN, "24"))
    figure = str(ROOT / "docs" / "explain.svg")
    (MEASURED / "explain_smaller.txt").write_text(_said(*EXPLAIN, "23", "--plot", figure))


def reproduction() -> None:
    """Every published figure again; the page has its title already."""
    said = _said("reproduce", "--format", "markdown")
    (MEASURED / "reproduction.md").write_text(said.partition("\n\n")[2])


def disaggregation() -> None:
    """What the question on phases apart says, by the program and as published, and figures."""
    docs = ROOT / "docs"
    for line, said, figure in (
        (DISAGG, "disagg_program.txt", "disaggregation_worth.svg"),
        (DISAGG_MODEL, "disagg_model.txt", "disaggregation_model.svg"),
        (DISAGG_PUBLISHED, "disagg_azure.txt", "disaggregation.svg"),
    ):
        (MEASURED / said).write_text(_said(*line.split(), "--plot", str(docs / figure)))


def _said(*arguments: str, leaves: int = 0) -> str:
    start = "from fleetopt.cli.main import run; run()"
    environment = {**os.environ, "COLUMNS": WIDTH}
    done = subprocess.run(
        [sys.executable, "-c", start, *arguments],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    if done.returncode != leaves:
        raise subprocess.CalledProcessError(done.returncode, done.args)
    return done.stdout


def placement() -> None:
    """What `placement` says on its page."""
    (MEASURED / "placement.txt").write_text(_said(*shlex.split(PLACEMENT)))


def splitwise_azure() -> None:
    """Splitwise's fleets for the Azure traces, in some minutes."""
    _module("benchmarks.splitwise", "splitwise_azure.json")


def accuracy() -> None:
    """The tables against the simulator."""
    _module("benchmarks.accuracy", "accuracy.json")
    _module("benchmarks.prefill", "prefill.json")


def speed() -> None:
    """All benchmarks. A target that is missed is recorded as missed."""
    _module("benchmarks", "benchmarks.json")


def reliability() -> None:
    """What the rules of spare replicas attain where nodes fail, and its figure."""
    _module("benchmarks.reliability", "reliability.json")
    from drawn import reliability_figure

    reliability_figure(MEASURED / "reliability.json", ROOT / "docs" / "figures" / "reliability.png")


def workload() -> None:
    """The figure of the page on workloads, by doing what the page says."""
    from walkthrough import walk

    with tempfile.TemporaryDirectory() as place:
        drawn = walk("workloads.md", Path(place)) / "chat.png"
        shutil.copy(drawn, ROOT / "docs" / "figures" / "workload.png")


def whatif() -> None:
    """The figures of the pages on growth and on GPUs, by doing what the pages say."""
    from walkthrough import walk

    for page, figure in (("growth.md", "growth.png"), ("which-gpu.md", "gpus.png")):
        with tempfile.TemporaryDirectory() as place:
            drawn = walk(page, Path(place)) / figure
            shutil.copy(drawn, ROOT / "docs" / "figures" / figure)


def trace() -> None:
    """One fleet at Poisson arrivals and on Azure's code trace, which `AZURE_CODE` names.

    Without it what was recorded stays: the trace is not part of the project.
    """
    recording = os.environ.get("AZURE_CODE", "")
    if not recording:
        print("trace: set AZURE_CODE to the file azure_code_2023.csv", file=sys.stderr)
        return
    limits = ("--gpus", "a10g", "--slo-tpot", "14", "--format", "json")
    with tempfile.TemporaryDirectory() as place:
        plan = f"{place}/plan.json"
        lengths = f"{place}/code.json"
        _said("workload", "fit", recording, "-o", lengths)
        _said("solve", "--cdf", lengths, *limits, "--output", plan)
        judged = [
            ("Poisson", json.loads(Path(plan).read_text())),
            ("the trace", json.loads(_said("verify", plan, "--trace", recording,
                                           "--format", "json", leaves=3))),
            ("the trace", json.loads(_said("solve", "--trace", recording, *limits))),
        ]  # fmt: skip
    rows = [_judged(traffic, plan) for traffic, plan in judged]
    (MEASURED / "code_trace.json").write_text(json.dumps(rows, indent=2) + "\n")
    said = _said("solve", "--trace", recording, *limits[:-2])
    (MEASURED / "solve_code_trace.txt").write_text(said.split("\n\nRefused")[0] + "\n")


def _judged(traffic: str, plan: dict[str, Any]) -> dict[str, Any]:
    """The only pool of a plan, as it was simulated."""
    (pool,), (seen,) = plan["fleet"]["pools"], plan["verification"]["pools"]
    return {
        "traffic": traffic,
        "replicas": pool["replicas"],
        "utilization": seen["utilization"],
        "p99_ttft_ms": seen["p99_ttft_ms"]["estimate"],
        "p99_tpot_ms": seen["p99_tpot_ms"]["estimate"],
        "attainment": seen["slo_attainment"]["estimate"],
        "verdict": plan["verification"]["verdict"],
    }


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
        "whatif": whatif,
        "reliability": reliability,
        "trace": trace,
        "routers": routers,
        "profile": profile,
        "estimated": estimated,
        "splitwise": splitwise,
        "model": model,
        "profile_accuracy": profile_accuracy,
        "two_pools": two_pools,
        "advice": advice,
        "disaggregation": disaggregation,
        "placement": placement,
        "splitwise_azure": splitwise_azure,
        "reproduction": reproduction,
        "examples": examples,
        "energy": energy,
        "power": power,
        "explain": explain,
    }
    for wanted in sys.argv[1:] or parts:
        parts[wanted]()
    fill_readme()
