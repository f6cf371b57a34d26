"""Mixes of levers against an enumeration of all of them, and against the simulator."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest

from fleetopt.case import Case
from fleetopt.errors import InputError
from fleetopt.problem import FleetProblem, LatencyBound
from fleetopt.questions.energy.capped import CappedPool
from fleetopt.questions.energy.grid import grid_flex
from fleetopt.questions.energy.levers import STEP, Count, LeverTable, Terms
from fleetopt.questions.energy.mixing import Mixing
from fleetopt.questions.energy.runs import Runs
from fleetopt.questions.energy.shedding import COUNTS, shedding
from fleetopt.queueing.energy import mean_watts
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.load import load_table
from fleetopt.queueing.table import Limits
from fleetopt.workload.compression import Served

SLOTS, MINUTES = 20, 30.0
TTFT = (LatencyBound(limit_ms=150.0),)
TPOT = (LatencyBound(limit_ms=400.0), LatencyBound(metric="tpot", percentile=95.0, limit_ms=11.0))


def pool_of(replicas: int, rate: float, slo: tuple[LatencyBound, ...] = TTFT) -> CappedPool:
    problem = FleetProblem(
        cdf="azure", arrival_rate=rate, gpus=("h100",), max_context=8192, overlong="clip",
        thresholds=(), admission="paged", max_num_seqs=SLOTS, slo=slo,
    )  # fmt: skip
    case = Case.of(problem)
    return CappedPool.of(case, case.profiles[0], replicas)


@dataclass(frozen=True)
class Seen:
    """One mix of the enumeration."""

    key: tuple[float, int, int, int]
    kilowatts: dict[Count, float]


def enumerated(pool: CappedPool, terms: Terms, minutes: float) -> list[Seen]:
    """Every mix that keeps the SLO, from tables of their own."""
    case, profile = pool.case, pool.profile
    problem, found = case.problem, []
    limits = Limits(problem.slo, problem.max_utilization)
    before = pool.free.utilization(pool.replicas)
    power = profile.power
    assert power is not None
    for step in range(terms.steps + 1):
        rate = case.arrival_rate * (1.0 - STEP * step)
        load = load_table(case.lengths, profile.iteration).serving(Served(0, 8192), rate)
        for cap in range(1, SLOTS + 1):
            capacity = replace(pool.free.capacity, slots=cap)
            table = OccupancyTable(load, profile, capacity, 0, limits)
            whole = OccupancyTable(load, profile, pool.free.capacity, 0, limits)
            for replicas in range(1, pool.replicas + 1):
                if whole.utilization(replicas) > max(before, problem.max_utilization):
                    continue
                row = table.row(replicas)
                if not row.is_stable or any(row.miss(b) > b.allowed_miss for b in problem.slo):
                    continue
                off = pool.replicas - replicas
                deferred = STEP * step * case.arrival_rate * 60.0 * minutes
                usd = terms.usd_per_deferred * deferred + terms.usd_per_switch * off
                drawn = replicas * mean_watts(table.occupancy(replicas), power) / 1000.0
                at_cap = replicas * power.watts(cap) / 1000.0
                kilowatts: dict[Count, float] = {"at the cap": at_cap, "really": drawn}
                found.append(Seen((usd, step, off, -cap), kilowatts))
    return found


@pytest.mark.parametrize(
    ("replicas", "rate", "slo", "terms"),
    [
        (4, 18.0, TTFT, Terms(0.04)),
        (4, 30.0, TTFT, Terms(0.05, 0.001, 0.5)),
        (3, 22.0, TTFT, Terms(0.06, 1e-4, 10.0)),
        (3, 18.0, TPOT, Terms(0.05, 0.01)),
    ],
)
def test_the_cheapest_mix_is_that_of_an_enumeration(
    replicas: int, rate: float, slo: tuple[LatencyBound, ...], terms: Terms
) -> None:
    pool = pool_of(replicas, rate, slo)
    seen = enumerated(pool, terms, MINUTES)
    assert seen
    mixing = Mixing(LeverTable(pool), terms, MINUTES)
    power = mixing.table.power
    base: dict[Count, float] = {
        "at the cap": replicas * power.nominal_w / 1000.0,
        "really": replicas * pool.drawn_w(pool.slots) / 1000.0,
    }
    for count in COUNTS:
        for depth in (0.0, 3.0, 8.0, 12.0, 20.0, 27.0, 35.0, 50.0, 70.0):
            target = base[count] * (1.0 - depth / 100.0) * (1.0 + 1e-9)
            fits = [mix.key for mix in seen if mix.kilowatts[count] <= target]
            found = mixing.cheapest(depth, count)
            if found is None:
                assert not fits
                continue
            levers = found.levers
            step = round(levers.deferred / STEP)
            usd, *rest = min(fits)
            assert [step, found.off, -levers.cap] == rest
            assert found.usd == pytest.approx(usd)
        deepest = 100.0 * (1.0 - min(mix.kilowatts[count] for mix in seen) / base[count])
        said = {depth.levers: depth for depth in mixing.depths()}["all"]
        value = said.at_cap_pct if count == "at the cap" else said.shed_pct
        assert value == pytest.approx(max(0.0, deepest), abs=1e-6)


def test_each_lever_alone_is_the_enumeration_along_it() -> None:
    pool, terms = pool_of(3, 18.0), Terms(0.05)
    seen = enumerated(pool, terms, MINUTES)
    along = {
        "cap": lambda step, off, cap: step == off == 0,
        "replicas off": lambda step, off, cap: step == 0 and cap == SLOTS,
        "deferral": lambda step, off, cap: off == 0 and cap == SLOTS,
        "cap and replicas off": lambda step, off, cap: step == 0,
    }
    said = {depth.levers: depth.shed_pct for depth in Mixing(LeverTable(pool), terms, 1.0).depths()}
    base = 3 * pool.drawn_w(pool.slots) / 1000.0
    for name, is_on in along.items():
        drawn = [m.kilowatts["really"] for m in seen if is_on(m.key[1], m.key[2], -m.key[3])]
        assert said[name] == pytest.approx(max(0.0, 100 * (1 - min(drawn) / base)), abs=1e-6)
    assert max(v for v in said.values() if v is not None) == said["all"]


def test_prices_decide_between_deferring_and_switching_off() -> None:
    """Ten deferred requests a second for half an hour, or a replica off: the cheaper one."""
    pool = pool_of(4, 20.0)
    cheap_off = Mixing(LeverTable(pool), Terms(0.2, 1.0, 0.01), MINUTES).cheapest(4.0, "really")
    dear_off = Mixing(LeverTable(pool), Terms(0.2, 1e-6, 1e3), MINUTES).cheapest(4.0, "really")
    assert cheap_off is not None
    assert dear_off is not None
    assert (cheap_off.off, cheap_off.levers.deferred) == (1, 0.0)
    assert dear_off.off == 0
    assert dear_off.levers.deferred > 0.0
    assert dear_off.usd == pytest.approx(1e-6 * dear_off.levers.deferred * 20.0 * 60.0 * MINUTES)


def test_a_mix_that_fails_in_the_event_gives_way_to_the_next() -> None:
    """Every mix went through the event; one that was refused is shown no more."""
    pool = pool_of(4, 18.0)
    shed = shedding(pool, (12.0,), Terms(0.05), 2.0, Runs(1_000, 2))
    for mix in shed.mixes.values():
        assert mix is None or mix.event is not None
        assert mix is None or mix.levers not in shed.refused
    mixing = Mixing(LeverTable(pool), Terms(), 3.0)
    first = mixing.cheapest(20.0, "really")
    assert first is not None
    mixing.refuse(first.levers)
    second = mixing.cheapest(20.0, "really")
    assert second is None or second.levers != first.levers


def test_mixes_through_an_event_keep_what_the_table_says() -> None:
    """Draw within 3 % of the simulator's through the event, and the SLO kept."""
    problem = FleetProblem(cdf="azure", arrival_rate=200.0, gpus=("h100",))
    found = grid_flex(problem, 40, [25.0], event_minutes=4, event_runs=Runs(4_000, 2))
    (level,) = found.levels
    for mix in (level.mix, level.mix_at_cap):
        assert mix is not None
        assert mix.event is not None
        assert mix.event.standing == "pass"
        drawn = mix.event.during.kilowatts.estimate
        assert mix.drawn_kw == pytest.approx(drawn, rel=0.03)
    assert level.mix is not None
    assert level.mix.off > 0
    assert level.mix.drawn_kw <= 0.75 * level.drawn_kw


def test_by_the_published_method_there_are_no_mixes() -> None:
    """It knows no occupancy."""
    problem = FleetProblem(cdf="azure", arrival_rate=200.0, gpus=("h100",), method="published")
    found = grid_flex(problem, 40, [20.0])
    assert found.shedding is None
    assert found.levels[0].mix is None


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (Terms(1.5), "most_deferred: expected a share from 0 to 0.99, got 1.5"),
        (Terms(0.1, -1.0), "usd_per_deferred: expected a price of at least 0, got -1"),
        (Terms(0.1, 0.0, math.inf), "usd_per_switch: expected a price of at least 0, got inf"),
    ],
)
def test_impossible_terms_are_refused(terms: Terms, message: str) -> None:
    problem = FleetProblem(cdf="azure", arrival_rate=200.0, gpus=("h100",))
    with pytest.raises(InputError, match=message):
        grid_flex(problem, 40, [0.0], terms=terms)
