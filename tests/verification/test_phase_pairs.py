"""Pairs in the simulator: each phase by its own bounds, requests conserved, tables confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from fleetopt.case import Case
from fleetopt.optimization.design import Design
from fleetopt.optimization.solver import Solution
from fleetopt.problem import FleetProblem
from fleetopt.verification import Judge, Judged, judged_pools

CASE = Case.of(
    FleetProblem(
        cdf="azure", gpus=("a100", "h100"), phases="apart", max_context=8192, overlong="clip",
        slo=("p99 ttft 60", "p99 tpot 16"), thresholds=(3072,),
    )
)  # fmt: skip
OPTIONS = CASE.problem.verification.model_copy(update={"requests": 4000, "replications": 4})


@pytest.fixture(scope="module")
def solution() -> Solution:
    return Design(CASE, grey=False).optimum()


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with ThreadPoolExecutor(2) as threads:
        yield Judge(CASE, OPTIONS, threads, lambda _: None)


def test_pools_know_their_partners(solution: Solution) -> None:
    pools = judged_pools(CASE, solution.chosen)
    assert [pool.phase for pool in pools] == ["prefill", "decode"] * (len(pools) // 2)
    for first, second in zip(pools[::2], pools[1::2], strict=True):
        assert first.other == second
        assert second.whole == first


def test_requests_are_conserved_and_the_table_is_confirmed(
    solution: Solution, judge: Judge
) -> None:
    """Both pools see every request of the pair; P99 within a tenth of the table's."""
    design = Design(CASE, grey=False)
    for pool, (candidate, row) in zip(
        judged_pools(CASE, solution.chosen), solution.chosen, strict=True
    ):
        said = judge.verdict(pool)
        assert said.arrivals == said.completed + said.rejected + said.unfinished
        assert said.arrivals == judge.verdict(pool.other).arrivals > 10_000
        metric = "ttft" if pool.phase == "prefill" else "tpot"
        seen = getattr(said, f"p99_{metric}_ms").estimate
        table = 1000.0 * design.table(candidate).row(row.replicas).percentile_s(metric, 99.0)
        assert seen == pytest.approx(table, rel=0.1)
        blank = "p99_tpot_ms" if pool.phase == "prefill" else "p99_ttft_ms"
        assert getattr(said, blank).estimate is None


def test_one_phase_fails_alone(solution: Solution, judge: Judge) -> None:
    """Too few replicas of one phase are no fault of the other."""
    pools = judged_pools(CASE, solution.chosen)
    decode = max((pool for pool in pools if pool.phase == "decode"), key=lambda p: p.replicas)
    short = replace(decode, replicas=max(1, decode.replicas // 2))
    assert judge.verdict(short).verdict in ("unstable", "fail")
    assert judge.verdict(short.other).verdict == "pass"


def test_a_slow_link_is_seen(solution: Solution, judge: Judge) -> None:
    """Bytes take their time: a hundredth of the bandwidth breaks TTFT, and TPOT stays."""
    first: Judged = judged_pools(CASE, solution.chosen)[0]
    assert first.path is not None
    slow = replace(first, path=replace(first.path, bytes_per_s=first.path.bytes_per_s / 100))
    said = judge.verdict(slow)
    assert said.verdict in ("fail", "unstable")
    assert said.slo_attainment.estimate < 0.9
