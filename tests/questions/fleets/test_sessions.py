"""Sessions and the prefix router: exact hits of a small log, and what routing by prefix gains."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetopt.errors import InputError
from fleetopt.problem import FleetSimulation, RouterStatement
from fleetopt.questions.fleets import compare_routers, scenario_of, simulate
from fleetopt.questions.fleets.simulating import first_outcome

POOLS = (
    {"id": "all", "gpu": "h100", "n_gpus": 8, "max_ctx": 65_536, "prefix_cache_tokens": 200_000},
)
LOG = """arrived_at,num_prefill_tokens,num_decode_tokens,chat
0,1000,100,ann
50,900,30,bob
100,2000,100,ann
150,2000,100,
200,2500,40,ann
"""


def stated(**keys: object) -> FleetSimulation:
    plain = {"pools": POOLS, "cdf": "agent_heavy", "lam": 6.0, "slo": ["p99 ttft 1000"],
             "sessions": "6:20s", "n_req": 3000, "replications": 4}  # fmt: skip
    return FleetSimulation.model_validate({**plain, **keys})


def test_hits_of_a_log_are_the_whole_blocks_of_its_history(tmp_path: Path) -> None:
    """Of 1,100 and 2,100 tokens said before, blocks of 16 are found on the replica that has them;
    the session's requests come to that replica though all are idle.
    """
    (tmp_path / "log.csv").write_text(LOG)
    trace = {"path": "log.csv", "columns": {"session": "chat"}}
    fleet = FleetSimulation.model_validate({"pools": POOLS, "trace": trace, "router": "prefix"})
    outcome = first_outcome(scenario_of(fleet, tmp_path))
    assert outcome.column("hit_tokens").tolist() == [0, 0, 1088, 0, 2096]
    replicas = outcome.column("replica")
    assert replicas[0] == replicas[2] == replicas[4]
    found = simulate(fleet, tmp_path).fleet
    assert (found.hit_tokens, found.prompt_tokens) == (3184, 8400)


def test_the_prefix_router_finds_more_and_answers_sooner() -> None:
    """On the same arrivals, with paired intervals; the length router hits by chance."""
    compared = compare_routers(stated(), ["length", "prefix:imbalance=2"])
    length, prefix = (routed.simulation for routed in compared.routers)
    assert compared.best == 1
    assert length.fleet.prompt_tokens == prefix.fleet.prompt_tokens
    assert prefix.fleet.hit_tokens > 3 * length.fleet.hit_tokens
    more = compared.routers[0].p99_more_ms
    assert more.low is not None
    assert more.low > 0


def test_runs_with_sessions_begin_when_these_are_settled() -> None:
    with_sessions, without = scenario_of(stated()), scenario_of(stated(sessions=None))
    assert with_sessions.horizon.warmup_s >= max(5 * 6 * 20.0, without.horizon.warmup_s)


def test_the_prefix_router_needs_something_to_find(tmp_path: Path) -> None:
    """A comparison refuses it before anything is simulated."""
    (tmp_path / "log.csv").write_text(LOG)
    plain = [{**POOLS[0], "prefix_cache_tokens": 0}]
    for keys, said in (
        ({"sessions": None}, "share prefixes"),
        ({"pools": plain}, "keep prefixes"),
    ):
        with pytest.raises(InputError, match=said):
            compare_routers(stated(**keys), ["prefix"])
    replayed = FleetSimulation.model_validate({"pools": POOLS, "trace": {"path": "log.csv"}})
    with pytest.raises(InputError, match="share prefixes"):
        scenario_of(replayed, tmp_path).with_router(RouterStatement(name="prefix"))
    with pytest.raises(InputError, match="share prefixes"):
        scenario_of(
            replayed.model_copy(update={"router": RouterStatement(name="prefix")}), tmp_path
        )
