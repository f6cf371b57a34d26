"""A second method for Poisson pools: the table's mixture with one part of the time left out.

The table knows no requests, only states and lengths. What removing the wait, or the prefill,
takes off its miss probability is what the simulator's removals should win back.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from constructed import SAME, fleet, lengths, profile

from fleetopt.catalog import read_lengths
from fleetopt.problem import FleetSimulation, LengthCdf
from fleetopt.questions.explain import Cause, explain
from fleetopt.questions.fleets import scenario_of
from fleetopt.queueing.latency import LatencyMix, states_of
from fleetopt.queueing.load import LoadTable
from fleetopt.queueing.occupancy import occupancy
from fleetopt.workload.lengths import LengthDistribution

CLOSE = 0.1
"""By how much the shares of the two methods may differ, beside the simulator's interval."""
AZURE = {
    "pools": [{"id": "pool", "gpu": "a100", "n_gpus": 3, "max_ctx": 8192}],
    "cdf": "azure", "lam": 24.0, "slo": ["p99 ttft 290"], "n_req": 20_000, "replications": 4,
}  # fmt: skip
MIXED = lengths((100, 100, 95), (20_480, 100, 5))
WIDE = {"max_ctx": 32_768}

POOLS = {
    "prefill": FleetSimulation.model_validate(AZURE),
    "wait": fleet(profile(), SAME, 6.8, slo=["p99 ttft 150"]),
    "both": fleet(profile(), MIXED, 6.2, WIDE, slo=["p99 ttft 300"], n_req=20_000),
}


def mix_of(stated: FleetSimulation, *, chunk: int | None = None) -> LatencyMix:
    """The table's mixture of a pool, with another chunk of the prefill if wanted."""
    pool = scenario_of(stated).fleet.pools[0]
    time = pool.iteration if chunk is None else replace(pool.iteration, chunk_tokens=chunk)
    cdf = stated.cdf if isinstance(stated.cdf, LengthCdf) else read_lengths(str(stated.cdf))[0]
    requests = LengthDistribution.from_cdf(cdf).clipped(pool.max_context)
    load = LoadTable(requests, time).between(0, pool.max_context, float(stated.lam or 0.0))
    slope = time.per_context_token_s * load.context.mean
    slots = int(pool.capacity.batch(load.context.mean))
    occ = occupancy(load.offered_work, time.base_s, slope, pool.replicas, slots)
    assert occ.is_stable
    return LatencyMix(
        load, states_of(occ, load), pool.replicas, time.base_s, time.per_context_token_s
    )


def table_shares(stated: FleetSimulation) -> dict[Cause, float]:
    """By cause, the part of the table's miss probability that goes without it."""
    mix, limit_s = mix_of(stated), stated.slo[0].limit_s
    none = np.zeros(mix.states.active.size)
    at_once = replace(mix, states=replace(mix.states, wait_s=none, wait_rate=none))
    in_one = mix_of(stated, chunk=stated.pools[0].max_ctx)
    miss = mix.exceedance("ttft", limit_s)
    return {
        cause: 1.0 - without.exceedance("ttft", limit_s) / miss
        for cause, without in ((Cause.WAIT, at_once), (Cause.PREFILL, in_one))
    }


@pytest.mark.parametrize("name", POOLS)
def test_shares_of_wait_and_prefill_are_those_of_the_table(name: str) -> None:
    """Within the simulator's interval and what the table itself may be off."""
    found = explain(POOLS[name]).answer
    assert found.examined == "misses"
    for cause, share in table_shares(POOLS[name]).items():
        removal = found.removal(cause)
        assert removal is not None
        won = removal.won_back
        assert won.low is not None
        assert won.high is not None
        assert won.low - CLOSE <= share <= won.high + CLOSE


@pytest.mark.parametrize(("name", "cause"), [("prefill", Cause.PREFILL), ("wait", Cause.WAIT)])
def test_both_methods_agree_on_wait_or_prefill(name: str, cause: Cause) -> None:
    """Of the two, the one that the table would remove is the one that the simulator removes."""
    table = table_shares(POOLS[name])
    found = explain(POOLS[name]).answer
    won = {c: found.removal(c).won_back.estimate or 0.0 for c in table}  # type: ignore[union-attr]
    assert max(table, key=lambda c: table[c]) is cause
    assert max(won, key=lambda c: won[c]) is cause
