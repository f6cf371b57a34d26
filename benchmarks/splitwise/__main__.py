"""Splitwise's Azure cases in fleetopt's simulator: `python -m benchmarks.splitwise --json FILE`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.splitwise.fleets import NAMES, Case, Design, Group, Judged, judge
from benchmarks.splitwise.machines import Counting, Gpu
from benchmarks.splitwise.search import cheapest

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
TRACES = {"coding": "azure_code_2023.csv", "conversation": "azure_conv_2023.csv"}
COUNTINGS: tuple[Counting, ...] = ("simulator", "measured")
PUBLISHED_USD = {"coding": 29 * 8 * 4.76, "conversation": 8 * (17 * 4.76 + 15 * 2.21)}
SEARCH_SEEDS = range(6)
_BOUNDS = {"coding": (1024, 2500), "conversation": (1024,)}
"""Total lengths at which searches may divide the machines that prefill."""


def published(case: str) -> Iterator[tuple[str, Design]]:
    """The fleets of the paper, those it says are too small, and one that is 3 % dearer."""
    if case == "conversation":
        yield "published", _pair("h100", 17, "a100", 15)
        return
    for decode in (1, 2, 3, 4):
        yield "published", _pair("h100", 29 - decode, "h100", decode)
    for decode in (1, 2, 3, 4):
        yield "one machine fewer", _pair("h100", 28 - decode, "h100", decode)
    first = (Group("h100", 9, 2500), Group("h100", 14))
    yield "30 machines, by length", Design(first, (Group("h100", 7),))


def shapes(case: str) -> Iterator[tuple[str, Design]]:
    """Counts that suffice, of every kind of fleet that is searched."""
    yield "together", Design((Group("h100", 60),))
    yield "apart", _pair("h100", 45, "h100", 60)
    yield "apart, A100 decode", _pair("h100", 45, "a100", 110)
    for longest in _BOUNDS[case]:
        first = (Group("h100", 20, longest), Group("h100", 40))
        yield "prefill by length", Design(first, (Group("h100", 60),))


def _pair(first: Gpu, n_first: int, second: Gpu, n_second: int) -> Design:
    return Design((Group(first, n_first),), (Group(second, n_second),))


@dataclass(frozen=True)
class Row:
    """A fleet in the simulator.

    counting: how the time of a token is counted, see machines.Machines. slowdowns: by the name
        of the percentile, mean and ends of the 95 % interval over the seeds; None without bound.
    """

    case: str
    counting: Counting
    kind: str
    prefill: tuple[Group, ...]
    decode: tuple[Group, ...]
    machines: int
    usd_per_hour: float
    beside_published: float
    verdict: str
    slowdowns: dict[str, tuple[float | None, float | None, float | None]]


def row_of(case: str, counting: Counting, kind: str, found: Judged) -> Row:
    """What is written down of a fleet."""
    design = found.design
    return Row(
        case, counting, kind, design.prefill, design.decode,
        sum(group.machines for group in design.groups),
        design.usd_per_hour,
        design.usd_per_hour / PUBLISHED_USD[case],
        found.verdict,
        {
            name: tuple(x if x < float("inf") else None for x in (i.estimate, i.low, i.high))
            for name, i in zip(NAMES, found.intervals, strict=True)
        },
    )  # fmt: skip


def measure(data: Path, names: Sequence[str], seeds: Sequence[int]) -> Iterator[Row]:
    """The published fleets and those of the search, on seeds that the search has not seen."""
    for name in names:
        case = Case.read(name, data / TRACES[name])
        for counting in COUNTINGS:
            for kind, design in published(name):
                yield row_of(name, counting, kind, judge(case, counting, design, seeds))
            for kind, shape in shapes(name):
                design_found = cheapest(case, counting, shape, SEARCH_SEEDS)
                if design_found is not None:
                    found = judge(case, counting, design_found, seeds)
                    yield row_of(name, counting, kind, found)


def main() -> None:
    """Print what is measured, and write it down with --json FILE."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the Azure traces")
    parser.add_argument("--cases", nargs="+", choices=TRACES, default=tuple(TRACES))
    parser.add_argument("--seeds", type=int, default=24)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for row in measure(options.data, options.cases, range(100, 100 + options.seeds)):
        rows.append(asdict(row))
        counts = " + ".join(
            ", ".join(f"{g.machines} {g.gpu} <= {g.longest}" for g in groups)
            for groups in (row.prefill, row.decode)
            if groups
        )
        shown = " ".join(f"{x[0]:.2f}" if x[0] else "-" for x in row.slowdowns.values())
        print(
            f"{row.case:>12} {row.counting:>9} {row.kind:<30} {counts:<50} "
            f"${row.usd_per_hour:,.0f} ({100 * row.beside_published - 100:+.1f} %) "
            f"{row.verdict:<4} {shown}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
