"""Availability: closed forms, every state of every node, and the simulator's own failures."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.reliability import share_up as share_up_of
from fleetopt.catalog import read_profiles
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.problem import AVAILABILITIES, FleetProblem, node_availability
from fleetopt.queueing.availability import SpareRule, replicas_to_buy
from fleetopt.simulation.failures import Failures
from fleetopt.simulation.fleet_model import FleetPool

DECIMALS = st.decimals("0.01", "1", places=5, allow_nan=False)


def test_availability_of_published_failure_rates() -> None:
    """6.5 failures in 1000 node-days, repaired in 4 h or in 48 h; none, or at once."""
    assert node_availability(0.0065, 4.0) == pytest.approx(0.99892, abs=5e-6)
    assert node_availability(0.0065, 48.0) == pytest.approx(0.98717, abs=5e-6)
    assert node_availability(0.0, 48.0) == node_availability(1.0, 0.0) == 1.0


def test_availability_is_the_share_of_time_up() -> None:
    """Up times of 1 / r_f days and repairs in turn: the long-run share up is the formula's."""
    rng = np.random.default_rng()
    up_h = rng.exponential(24.0 / 0.5, 20_000)
    down_h = rng.gamma(2.0, 6.0, 20_000)  # mean 12 h; only the mean matters
    share = up_h.sum() / (up_h.sum() + down_h.sum())
    error = math.hypot(1.0, math.sqrt(0.5)) / math.sqrt(20_000)  # of the ratio of the means
    assert share == pytest.approx(node_availability(0.5, 12.0), abs=5 * 0.8 * 0.2 * error)


@pytest.mark.parametrize(("rate", "hours"), [(-0.1, 4.0), (0.1, -4.0), (math.nan, 4.0)])
def test_rates_below_zero_are_refused(rate: float, hours: float) -> None:
    """So are those that are no numbers."""
    with pytest.raises(ValueError, match="at least 0"):
        node_availability(rate, hours)


@given(st.integers(1, 1_000_000), DECIMALS)
def test_bought_is_the_least_enough_in_exact_arithmetic(replicas: int, share: object) -> None:
    """ceil(n / A) of the decimal that the user wrote, whatever its binary form."""
    exact = Fraction(str(share))
    assert replicas_to_buy(replicas, float(exact)) == math.ceil(replicas / exact)


@given(st.integers(1, 1_000_000), st.integers(0, 100_000))
def test_no_replica_more_where_the_share_is_met_exactly(replicas: int, spare: int) -> None:
    """A = n / N buys N, though n / A in floating point may lie just above N."""
    bought = replicas + spare
    assert replicas_to_buy(replicas, replicas / bought) == bought


def test_rounding_would_buy_one_too_many_without_care() -> None:
    """Some of the cases above are such: the plain formula is one too high."""
    pairs = [(n, m) for m in range(1, 120) for n in range(1, m + 1)]
    wrong = [(n, m) for n, m in pairs if math.ceil(n / (n / m)) != m]
    assert wrong
    assert all(replicas_to_buy(n, n / m) == m for n, m in wrong)


@pytest.mark.parametrize("availability", [0.0, -0.5, 1.01, math.nan])
def test_an_availability_outside_its_range_is_refused(availability: float) -> None:
    """It is a share of the time, and never 0."""
    with pytest.raises(ValueError, match=r"\(0, 1\]"):
        replicas_to_buy(3, availability)


def short_by_states(
    replicas: int, bought: int, share_up: float, gpus_per_replica: int, gpus_per_node: int
) -> float:
    """Probability that too few are up, summed over every state of every node."""
    homes = replicas_by_node(bought, gpus_per_replica, gpus_per_node)
    short = 0.0
    for states in itertools.product((True, False), repeat=len(homes)):
        down = {r for home, up in zip(homes, states, strict=True) if not up for r in home}
        if bought - len(down) < replicas:
            short += math.prod(share_up if up else 1.0 - share_up for up in states)
    return short


def replicas_by_node(bought: int, gpus_per_replica: int, gpus_per_node: int) -> list[list[int]]:
    """Which replicas have GPUs on each node: placed one after the other, none cut in two that
    fits on one node.
    """
    if gpus_per_replica > gpus_per_node:
        nodes = -(-gpus_per_replica // gpus_per_node)
        return [[r] for r in range(bought) for _ in range(nodes)]
    homes: list[list[int]] = []
    free = 0
    for replica in range(bought):
        if free < gpus_per_replica:
            homes.append([])
            free = gpus_per_node
        homes[-1].append(replica)
        free -= gpus_per_replica
    return homes


@given(
    st.integers(1, 12),
    st.integers(0, 12),
    st.floats(0.05, 1.0, exclude_max=True),
    st.integers(1, 5),
    st.integers(1, 9),
)
@settings(max_examples=150)
def test_short_share_is_the_sum_over_all_states_of_all_nodes(
    replicas: int, spare: int, share_up: float, gpus_per_replica: int, gpus_per_node: int
) -> None:
    """Replicas smaller and larger than a node, with the last node full or not."""
    bought = replicas + spare
    assume(len(replicas_by_node(bought, gpus_per_replica, gpus_per_node)) <= 12)
    rule = SpareRule(share_up, gpus_per_node=gpus_per_node)
    expected = short_by_states(replicas, bought, share_up, gpus_per_replica, gpus_per_node)
    found = rule.short_share(replicas, bought, gpus_per_replica)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize(
    ("replicas", "gpus_per_replica", "gpus_per_node"), [(13, 1, 8), (5, 2, 8), (3, 8, 4), (2, 3, 8)]
)
def test_short_share_is_that_of_the_simulators_failures(
    replicas: int, gpus_per_replica: int, gpus_per_node: int
) -> None:
    """Its own nodes fail and are repaired; the share of the time with too few of them up."""
    share_up, repair_s = 0.9, 600.0
    failures = Failures(86_400.0 * (1 / share_up - 1) / repair_s, repair_s, gpus_per_node)
    rule = SpareRule(share_up, target=0.9, gpus_per_node=gpus_per_node)
    bought = rule.to_buy(replicas, gpus_per_replica)
    h100 = CalibratedProfile(read_profiles()["h100"])
    pool = FleetPool(
        "p", h100.iteration, h100.reserved(8192), bought, gpus_per_replica=gpus_per_replica
    )
    rng = np.random.default_rng()
    seen = [share_up_of(pool, failures, 400 * repair_s, rng)[:replicas].sum() for _ in range(100)]
    error = np.std(seen, ddof=1) / math.sqrt(len(seen))
    expected = rule.short_share(replicas, bought, gpus_per_replica)
    assert np.mean(seen) == pytest.approx(expected, abs=5 * error)
    assert 0.001 < expected <= 0.1


@given(
    st.integers(1, 3000),
    st.floats(0.3, 0.9999),
    st.floats(0.5, 0.999999),
    st.integers(1, 20),
    st.integers(1, 9),
)
def test_the_rule_of_probability_buys_the_fewest_that_suffice(
    replicas: int, share_up: float, target: float, gpus_per_replica: int, gpus_per_node: int
) -> None:
    """One fewer does not suffice, and for one more that must be up it buys no fewer."""
    rule = SpareRule(share_up, target=target, gpus_per_node=gpus_per_node)
    bought = rule.to_buy(replicas, gpus_per_replica)
    assert rule.suffices(replicas, bought, gpus_per_replica)
    assert bought == replicas or not rule.suffices(replicas, bought - 1, gpus_per_replica)
    assert rule.to_buy(replicas + 1, gpus_per_replica) >= bought


@given(st.integers(1, 400), st.floats(0.3, 0.9999), st.integers(1, 9))
def test_every_replica_more_makes_a_shortage_less_likely(
    replicas: int, share_up: float, gpus_per_node: int
) -> None:
    """Which is why the search may halve its range."""
    rule = SpareRule(share_up, gpus_per_node=gpus_per_node)
    shares = [rule.short_share(replicas, replicas + spare) for spare in range(40)]
    assert all(b <= a * (1 + 1e-9) + 1e-15 for a, b in itertools.pairwise(shares))


def test_tails_keep_their_accuracy() -> None:
    """All of ten nodes down at 1e-4 each: 1e-40, far below one minus anything."""
    rule = SpareRule(0.9999, gpus_per_node=1)
    assert rule.short_share(1, 10) == pytest.approx(1e-40, rel=1e-9)


def test_a_target_that_is_met_exactly_suffices() -> None:
    """1 of 2 at 90 % is up 99 % of the time, whatever the last bit of 0.99."""
    assert SpareRule(0.9, target=0.99, gpus_per_node=1).to_buy(1) == 2
    assert SpareRule(0.9, target=0.999, gpus_per_node=1).to_buy(1) == 3
    assert SpareRule(0.99, target=0.9999, gpus_per_node=1).to_buy(1) == 2


def test_the_mean_is_the_published_formula() -> None:
    """Whatever fails together; published counts at 0.987 and 0.95: 8 need 9 and 9, 25 need
    26 and 27, 4 need 5 and 5.
    """
    for replicas, slow, hard in ((8, 9, 9), (25, 26, 27), (4, 5, 5)):
        for gpus_per_node in (1, 8):
            rules = (SpareRule(A, "mean", gpus_per_node=gpus_per_node) for A in (0.98717, 0.95))
            assert [rule.to_buy(replicas) for rule in rules] == [slow, hard]


def test_a_problem_states_its_rule() -> None:
    """Its defaults: 0.999, a tenth of what the SLO may miss, eight GPUs or a node's own."""
    failing = {"failures": "0.0065:48h"}
    stated = FleetProblem.model_validate(failing)
    slow = AVAILABILITIES["A100_AVAIL_RSC1_SLOW"]
    assert SpareRule.of(stated) == SpareRule(slow, "probability", 0.999, 8)
    strict = {**failing, "slo": ["p99.9 ttft 500"], "node_size": 4, "availability_rule": "mean"}
    rule = SpareRule.of(FleetProblem.model_validate(strict))
    assert (rule.kind, rule.gpus_per_node) == ("mean", 4)
    assert rule.target == pytest.approx(0.9999)
    assert SpareRule.of(FleetProblem()).to_buy(1000) == 1000


@pytest.mark.parametrize("target", [0.0, 1.0, -0.5, math.nan])
def test_a_target_outside_its_range_is_refused(target: float) -> None:
    """Nothing is up all of the time."""
    with pytest.raises(ValueError, match=r"\(0, 1\)"):
        SpareRule(0.9, target=target)
