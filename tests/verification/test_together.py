"""Verdicts on fleets by the requests of all their pools."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest

from fleetopt.case import Case
from fleetopt.problem import FleetProblem, VerificationOptions
from fleetopt.verification import AFRESH, Judge, Judged


@pytest.fixture(scope="module")
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def judge(executor: Executor, *slo: str, **options: object) -> Judge:
    """Of Azure lengths within 8192 tokens on H100."""
    stated = {
        "cdf": "azure", "gpus": ("h100",), "max_context": 8192, "slo_scope": "fleet", "slo": slo,
    }  # fmt: skip
    case = Case.of(FleetProblem.model_validate(stated))
    return Judge(case, VerificationOptions.model_validate(options), executor, lambda _: None)


SHORT = Judged(0, 4096, "h100", 4, 40.0)
LONG = Judged(4096, 8192, "h100", 2, 6.0)
OVERLOADED = Judged(4096, 8192, "h100", 1, 60.0)


def shares(asked: Judge, pool: Judged) -> float:
    """What a pool attains of the judge's only bound."""
    estimate = asked.verdict(pool).attained[0].estimate
    assert estimate is not None
    return estimate


def test_one_pool_may_miss_what_others_save(threads: Executor) -> None:
    """The long pool fails alone; of all requests enough are within the bound."""
    asked = judge(threads, "p90 ttft 100")
    said = asked.together([SHORT, LONG])
    assert asked.verdict(SHORT).verdict == "pass"
    assert asked.verdict(LONG).verdict == "fail"
    weighted = (40.0 * shares(asked, SHORT) + 6.0 * shares(asked, LONG)) / 46.0
    (attained,) = said.attained
    assert attained.estimate == pytest.approx(weighted, abs=0.005)
    assert attained.low is not None
    assert attained.high is not None
    assert attained.low <= weighted <= attained.high
    assert said.verdict == "pass"
    assert [pool.verdict for pool in said.pools] == ["pass", "fail"]


def test_every_bound_has_to_hold(threads: Executor) -> None:
    """Four at once; one that all requests together miss fails the fleet."""
    held = ("p50 ttft 200", "p99 ttft 500", "p95 tpot 60")
    good = judge(threads, *held, "p99 e2e 600000").together([SHORT, LONG])
    assert good.verdict == "pass"
    assert len(good.attained) == len(good.pools[0].attained) == 4
    bad = judge(threads, *held, "p99 e2e 1000").together([SHORT, LONG])
    assert bad.verdict == "fail"
    assert bad.attained[3].high is not None
    assert bad.attained[3].high < 0.99
    assert bad.attained[:3] == good.attained[:3]


def test_an_unstable_pool_fails_the_fleet(threads: Executor) -> None:
    """However few its requests are, and although the bound asks for little."""
    said = judge(threads, "p1 ttft 60000").together([SHORT, OVERLOADED])
    assert said.verdict == "unstable"
    assert [pool.verdict for pool in said.pools] == ["pass", "unstable"]


def test_a_short_run_says_nothing(threads: Executor) -> None:
    """Neither for the fleet nor against it."""
    said = judge(threads, "p99 ttft 500", requests=100).together([SHORT, LONG])
    assert said.verdict == "too short"


def test_measured_misses_are_those_of_all_rounds(threads: Executor) -> None:
    """What the program learns is the share of missed arrivals in everything simulated."""
    asked = judge(threads, "p90 ttft 60", requests=20_000, replications=2)
    first, again = asked.together([LONG]), asked.together([LONG], AFRESH)
    counts = [said.pools[0].arrivals for said in (first, again)]
    missed = [
        (1.0 - (said.pools[0].attained[0].estimate or 0.0)) * count
        for said, count in zip((first, again), counts, strict=True)
    ]
    assert asked.misses(LONG)[0] == pytest.approx(sum(missed) / sum(counts))
    assert first != again
