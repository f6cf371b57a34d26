"""Fleets in which the cause of the misses is known, because nothing else can go wrong."""

from __future__ import annotations

from typing import Any

from fleetopt.problem import FleetSimulation

QUICK: dict[str, Any] = {"n_req": 6000, "replications": 4}


def profile(**changed: Any) -> dict[str, Any]:
    """An engine without decode interference, and more KV than it can use."""
    plain = {
        "name": "plain", "gpu": "plain", "base_s": 0.01, "per_sequence_s": 0.0,
        "calibration_context_tokens": 8192, "chunk_tokens": 512, "kv_blocks": 1_000_000,
        "calibration_slots": 64, "usd_per_hour": 1.0,
    }  # fmt: skip
    return {**plain, **changed}


def lengths(*pairs: tuple[int, int, int]) -> dict[str, Any]:
    """Requests by prompt tokens, output tokens and how often they come."""
    longest = max(prompt + output for prompt, output, _ in pairs)
    table = sorted(pairs, key=lambda pair: (pair[0] + pair[1], pair[0]))
    return {"cdf": [[longest, 1.0]], "joint": {"pairs": [list(pair) for pair in table]}}


def fleet(
    engine: dict[str, Any], requests: dict[str, Any], rate: float,
    pool: dict[str, Any] | None = None, **keys: Any,
) -> FleetSimulation:  # fmt: skip
    """One pool of the engine; by default paged, with as many slots as sequences fit."""
    plain = {"id": "pool", "gpu": engine["name"], "n_gpus": 1, "max_ctx": 8192,
             "admission": "paged", "max_num_seqs": 8}  # fmt: skip
    stated = {
        "pools": [{**plain, **(pool or {})}], "profiles": [engine], "cdf": requests, "lam": rate,
        **QUICK, **keys,
    }  # fmt: skip
    return FleetSimulation.model_validate(stated)


SAME = lengths((100, 100, 1))
"""Every request alike: 101 iterations of 10 ms, so that 8 slots carry 7.9 a second."""
SLO = ["p99 ttft 300"]


def crowded() -> FleetSimulation:
    """M/D/8 at 0.85 of its capacity: whoever misses has waited for a slot."""
    return fleet(profile(), SAME, 6.8, slo=SLO)


def long_prompts() -> FleetSimulation:
    """Slots for all, and 5 % of prompts of 40 chunks of 10 ms."""
    requests = lengths((100, 100, 95), (20_480, 100, 5))
    return fleet(profile(), requests, 5.0, {"max_ctx": 32_768, "max_num_seqs": 256}, slo=SLO)


def large_windows() -> FleetSimulation:
    """Each slot reserves a window for which the KV has room 8 times; the engine batches 64."""
    engine = profile(kv_blocks=8 * 512, calibration_slots=64)
    pool = {"admission": "reserved", "max_num_seqs": 64}
    return fleet(engine, SAME, 6.8, pool, slo=SLO)


def slowed_decodes() -> FleetSimulation:
    """Slots for all, but an iteration that doubles with some 20 sequences in it."""
    engine = profile(per_sequence_s=0.01 * 8192 / 200 / 20)
    return fleet(engine, SAME, 10.0, {"max_num_seqs": 256}, slo=["p99 tpot 20"])


def bursts() -> FleetSimulation:
    """At 0.4 of its capacity, with bursts of several times that."""
    return fleet(profile(), SAME, 3.2, slo=SLO, arrivals="mmpp:20:10", n_req=12_000)


def overloaded() -> FleetSimulation:
    """A quarter more than it can carry."""
    return fleet(profile(), SAME, 10.0, slo=SLO)


def failing_nodes() -> FleetSimulation:
    """Two replicas of which one carries the load barely; each is down a tenth of the time."""
    return fleet(profile(), SAME, 6.0, {"n_gpus": 2}, slo=SLO, gpus_per_node=1,
                 failures={"per_node_day": 72.0, "repair_s": 133.0}, n_req=20_000)  # fmt: skip


def misrouted() -> FleetSimulation:
    """Half of the requests that only the large window holds are sent to the small one."""
    engine = profile()
    pools = [
        {"id": "small", "gpu": "plain", "n_gpus": 1, "max_ctx": 512},
        {"id": "large", "gpu": "plain", "n_gpus": 1, "max_ctx": 8192},
    ]
    requests = lengths((100, 100, 9), (900, 100, 1))
    stated = {"pools": pools, "profiles": [engine], "cdf": requests, "lam": 5.0, "slo": SLO,
              "router": "random", **QUICK}  # fmt: skip
    return FleetSimulation.model_validate(stated)


def long_outputs() -> FleetSimulation:
    """Nothing is in the way, but 1,000 tokens of 10 ms take longer than 5 s."""
    requests = lengths((100, 100, 9), (100, 1000, 1))
    return fleet(profile(), requests, 1.0, {"max_num_seqs": 256}, slo=["p99 e2e 5000"])
