"""The judge: verdicts, their reasons, and what they are independent of."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from fleetopt.case import Case
from fleetopt.optimization.design import table_maker
from fleetopt.problem import FleetProblem, LatencyBound, VerificationOptions
from fleetopt.verification import AFRESH, Judge, Judged, overall


@pytest.fixture(scope="module")
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def azure(**keys: object) -> Case:
    """Azure lengths within 8192 tokens on H100, with other keys as given."""
    stated = {"cdf": "azure", "gpus": ("h100",), "max_context": 8192, **keys}
    return Case.of(FleetProblem.model_validate(stated))


def judge(case: Case, executor: Executor, **options: object) -> Judge:
    return Judge(case, VerificationOptions.model_validate(options), executor, lambda _: None)


def pool(replicas: int, rate: float, lo: int = 0, hi: int = 8192) -> Judged:
    return Judged(lo, hi, "h100", replicas, rate)


def test_a_sound_pool_passes_and_its_utilization_is_the_table_s(threads: Executor) -> None:
    """Offered work over the work rate with every slot busy, from both sides."""
    case = azure()
    said = judge(case, threads).verdict(pool(6, 90.0))
    table = table_maker(case, case.profiles[0])(0, 8192, 90.0)
    assert said.verdict == "pass"
    assert said.utilization == pytest.approx(table.row(6).utilization, rel=0.02)
    assert said.rejected == said.unfinished == 0
    assert said.arrivals == said.completed > 8 * 10_000


def test_an_overloaded_pool_is_unstable_with_its_growth(threads: Executor) -> None:
    """The backlog grows by the arrivals that the full pool cannot serve."""
    case = azure()
    said = judge(case, threads).verdict(pool(2, 60.0))
    table = table_maker(case, case.profiles[0])(0, 8192, 60.0)
    carried = 60.0 / table.row(2).utilization
    assert said.verdict == "unstable"
    assert said.backlog_per_s == pytest.approx(60.0 - carried, rel=0.05)
    assert said.p99_ttft_ms.estimate is None
    assert said.slo_attainment.estimate is not None
    assert said.slo_attainment.estimate < 0.2
    assert said.arrivals == said.completed + said.rejected + said.unfinished


def test_a_missed_bound_fails(threads: Executor) -> None:
    """Half of the requests are slower than the median of the same pool."""
    case = azure(slo=(LatencyBound(metric="e2e", percentile=99.0, limit_ms=3000.0),))
    said = judge(case, threads).verdict(pool(6, 90.0))
    assert said.verdict == "fail"
    assert said.slo_attainment.high is not None
    assert said.slo_attainment.high < 0.9


def test_a_short_run_says_what_it_needs(threads: Executor) -> None:
    """A hundred requests are no steady state; the length that the reason names is enough."""
    case = azure()
    short = judge(case, threads, requests=100).verdict(pool(6, 90.0))
    assert short.verdict == "too short"
    needed = int(short.reason.split()[-2].replace(",", ""))
    assert judge(case, threads, requests=needed).verdict(pool(6, 90.0)).verdict == "pass"
    assert judge(case, threads, requests=needed - 90).verdict(pool(6, 90.0)).verdict == "too short"


def test_a_large_pool_is_simulated_as_a_slice(threads: Executor) -> None:
    """Three thousand replicas: the same verdict from a part of them, and it says so."""
    case = azure(arrival_rate=45_000.0)
    said = judge(case, threads, replications=2).verdict(pool(3000, 45_000.0))
    assert said.verdict == "pass"
    assert said.reason.startswith("simulated as 1 of ")
    assert said.arrivals < 2 * 250_000


def test_the_same_seed_gives_the_same_answer(threads: Executor) -> None:
    """On any threads or processes; a saved plan is judged on other seeds."""
    case = azure()
    first = judge(case, threads, requests=30_000, replications=4)
    with ThreadPoolExecutor(1) as single:
        again = judge(case, single, requests=30_000, replications=4)
        assert first.verdict(pool(6, 90.0)) == again.verdict(pool(6, 90.0))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        elsewhere = judge(case, processes, requests=30_000, replications=4)
        assert first.verdict(pool(6, 90.0)) == elsewhere.verdict(pool(6, 90.0))
    assert first.verdict(pool(6, 90.0), AFRESH) != first.verdict(pool(6, 90.0))
    other = judge(case, threads, requests=30_000, replications=4, seed=2)
    assert other.verdict(pool(6, 90.0)) != first.verdict(pool(6, 90.0))


def test_the_overall_verdict_is_the_worst(threads: Executor) -> None:
    """One bad pool spoils the fleet."""
    asked = judge(azure(), threads, requests=30_000, replications=2)
    good, bad = asked.verdict(pool(6, 90.0)), asked.verdict(pool(2, 60.0))
    assert overall([good, good]) == "pass"
    assert overall([good, bad]) == "unstable"
