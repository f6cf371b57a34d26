"""Random side constraints, and what they mean for a fleet, written down a second time."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from enumeration import Pools, Problem, random_problem

from fleetopt.optimization.candidates import Candidate, Row
from fleetopt.optimization.limits import SideConstraints, Site
from fleetopt.queueing.availability import SpareRule

NAMES = (
    "inventory",
    "max_gpus",
    "power_kw",
    "budget_usd_per_year",
    "node_size",
    "min_replicas",
    "spares",
)
SITE = Site(pue=1.3, carbon_g_per_kwh=450.0)
DRAW_KEYS = ("mean_power_kw", "energy_mwh_per_year", "carbon_tonnes_per_year")


def random_hardware(seed: int) -> Problem:
    """A random small problem whose replicas have one to four GPUs and draw power.

    Most rows come with several numbers of spare replicas.
    """
    return with_hardware(seed, random_problem(seed))


def with_hardware(seed: int, problem: Problem) -> Problem:
    """The same of a problem that is given; a GPU type has one price."""
    rng = random.Random(f"hardware {seed}")
    gpus = {gpu: rng.randint(1, 4) for gpu in "ab"}
    watts = {gpu: rng.uniform(200.0, 3000.0) for gpu in "ab"}
    price = {c.gpu: c.usd_per_hour for c in problem.candidates}
    candidates = tuple(
        replace(
            c,
            gpus_per_replica=gpus[c.gpu],
            watts=watts[c.gpu],
            usd_per_hour=price[c.gpu],
            rows=_spared(rng, c.rows),
        )
        for c in problem.candidates
    )
    return replace(problem, candidates=tuple(_drawing(seed, c) for c in candidates))


def _drawing(seed: int, candidate: Candidate) -> Candidate:
    """The candidate with any mean draw of each row, which replicas may raise or not."""
    rng = random.Random(f"draws {seed} {candidate.index}")
    rows = (replace(row, drawn_kw=rng.uniform(0.1, 20.0)) for row in candidate.rows)
    return replace(candidate, rows=tuple(rows))


def _spared(rng: random.Random, rows: Sequence[Row]) -> tuple[Row, ...]:
    """Each row with a number of spare replicas, the first of some candidates with two."""
    both = rng.random() < 0.4
    return tuple(
        replace(row, spare=spare)
        for k, row in enumerate(rows)
        for spare in sorted(rng.sample((0, 1, 2, 5), 2 if both and k == 0 else 1))
    )


def random_side(names: Sequence[str], every: Sequence[Pools], seed: int) -> SideConstraints:
    """Limits between the least that a fleet can use and a little more than the cheapest does."""
    rng = random.Random(f"{names} {seed}")
    share_up = rng.choice((0.5, 0.75, 0.8, 0.9, rng.uniform(0.6, 1.0)))
    spares = SpareRule(
        share_up,
        rng.choice(("mean", "probability")),
        rng.choice((0.7, 0.9, 0.99)),
        rng.randint(1, 8),
    )
    if "spares" in names:  # the other limits shall bind beside it
        every = [p for p in every if all(enough_up(c, row, spares) for c, row in p)] or every
    types = sorted({candidate.gpu for pools in every for candidate, _ in pools})
    limits: dict[str, Any] = {
        "inventory": {
            gpu: int(_between(rng, [gpus_of(pools)[gpu] for pools in every]))
            for gpu in types
            if rng.random() < 0.7
        },
        "max_gpus": max(1, int(_between(rng, [gpus_of(pools).total() for pools in every]))),
        "power_kw": _between(rng, [kilowatts(pools) for pools in every]),
        "budget_usd_per_year": 8760.0 * _between(rng, [hourly(pools, 1) for pools in every]),
        "mean_power_kw": _between(rng, [mean_kilowatts(pools) for pools in every]),
        "energy_mwh_per_year": _between(rng, [megawatt_hours(pools) for pools in every]),
        "carbon_tonnes_per_year": _between(rng, [tonnes(pools) for pools in every]),
        "node_size": rng.choice((3, 4, 5, 6)),
        "min_replicas": rng.randint(2, 6),
        "spares": spares,
    }
    return SideConstraints(**{name: limits[name] for name in names}, site=SITE)


def _between(rng: random.Random, used: Sequence[float]) -> float:
    """A number from just below the least use to just above that of the cheapest fleet."""
    if not used:
        return 1.0
    low, high = 0.95 * min(used), 1.05 * used[0]
    return low + rng.random() * (high - low)


def within(pools: Pools, side: SideConstraints) -> bool:
    """Whether a fleet keeps every limit."""
    bought = gpus_of(pools, side.node_size)
    return (
        all(bought[gpu] <= count for gpu, count in side.inventory.items())
        and (side.max_gpus is None or sum(bought.values()) <= side.max_gpus)
        and (side.power_kw is None or kilowatts(pools) <= side.power_kw)
        and (
            side.budget_usd_per_year is None
            or 8760.0 * hourly(pools, side.node_size) <= side.budget_usd_per_year
        )
        and (side.mean_power_kw is None or mean_kilowatts(pools) <= side.mean_power_kw)
        and (side.energy_mwh_per_year is None or megawatt_hours(pools) <= side.energy_mwh_per_year)
        and (side.carbon_tonnes_per_year is None or tonnes(pools) <= side.carbon_tonnes_per_year)
        and all(row.replicas >= side.min_replicas for _, row in pools)
        and all(enough_up(c, row, side.spares) for c, row in pools)
    )


def enough_up(candidate: Candidate, row: Row, spares: SpareRule) -> bool:
    """Whether as many as must be up are up often enough, in exact arithmetic of decimals."""
    share_up, bought = Fraction(repr(spares.availability)), row.replicas + row.spare
    if spares.kind == "mean":
        return share_up * bought >= row.replicas
    if share_up == 1:
        return True
    chances = up_by_nodes(bought, candidate.gpus_per_replica, spares.gpus_per_node, share_up)
    likely = sum(chance for up, chance in chances.items() if up >= row.replicas)
    return likely >= Fraction(repr(spares.target))


def up_by_nodes(
    bought: int, gpus_per_replica: int, gpus_per_node: int, share_up: Fraction
) -> dict[int, Fraction]:
    """Probability of each number of replicas that are up, from every state of every node.

    Replicas fill nodes in order; one that needs several nodes has them for itself. Nodes are
    added one at a time, each up or down.
    """
    on_a_node = max(1, gpus_per_node // gpus_per_replica)
    nodes_of_one = -(-gpus_per_replica // gpus_per_node)
    chances = {0: Fraction(1)}
    for first in range(0, bought, on_a_node):
        there = min(on_a_node, bought - first)
        states = itertools.product((True, False), repeat=nodes_of_one)
        added: dict[int, Fraction] = {}
        for state in states:
            chance = math.prod(
                (share_up if up else 1 - share_up for up in state), start=Fraction(1)
            )
            for count, before in chances.items():
                now = count + (there if all(state) else 0)
                added[now] = added.get(now, Fraction(0)) + before * chance
        chances = added
    return chances


def gpus_of(pools: Pools, node_size: int = 1) -> Counter[str]:
    """GPUs of each type, in whole nodes."""
    used = Counter[str]()
    for candidate, row in pools:
        used[candidate.gpu] += candidate.gpus_per_replica * (row.replicas + row.spare)
    return Counter({gpu: -(-count // node_size) * node_size for gpu, count in used.items()})


def kilowatts(pools: Pools) -> float:
    """Power of a fleet with every slot busy."""
    draw = ((candidate.watts or 0.0) * (row.replicas + row.spare) for candidate, row in pools)
    return sum(draw) / 1000.0


def mean_kilowatts(pools: Pools) -> float:
    """Power of a fleet on average."""
    return sum(row.drawn_kw or 0.0 for _, row in pools)


def megawatt_hours(pools: Pools) -> float:
    """Energy of a year at the site."""
    return mean_kilowatts(pools) * 1.3 * 24 * 365 / 1000


def tonnes(pools: Pools) -> float:
    """CO2 of a year: kg of each megawatt-hour."""
    return megawatt_hours(pools) * 450 / 1000


def hourly(pools: Pools, node_size: int) -> float:
    """USD per hour of every GPU that is bought."""
    price = {c.gpu: c.usd_per_hour / c.gpus_per_replica for c, _ in pools}
    return sum(price[gpu] * count for gpu, count in gpus_of(pools, node_size).items())
