"""Thousands of engine configurations through tables and program, in seconds.

`python benchmarks/engine_configurations.py` prints the time of the profiles, and that of the
tables and the program with the number of tables that were evaluated.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from fleetopt.case import Case
from fleetopt.optimization.lazily import LazyDesign, design_of
from fleetopt.problem import EngineChoices, FleetProblem

GPUS = ("a100", "h100", "h200", "b200")


@dataclass(frozen=True)
class Measured:
    """Configurations that can run; arcs, tables, rows; seconds of one processor.

    profile_s: of each profile. solve_s: of all tables and the program.
    """

    configurations: int
    profile_s: float
    solve_s: float
    arcs: int
    tables: int
    rows: int
    usd_per_hour: float


def problem(budgets: int) -> FleetProblem:
    """Llama-3.1-70B on four GPU types; 216 configurations of each for every token budget."""
    engine = EngineChoices(
        tp=(1, 2, 4, 8), pp=(1, 2, 4), weights=("bf16", "fp8", "int4"), kv=("bf16", "fp8"),
        max_num_seqs=(64, 128, 256), token_budget=tuple(1024 * (k + 1) for k in range(budgets)),
    )  # fmt: skip
    return FleetProblem(
        model="llama-3.1-70b", gpus=GPUS, engine=engine, cdf="lmsys", arrival_rate=20.0
    )


def measured(stated: FleetProblem) -> Measured:
    """Derive the profiles, and find the cheapest fleet by the tables."""
    start = time.process_time()
    case = Case.of(stated)
    derived = time.process_time()
    design = design_of(case, grey=True)
    solution = design.optimum()
    end = time.process_time()
    assert isinstance(design, LazyDesign)
    count = len(case.profiles)
    return Measured(
        configurations=count,
        profile_s=(derived - start) / count,
        solve_s=end - derived,
        arcs=count * len(case.arcs()),
        tables=design.evaluated,
        rows=design.rows_computed,
        usd_per_hour=solution.usd_per_hour,
    )


if __name__ == "__main__":
    for budgets in map(int, sys.argv[1:] or (1, 12)):
        m = measured(problem(budgets))
        print(
            f"{m.configurations:,} configurations: {1e3 * m.profile_s:.2f} ms a profile; "
            f"{m.solve_s:.1f} s for tables and program, {m.tables:,} of {m.arcs:,} tables, "
            f"{m.rows:,} rows; {m.usd_per_hour:.2f} $/h"
        )
