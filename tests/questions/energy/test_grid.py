"""Power caps: exact caps, what they shed, and where the fleet breaks."""

from __future__ import annotations

import math

import pytest

from fleetopt.catalog import read_profiles
from fleetopt.errors import InputError
from fleetopt.performance.power import power_model
from fleetopt.problem import FleetProblem
from fleetopt.questions.energy.grid import DEPTHS, cap_at, grid_flex
from fleetopt.questions.energy.runs import Runs

PUBLISHED = FleetProblem(cdf="azure", arrival_rate=200.0, gpus=("h100",))
CAPS = (128, 84, 48, 33, 24, 18, 13, 7, 1)


def test_caps_of_the_published_depths() -> None:
    """Exact where the published table has 17 and 6."""
    found = grid_flex(PUBLISHED, 40)
    assert tuple(level.flex_pct for level in found.levels) == DEPTHS
    assert tuple(level.n_max for level in found.levels) == CAPS


def test_a_cap_draws_at_most_its_target_and_one_more_does_not() -> None:
    curve = read_profiles()["h100"].power
    assert curve is not None
    power = power_model(curve)
    for depth in range(1, 50):
        cap = cap_at(power, float(depth), 128)
        target_w = power.nominal_w * (1 - depth / 100)
        assert cap == 1 or power.watts(cap) <= target_w
        assert cap == 128 or power.watts(cap + 1) > target_w


def test_forty_percent_is_a_breach_and_thirty_is_not() -> None:
    """With batches of 7 or 6 the fleet serves less than what arrives."""
    found = grid_flex(PUBLISHED, 40, [30.0, 40.0, 41.0])
    thirty, forty, deeper = found.levels
    assert thirty.slo_met
    assert thirty.is_stable
    assert (forty.n_max, deeper.n_max) == (7, 6)
    assert not forty.slo_met
    assert math.isinf(forty.p99_ttft_ms)
    assert forty.most_per_s == pytest.approx(175.0, abs=1.0)
    assert deeper.most_per_s == pytest.approx(154.0, abs=1.0)


def test_a_cap_above_the_batches_sheds_nothing() -> None:
    """The published count credits 6.8 kW for it."""
    (level,) = grid_flex(PUBLISHED, 40, [30.0]).levels
    assert level.shed_at_cap_kw == pytest.approx(6.78, abs=0.01)
    assert level.shed_kw == pytest.approx(0.0, abs=1e-3)
    assert level.drawn_kw < level.fleet_kw


def test_a_busy_fleet_really_sheds() -> None:
    """Where batches reach the cap, it costs waiting and saves watts."""
    found = grid_flex(PUBLISHED, 12, [0.0, 3.0])
    free, capped = found.levels
    assert capped.drawn_kw <= free.drawn_kw
    assert capped.utilization > free.utilization
    assert found.safe.n_max is not None
    assert found.safe.shed_pct <= found.safe.at_cap_pct + 1e-9


def test_the_safe_cap_is_the_smallest_that_keeps_the_slo() -> None:
    """By looking at every cap near it."""
    found = grid_flex(PUBLISHED, 40)
    power = found.power
    caps = {n: 100.0 * (1.0 - power.watts(n) / power.nominal_w) for n in range(7, 13)}
    levels = grid_flex(PUBLISHED, 40, list(caps.values())).levels
    by_cap = {level.n_max: level.meets for level in levels}
    assert min(n for n, meets in by_cap.items() if meets) == found.safe.n_max
    assert found.safe.at_cap_pct == pytest.approx(caps[found.safe.n_max or 0])


def test_fewer_gpus_keep_the_slo_and_one_less_does_not() -> None:
    found = grid_flex(PUBLISHED, 40)
    assert found.fewer is not None
    again = grid_flex(PUBLISHED, found.fewer.gpus, [0.0])
    assert again.levels[0].meets
    assert again.levels[0].drawn_kw == pytest.approx(found.fewer.drawn_kw)
    less = grid_flex(PUBLISHED, found.fewer.gpus - 1, [0.0]).levels[0]
    assert less.utilization > PUBLISHED.max_utilization or not less.meets


def test_a_fleet_that_is_too_small_has_no_safe_depth() -> None:
    found = grid_flex(PUBLISHED, 5)
    assert found.safe.n_max is None
    assert found.fewer is None
    assert not any(level.slo_met for level in found.levels)


def test_simulation_agrees_with_the_table_on_both_sides() -> None:
    """Draw within 3 %, and a line that grows by what cannot be served."""
    found = grid_flex(PUBLISHED, 40, [30.0, 40.0], runs=Runs(6_000, 3))
    thirty, forty = found.levels
    assert thirty.simulated is not None
    assert forty.simulated is not None
    assert thirty.simulated.standing == "pass"
    assert thirty.drawn_kw == pytest.approx(thirty.simulated.kilowatts.estimate, rel=0.03)
    assert forty.drawn_kw == pytest.approx(forty.simulated.kilowatts.estimate, rel=0.03)
    assert forty.slo_met is False
    growth = forty.simulated.backlog_per_s.estimate
    assert growth == pytest.approx(200.0 - forty.most_per_s, rel=0.4)


def test_an_event_is_a_breach_at_forty_percent_and_not_at_thirty() -> None:
    """As for good; the line that it leaves is worked off, and more of it takes longer."""
    short = grid_flex(PUBLISHED, 40, [0.0, 30.0, 40.0], event_minutes=3, event_runs=Runs(4_000, 3))
    free, thirty, forty = (level.event for level in short.levels)
    assert free is not None
    assert thirty is not None
    assert forty is not None
    assert [level.slo_met for level in short.levels] == [True, True, False]
    assert thirty == free, "no batch reaches the cap"
    grown = 180.0 * (200.0 - short.levels[2].most_per_s)
    assert forty.backlog.estimate == pytest.approx(grown, rel=0.4)
    assert forty.recovery_s.low is not None
    assert forty.recovery_s.low > 0.0 == free.recovery_s.estimate
    drawn = short.levels[0].drawn_kw
    assert free.before.kilowatts.estimate == pytest.approx(drawn, rel=0.03)
    assert forty.shed_kw.estimate == pytest.approx(short.levels[2].shed_kw, abs=0.03 * drawn)


@pytest.mark.parametrize("minutes", [0.0, -1.0, 1e9, math.nan])
def test_an_event_has_a_length(minutes: float) -> None:
    with pytest.raises(InputError, match="event_minutes: expected minutes above 0"):
        grid_flex(PUBLISHED, 40, [0.0], event_minutes=minutes)


@pytest.mark.parametrize(
    ("depths", "message"),
    [
        ([101.0], r"flex_pcts\[0\]: expected 0 to 100 %, got 101"),
        ([10.0, -1.0], r"flex_pcts\[1\]: expected 0 to 100 %, got -1"),
        ([60.0], r"asks for 240 W, below the idle draw of profile 'h100', power.idle_w = 300"),
        ([], "at least one depth"),
    ],
)
def test_impossible_depths_are_refused(depths: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        grid_flex(PUBLISHED, 40, depths)


def test_default_depths_below_idle_are_left_out_and_named() -> None:
    """An A10G idles at 62.5 % of its nominal draw."""
    found = grid_flex(PUBLISHED.model_copy(update={"gpus": ("a10g",)}), 60)
    assert found.left_out == (40.0, 50.0)
    assert [level.flex_pct for level in found.levels] == [0, 5, 10, 15, 20, 25, 30]
    assert found.idle_share == pytest.approx(0.375)


def test_a_profile_without_power_is_named() -> None:
    spec = read_profiles()["h100"].model_copy(update={"name": "dark", "power": None})
    problem = PUBLISHED.model_copy(update={"gpus": ("dark",), "profiles": (spec,)})
    with pytest.raises(InputError, match="profile 'dark', power: it has no power model"):
        grid_flex(problem, 40)
