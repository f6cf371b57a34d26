"""What the rules of spare replicas attain where nodes fail: `python -m benchmarks.reliability`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from fleetopt.plan import Interval
from fleetopt.problem import AVAILABILITIES, FleetSimulation
from fleetopt.questions.fleets import simulate
from fleetopt.queueing.availability import SpareRule
from fleetopt.simulation.failures import Failures
from fleetopt.simulation.fleet_model import FleetPool

SEED = 7
DAY_S = 86_400.0
RULES: tuple[Literal["mean", "probability"], ...] = ("mean", "probability")


@dataclass(frozen=True)
class FailingPool:
    """A pool of which `replicas` keep the SLO, on nodes that fail.

    repair_s: mean time to repair. It is many times the longest residence and far below real
        ones, with failures as much more frequent: how often so many nodes are down depends
        on the product alone.
    repairs: measured time of a run, in mean times to repair.
    """

    workload: str
    gpu: str
    arrival_rate: float
    replicas: int
    max_context: int
    repair_s: float
    repairs: float
    slo: str = "p99 ttft 500"

    def per_node_day(self, availability: float) -> float:
        """Failures of a node in a day, for a share of the time that it is up."""
        return (1.0 / availability - 1.0) * DAY_S / self.repair_s

    def statement(self, bought: int, availability: float, replications: int) -> FleetSimulation:
        """So many replicas, all of them serving, for a fleet simulation."""
        return FleetSimulation.model_validate(
            {
                "pools": [
                    {"id": "p", "gpu": self.gpu, "n_gpus": bought, "max_ctx": self.max_context}
                ],
                "cdf": self.workload,
                "lam": self.arrival_rate,
                "slo": [self.slo],
                "failures": {
                    "per_node_day": self.per_node_day(availability),
                    "repair_s": self.repair_s,
                },
                "n_req": round(self.arrival_rate * self.repair_s * self.repairs),
                "replications": replications,
                "seed": SEED,
            }
        )


POOL = FailingPool("azure", "h100", 200.0, 13, 8192, repair_s=300.0, repairs=20.0)
"""Azure's requests at 200 per second: the plan has 13 H100 without failures."""


@dataclass(frozen=True)
class Attained:
    """Share of all arrivals within the bound, over replications.

    short: share of the time that too few replicas are up, by the binomial.
    """

    pool: FailingPool
    rule: str
    availability: float
    bought: int
    short: float
    requests: int
    replications: int
    attained: Interval


def attained(
    pool: FailingPool, rule: SpareRule, replications: int, bought: int | None = None
) -> Attained:
    """The pool with what the rule buys, or another number, in the failure simulation."""
    number = rule.to_buy(pool.replicas) if bought is None else bought
    seen = simulate(pool.statement(number, rule.availability, replications))
    return Attained(
        pool=pool,
        rule=rule.kind,
        availability=rule.availability,
        bought=number,
        short=rule.short_share(pool.replicas, number),
        requests=seen.fleet.arrivals,
        replications=seen.replications,
        attained=seen.fleet.attained[0],
    )


def share_up(
    pool: FleetPool, failures: Failures, horizon_s: float, rng: np.random.Generator
) -> np.ndarray:
    """Share of the time that k = 0, ..., N replicas are up, by the simulator's failures.

    A replica is up while none of its nodes is down.
    """
    faults = failures.draw([pool], rng, horizon_s)
    down = np.zeros(pool.replicas, dtype=np.int64)
    shares = np.zeros(pool.replicas + 1)
    before_s = 0.0
    for time_s, first, last, is_down in zip(*faults, strict=True):
        now_s = min(float(time_s), horizon_s)
        shares[np.count_nonzero(down == 0)] += now_s - before_s
        down[first:last] += 1 if is_down else -1
        before_s = now_s
    shares[np.count_nonzero(down == 0)] += horizon_s - before_s
    return shares / horizon_s


def measure(replications: int) -> Iterator[Attained]:
    """Both rules at the published availabilities."""
    for availability in sorted(AVAILABILITIES.values(), reverse=True):
        for kind in RULES:
            yield attained(POOL, SpareRule(availability, kind), replications)


def main() -> None:
    """Print what is measured, and write it down with --json FILE."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replications", type=int, default=48)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for row in measure(options.replications):
        within = row.attained
        print(
            f"{row.rule:>11} A = {row.availability:.5f}: {row.bought} bought, short "
            f"{100 * row.short:.4f} % of the time, attained {100 * (within.estimate or 0.0):.3f} % "
            f"[{100 * (within.low or 0.0):.3f}, {100 * (within.high or 0.0):.3f}]",
            flush=True,
        )
        rows.append(asdict(row))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
