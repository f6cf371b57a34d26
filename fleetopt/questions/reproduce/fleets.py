"""Figures of published fleets of two pools, or one: counts, costs, percentiles and verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fleetopt.catalog import read_profiles
from fleetopt.plan import HOURS_PER_YEAR, PoolVerification
from fleetopt.questions.reproduce.bench import Bench, Layout, middle
from fleetopt.questions.reproduce.figure import Figure, Kind, Value
from fleetopt.questions.two_pools import PoolSize, Split
from fleetopt.verification import overall

ALONE = (
    "published P99s are the mean prefill of a sequence alone in its replica, and a wait for a "
    "slot; the simulator has the batch and the long prompts"
)
ALONE_IN_SLOTS = (
    "the published simulator gives each slot a server of its own and each prefill its replica "
    "alone; the simulator has the batch"
)
SAMPLED = (
    "the published load rests on 3,000 sampled lengths, with exact sums these GPUs have more to do"
)
SAMPLED_TWICE = "a small difference of two counts, each from 3,000 sampled lengths"
ONE_SEED = "the published figure is one seed; see the range of ten"
_METHODS = ("published", "fleetopt")
_KINDS: dict[str, Kind] = {
    "alpha": "share", "n_short": "count", "n_long": "count", "gpus": "count",
    "usd_per_year": "usd", "saving_pct": "percent", "p99_short_ms": "ms", "p99_long_ms": "ms",
    "p99_ms": "ms", "slo_met": "yes",
}  # fmt: skip


@dataclass(frozen=True)
class PublishedFleet:
    """A published row about a fleet.

    label: in words. row: its figures. one_pool: what its saving refers to.
    by_slots: whether its percentiles come from the published verification, not the formulas.
    """

    scenario: str
    label: str
    row: Mapping[str, Any]
    layout: Layout
    one_pool: Layout | None = None
    by_slots: bool = False


@dataclass(frozen=True)
class _Computed:
    """The published fleet pool by pool: sizes, counts and verdicts."""

    pools: tuple[tuple[str, PoolSize, int], ...]
    said: Mapping[str, PoolVerification]


def fleet_figures(bench: Bench, fleet: PublishedFleet) -> Iterator[Figure]:
    """Every figure of a published fleet, in the order of its row."""
    computed = _computed(bench, fleet)
    for quantity, published in fleet.row.items():
        if quantity in _KINDS:
            yield _figure(bench, fleet, computed, quantity, published)


def _computed(bench: Bench, fleet: PublishedFleet) -> _Computed:
    pools = tuple(_as_published(fleet, bench.split(fleet.layout, "published")))
    said = {name: bench.simulated(fleet.layout, pool, count) for name, pool, count in pools}
    return _Computed(pools, said)


def _as_published(fleet: PublishedFleet, method: Split) -> Iterator[tuple[str, PoolSize, int]]:
    """The pools with their published counts.

    Where only the sum is published, the upper pool has what the method's lower one leaves.
    """
    named = [
        (name, pool) for name, pool in (("short", method.short), ("long", method.long)) if pool
    ]
    left = int(fleet.row.get("gpus", method.gpus))
    for i, (name, pool) in enumerate(named):
        own = pool.replicas if i + 1 < len(named) else left
        count = int(fleet.row.get(f"n_{name}", own))
        left -= count
        yield name, pool, count


def _figure(
    bench: Bench, fleet: PublishedFleet, computed: _Computed, quantity: str, published: Any
) -> Figure:
    if quantity.startswith("p99"):
        return _percentile(bench, fleet, computed, quantity, published)
    if quantity == "slo_met":
        return _verdict(bench, fleet, computed, published)
    method, table = (_value(bench, fleet, name, quantity) for name in _METHODS)
    return Figure(
        fleet.scenario, fleet.label, quantity, _KINDS[quantity], published, method, table,
        leeway=_leeway(bench, fleet, quantity),
        why=SAMPLED_TWICE if quantity == "saving_pct" else SAMPLED,
    )  # fmt: skip


def _value(bench: Bench, fleet: PublishedFleet, method: str, quantity: str) -> Value:
    if quantity == "alpha":
        return bench.sizes(fleet.layout, "fleetopt").share(0, fleet.layout.b_short)
    split = bench.split(fleet.layout, method)
    if quantity == "saving_pct" and fleet.one_pool is not None:
        whole = bench.split(fleet.one_pool, method)
        return 100.0 * (1.0 - split.usd_per_hour / whole.usd_per_hour)
    value: float = getattr(split, quantity)
    return value


def _leeway(bench: Bench, fleet: PublishedFleet, quantity: str) -> float:
    """What one GPU of the dearer type makes: of a cost, and of both sides of a saving."""
    gpus = read_profiles()
    names = (fleet.layout.gpu_short, fleet.layout.gpu_long)
    dearer = max(gpus[name].usd_per_hour for name in names)
    if quantity == "usd_per_year":
        return HOURS_PER_YEAR * dearer
    if quantity == "saving_pct" and fleet.one_pool is not None:
        whole = bench.split(fleet.one_pool, "published").usd_per_hour
        return 100.0 * 2.0 * dearer / whole
    return 0.0


def _percentile(
    bench: Bench, fleet: PublishedFleet, computed: _Computed, quantity: str, published: float
) -> Figure:
    wanted = "long" if quantity == "p99_long_ms" else "short"
    name, pool, count = next(p for p in computed.pools if p[0] == wanted)
    if fleet.by_slots:
        method, seeds = middle(bench.slots_p99_ms(fleet.layout, pool, count))
    else:
        sizes = bench.sizes(fleet.layout, "published")
        method, seeds = sizes.of(pool.what, pool.gpu, count).p99_ttft_ms, None
    figure = Figure(
        fleet.scenario, fleet.label, quantity, "ms", published, method,
        table=bench.tabulated(fleet.layout, pool, count).p99_ttft_ms,
        simulated=computed.said[name].p99_ttft_ms,
        seeds=seeds,
        why=ALONE_IN_SLOTS if fleet.by_slots else ALONE,
    )  # fmt: skip
    if figure.is_method:
        return figure
    return replace(figure, why=ONE_SEED if fleet.by_slots else SAMPLED)


def _verdict(bench: Bench, fleet: PublishedFleet, computed: _Computed, published: bool) -> Figure:
    limit = fleet.layout.slo_ms
    if fleet.by_slots:
        runs = [bench.slots_p99_ms(fleet.layout, pool, n) for _, pool, n in computed.pools]
        method = all(middle(values)[0] <= limit for values in runs)
    else:
        sizes = bench.sizes(fleet.layout, "published")
        method = all(
            sizes.of(pool.what, pool.gpu, n).p99_ttft_ms <= limit for _, pool, n in computed.pools
        )
    table = all(
        bench.tabulated(fleet.layout, pool, n).p99_ttft_ms <= limit for _, pool, n in computed.pools
    )
    said = overall(list(computed.said.values()))
    worst = max(computed.said.items(), key=lambda item: _slowest(item[1]))
    return Figure(
        fleet.scenario, fleet.label, "slo_met", "yes", published, method, table, said,
        why=f"the {worst[0]} pool: {_in_words(worst[1])}",
    )  # fmt: skip


def _slowest(said: PoolVerification) -> float:
    return -(said.slo_attainment.estimate or 0.0)


def _in_words(said: PoolVerification) -> str:
    """What the simulator saw of a pool."""
    if said.backlog_per_s is not None:
        return f"unstable, its backlog grows by {said.backlog_per_s:.2g} requests a second"
    seen, attained = said.p99_ttft_ms, said.slo_attainment
    return (
        f"simulated P99 TTFT {seen.estimate:,.0f} ms [{seen.low:,.0f}, {seen.high:,.0f}], "
        f"{100 * (attained.estimate or 0.0):.2f} % within the bound"
    )
