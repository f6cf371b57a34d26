"""Reliability: availabilities by name, and what to buy so that enough GPUs are up."""

from __future__ import annotations

from collections.abc import Iterator

from fleetopt.problem import AVAILABILITIES, node_availability
from fleetopt.questions.reproduce.bench import Bench
from fleetopt.questions.reproduce.figure import Figure
from fleetopt.questions.reproduce.published import PublishedScenario
from fleetopt.queueing.availability import SpareRule, replicas_to_buy

POOLS = {"lmsys two-pool": (3, 5), "agent two-pool": (2, 23), "azure disagg": (1, 3)}
"""Replicas of the pools behind the published sums."""
BY_POOL = "the published sum is not split; each pool needs spares of its own"
_AT = {"at_0_987": "A100_AVAIL_RSC1_SLOW", "at_0_95": "H100_AVAIL_5PCT"}


def reliability(_: Bench, scenario: PublishedScenario) -> Iterator[Figure]:
    """Availabilities, and GPUs by the rule of the mean beside those of the default rule."""
    for row in scenario.rows:
        if "scenario" not in row:
            yield Figure(
                scenario.key, row["name"], "availability", "share", row["availability"],
                _availability(row["name"], row.get("failures_per_node_day"), row.get("mttr_hours")),
            )  # fmt: skip
            continue
        for quantity, name in _AT.items():
            share = AVAILABILITIES[name]
            rule = SpareRule(availability=share)
            yield Figure(
                scenario.key, row["scenario"], quantity, "count", row[quantity],
                replicas_to_buy(row["slo_sized"], share),
                sum(rule.to_buy(replicas) for replicas in POOLS[row["scenario"]]), why=BY_POOL,
            )  # fmt: skip


def _availability(name: str, failures: float | None, mttr_hours: float | None) -> float:
    if failures is None or mttr_hours is None:
        return AVAILABILITIES[name]
    return node_availability(failures, mttr_hours)
