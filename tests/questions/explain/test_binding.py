"""The rule that names a cause, and the shortcut of remedies, by themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fleetopt.plan import Interval
from fleetopt.problem import FleetSimulation
from fleetopt.questions.explain.answer import Removal
from fleetopt.questions.explain.causes import LEADING, PARTS, Cause
from fleetopt.questions.explain.counterfactuals import with_pools
from fleetopt.questions.explain.finding import MOST, binding
from fleetopt.questions.explain.replaying import apart, base_runs, remedy_runs
from fleetopt.questions.fleets import Scenario, scenario_of
from fleetopt.questions.fleets.simulating import seeds

NOTHING = Interval(None, None, None)
SHARES = st.dictionaries(st.sampled_from(list(Cause)), st.floats(-0.2, 1.2), min_size=1)
LEADS = st.dictionaries(st.sampled_from(LEADING), st.floats(0.0, 1.0))


def removals(won: dict[Cause, float]) -> list[Removal]:
    return [
        Removal(cause, "", NOTHING, NOTHING, Interval(share, None, None))
        for cause, share in won.items()
    ]


@given(SHARES, LEADS, st.sampled_from(["misses", "slowest"]))
def test_named_cause_wins_back_half_of_half_of_the_best_part(won, leads, examined) -> None:
    """A part wins at least half of what the best part does, a reason half of its part."""
    cause = binding(removals(won), leads, examined, unstable=False)
    best = max(won.get(part, 0.0) for part in LEADING)
    if best > 0:
        assert won[cause] >= MOST * MOST * best
    else:
        assert cause in (*PARTS, Cause.OUTAGE, Cause.BURST, Cause.ADMISSION)
    assert binding(removals(won), leads, examined, unstable=True) is Cause.INSTABILITY


@given(st.floats(0.01, 1.0), LEADS)
def test_only_part_that_wins_anything_is_named(share, leads) -> None:
    for part in PARTS:
        won = dict.fromkeys(PARTS, 0.0) | {part: share}
        assert binding(removals(won), leads, "misses", unstable=False) is part


def two_pools(**keys: object) -> Scenario:
    pools = [
        {"id": "short", "gpu": "h100", "n_gpus": 2, "max_ctx": 4096},
        {"id": "long", "gpu": "h100", "n_gpus": 3, "max_ctx": 8192},
    ]
    plain = {"pools": pools, "cdf": "azure", "lam": 40.0, "n_req": 3000, "replications": 2}
    return scenario_of(FleetSimulation.model_validate({**plain, **keys}))


def test_remedies_of_a_pool_need_its_own_requests_only() -> None:
    """Request by request, behind the length router the other pool makes no difference."""
    scenario = two_pools()
    assert apart(scenario)
    short, long = scenario.fleet.pools
    smaller = with_pools(scenario.fleet, [short, replace(long, replicas=2)])
    with ThreadPoolExecutor(2) as running:
        base = base_runs(scenario, seeds(scenario, 2), running)
        alone = remedy_runs(scenario, smaller, base, running, 1)
        whole = remedy_runs(scenario, smaller, base, running, None)
    for trimmed, full in zip(alone, whole, strict=True):
        mine = full.pool == 1
        assert np.array_equal(trimmed.index, full.index[mine])
        assert np.array_equal(trimmed.latency_s["ttft"], full.latency_s["ttft"][mine])
        assert np.array_equal(trimmed.latency_s["e2e"], full.latency_s["e2e"][mine])


def test_pools_that_see_each_other_are_not_taken_apart() -> None:
    for keys in ({"router": "fewest"}, {"router": "random"}, {"concurrency": 20},
                 {"failures": "1:1h"}):  # fmt: skip
        assert not apart(two_pools(**keys))
