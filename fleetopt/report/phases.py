"""Pools whose prefill and decode are apart: their ratio, and how KV goes between them."""

from __future__ import annotations

from collections.abc import Iterator

from fleetopt.plan import Plan
from fleetopt.report import wording


def phase_lines(plan: Plan) -> Iterator[str]:
    """A line for each pair; none where every pool does both phases."""
    for pool, decode in plan.fleet.pairs:
        each = f"{decode.replicas / pool.replicas:.3g}"
        replicas = "replica" if each == "1" else "replicas"
        yield (
            f"{pool.name} to {decode.name}: {each}{wording.NO_BREAK}decode {replicas} for one "
            f"that prefills; KV goes by {pool.link}."
        )
