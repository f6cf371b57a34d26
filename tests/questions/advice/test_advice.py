"""Answers are those of the questions behind them, and rules are judged by the costs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fleetopt.case import Case
from fleetopt.errors import InfeasibleError
from fleetopt.problem import FleetProblem, LatencyBound, PhasesApart, VerificationOptions
from fleetopt.questions.advice import Advice, advise
from fleetopt.questions.advice.margin import BURST_SHARE, BURST_TIMES, bursts_of
from fleetopt.questions.advice.ruling import Traits, p99_tokens
from fleetopt.questions.disaggregation import Question
from fleetopt.queueing.availability import SpareRule
from fleetopt.study import solve, tabulate
from fleetopt.verification import Judge, Judged

QUICK = VerificationOptions(enabled=False)
AGENTS = LatencyBound(limit_ms=1000.0)
STATED = {
    "lmsys": FleetProblem(cdf="lmsys", verification=QUICK),
    "azure": FleetProblem(cdf="azure", max_context=8192, overlong="clip", verification=QUICK),
    "agents": FleetProblem(
        cdf="agent_heavy", arrival_rate=20.0, slo=(AGENTS,), gpus=("a100", "h100"),
        verification=QUICK,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def advice() -> dict[str, Advice]:
    """By the tables alone."""
    return {name: advise(stated) for name, stated in STATED.items()}


def cost(name: str, **keys: object) -> float:
    """USD a year of the program's optimum with other keys; infinite without one."""
    try:
        return solve(STATED[name].model_copy(update=keys)).cost.usd_per_year
    except InfeasibleError:
        return math.inf


@pytest.mark.parametrize("name", STATED)
def test_split_and_one_pool_cost_what_the_program_says(
    advice: dict[str, Advice], name: str
) -> None:
    answer = advice[name].answer("split")
    assert answer.chosen.usd_per_year == pytest.approx(cost(name))
    assert answer.other is not None
    assert answer.other.usd_per_year == pytest.approx(cost(name, max_pools=1))


@pytest.mark.parametrize("name", STATED)
def test_two_pools_at_a_point_cost_what_the_program_says_of_that_point(
    advice: dict[str, Advice], name: str
) -> None:
    splits = advice[name].answer("where").figures["splits"]
    for tokens, usd in splits[len(splits) // 2 :: 4]:
        assert usd == pytest.approx(cost(name, thresholds=(tokens,), max_pools=2))


@pytest.mark.parametrize("name", STATED)
def test_each_gpu_alone_costs_what_the_program_says_of_it(
    advice: dict[str, Advice], name: str
) -> None:
    sides = advice[name].answer("gpu").sides
    for side in sides:
        gpu = side.types[0] if side.fleet else side.label.removeprefix("all ")
        assert side.usd_per_year == pytest.approx(cost(name, gpus=(gpu,)))
    assert len({side.label for side in sides}) == len(STATED[name].gpus)


def test_mix_is_that_of_the_cheapest_fleet(advice: dict[str, Advice]) -> None:
    for name, given in advice.items():
        alone = min(cost(name, gpus=(gpu,)) for gpu in STATED[name].gpus)
        (ruling,) = given.answer("mix").rulings
        is_mixed = cost(name) < alone * (1 - 1e-9)
        assert (ruling.outcome == "right") == is_mixed


def test_last_pool_takes_the_fewest_replicas_of_each_gpu(advice: dict[str, Advice]) -> None:
    given = advice["agents"]
    answer = given.answer("long_context")
    lo, hi = answer.figures["lo_tokens"], answer.figures["hi_tokens"]
    for side in answer.sides:
        stated = STATED["agents"].model_copy(update={"gpus": (side.label,)})
        case = Case.of(stated)
        stated = stated.model_copy(update={"arrival_rate": 20.0 * case.lengths.share(lo, hi)})
        if side.fleet is None:
            assert not any(row.admissible for row in tabulate(stated, lo=lo, hi=hi))
            continue
        n = side.fleet.pools[0].replicas
        below, at = (tabulate(stated, lo=lo, hi=hi, replicas=k)[0] for k in (n - 1, n))
        assert at.admissible
        assert not below.admissible


@pytest.mark.parametrize("name", STATED)
def test_plan_breaks_where_its_weakest_table_row_does(advice: dict[str, Advice], name: str) -> None:
    given = advice[name]
    assert given.plan.fleet is not None
    carried = []
    for pool in given.plan.fleet.pools:
        stated = {"arrival_rate": pool.arrival_rate, "gpus": (pool.profile,)}
        (row,) = tabulate(
            STATED[name].model_copy(update=stated),
            lo=pool.lo_tokens, hi=pool.hi_tokens, replicas=pool.replicas,
        )  # fmt: skip
        carried.append(row.max_arrival_rate * given.arrival_rate / pool.arrival_rate)
    figures = given.answer("margin").figures
    assert figures["carries_requests_per_s"] == pytest.approx(min(carried), rel=1e-4)
    assert figures["weakest_pool"] == f"pool-{int(np.argmin(carried)) + 1}"


def test_n_over_a_is_wrong_where_too_few_are_up(advice: dict[str, Advice]) -> None:
    """The share of the time, by counting nodes: a pool of 8 or fewer lives on one node."""
    given = advice["lmsys"]
    (ruling,) = given.answer("margin").rulings
    assert ruling.outcome == "wrong"
    assert ruling.followed is not None
    assert given.answer("margin").figures["availability"] == pytest.approx(1 / 1.013)
    assert "98.72 % of the time" in ruling.why
    spread = next(s for s in given.answer("margin").sides if s.label == "each on its own node")
    assert spread.fleet is not None
    for pool in spread.fleet.pools:
        rule = SpareRule(1 / 1.013, gpus_per_node=1)
        assert pool.spare_replicas == rule.to_buy(pool.replicas) - pool.replicas


def test_n_over_a_is_right_where_nodes_hardly_fail() -> None:
    stated = STATED["azure"].model_copy(update={"availability": 0.9999, "gpus": ("h100",)})
    assert ruling_of(advise(stated), "n / A").outcome == "right"


def ruling_of(given: Advice, rule: str):
    return next(said for said in given.rulings if said.rule == rule)


@pytest.mark.parametrize(
    ("name", "rule", "advises", "outcome"),
    [
        # agents and chats have heavy tails, and one pool keeps the SLO of both
        ("lmsys", "heavy tail", "split", "overstated"),
        ("agents", "heavy tail", "split", "overstated"),
        ("azure", "heavy tail", "", "silent"),
        # R = 16 and f = 1.6 %; R = 16 and f = 46 %, where a split at 16,384 is cheaper
        ("lmsys", "ratio and share", "split", "right"),
        ("agents", "ratio and share", "one pool", "wrong"),
        ("lmsys", "default threshold", "4,096 tokens", "right"),
        ("agents", "default threshold", "4,096 tokens", "wrong"),
        ("lmsys", "cheap GPU in two pools", "two pools of a10g", "right"),
        ("agents", "cheap GPU in two pools", "", "silent"),
        ("lmsys", "mix", "mix", "wrong"),
        ("azure", "mix", "mix", "right"),
        ("azure", "H100 for long contexts", "", "silent"),
        ("agents", "H100 for long contexts", "h100", "overstated"),
        ("lmsys", "phases apart", "apart", "wrong"),
        ("agents", "phases apart", "together", "right"),
        # nothing was simulated
        ("lmsys", "simulate heavy tails", "simulate", "silent"),
    ],
)
def test_rules(advice: dict[str, Advice], name: str, rule: str, advises: str, outcome: str) -> None:
    said = ruling_of(advice[name], rule)
    assert (said.advises, said.outcome) == (advises, outcome)


@pytest.mark.parametrize(
    ("keys", "rule", "outcome"),
    [
        # little traffic: one pool is the cheapest, and each pool of a split has a replica
        ({"arrival_rate": 5.0, "gpus": ("h100",)}, "heavy tail", "wrong"),
        ({"arrival_rate": 5.0, "gpus": ("h100",)}, "ratio and share", "wrong"),
        # short contexts, where one pool is best: R = 2
        (
            {"cdf": [[2048, 0.9], [8192, 1.0]], "arrival_rate": 2.0, "gpus": ("h100",)},
            "ratio and share",
            "right",
        ),
        # nearly all prompts have about 50,000 tokens: 700 ms are too short for A100 alone
        ({"cdf": [[60000, 0.01], [65536, 1.0]], "arrival_rate": 0.5,
          "slo": (LatencyBound(limit_ms=700.0),), "gpus": ("a100", "h100")},
         "H100 for long contexts", "right"),
        ({"slo": (LatencyBound(limit_ms=60_000.0),), "gpus": ("a100", "h100"),
          "cdf": [[30000, 0.1], [65536, 1.0]], "arrival_rate": 0.01},
         "H100 for long contexts", "wrong"),
        # short prompts in a long context of one length, and enough time for a full batch
        (
            {"cdf": "azure", "max_context": 8192, "overlong": "clip", "arrival_rate": 1000.0,
             "gpus": ("a100", "h100"), "slo": (LatencyBound(limit_ms=5000.0),), "max_pools": 1},
            "phases apart",
            "right",
        ),
        ({"cdf": "agent_heavy", "arrival_rate": 20.0, "slo": (AGENTS,), "gpus": ("a10g", "h100")},
         "cheap GPU in two pools", "wrong"),
    ],
)  # fmt: skip
def test_rules_on_other_workloads(keys: dict[str, object], rule: str, outcome: str) -> None:
    stated = FleetProblem.model_validate({"verification": QUICK, **keys})
    assert ruling_of(advise(stated), rule).outcome == outcome


def test_traits_are_those_of_the_lengths() -> None:
    """By hand: work of 1 + 200 and 8 + 1600 iterations with chunks of 1024."""
    points = [[999, 0.0], [1000, 0.9], [7999, 0.9], [8000, 1.0]]
    case = Case.of(FleetProblem.model_validate({"cdf": points, "gpus": ("h100",)}))
    traits = Traits.of(case, 4096)
    work, weights = np.array([201.0, 1607.0]), np.array([0.9, 0.1])
    mean = work @ weights
    assert traits.work_cv2 == pytest.approx((work**2 @ weights) / mean**2 - 1)
    assert traits.ratio == pytest.approx(8000 / 4096)
    assert traits.share == pytest.approx(0.1)
    assert p99_tokens(case, 0, 8000) == 8000
    assert p99_tokens(case, 0, 4096) == 1000


@pytest.mark.parametrize(
    ("ratio", "share", "rate", "advises"),
    [
        (2.0, 0.01, 1000.0, "one pool"),
        (16.0, 0.31, 1000.0, "one pool"),
        (16.0, 0.04, 1.0, "split"),
        (4.0, 0.09, 100.0, "split"),
        (4.0, 0.09, 99.0, ""),
        (3.0, 0.01, 1000.0, ""),
        (16.0, 0.10, 1000.0, ""),
    ],
)
def test_ratio_and_share_as_published(
    ratio: float, share: float, rate: float, advises: str
) -> None:
    assert Traits(4096, int(4096 * ratio), ratio, share, 0.5).ratio_advises(rate) == advises


def test_phases_apart_are_counted_as_the_question_counts_them() -> None:
    """With the prompt's KV, at the rate over the utilization cap."""
    problem = STATED["azure"].model_copy(
        update={"gpus": ("h100",), "max_pools": 1, "slo": (LatencyBound(limit_ms=5000.0),)}
    )
    answer = advise(problem).answer("disaggregate")
    question = Question(PhasesApart(cdf="azure", lam=100.0, gpu_prefill="h100", gpu_decode="h100"))
    apart = question.pair("h100", "h100", 100.0 / problem.max_utilization).corrected
    own = answer.other if answer.figures["parts"] else answer.chosen
    assert own is not None
    best = min(apart.usd_per_year, own.usd_per_year)
    assert answer.chosen.usd_per_year == pytest.approx(best)
    assert bool(answer.figures["parts"]) == (apart.usd_per_year < own.usd_per_year)


def test_bursts_keep_the_mean_rate() -> None:
    bursts = bursts_of(7.0)
    assert bursts.rate == pytest.approx(7.0)
    assert bursts.burst_share == pytest.approx(BURST_SHARE)
    assert bursts.burst_rate == pytest.approx(7.0 * BURST_TIMES)


def test_simulated_advice() -> None:
    """Sides carry verdicts; bursts need no less than the plan, and fewer replicas fail in them."""
    options = VerificationOptions(replications=4)
    points = [[512, 0.5], [2048, 0.9], [8192, 1.0]]
    problem = FleetProblem.model_validate(
        {"cdf": points, "arrival_rate": 60.0, "gpus": ("h100",), "verification": options}
    )
    given = advise(problem)
    assert given.plan.verdict == "pass"
    split = given.answer("split")
    assert split.certainty == "simulated"
    assert split.other is not None
    assert split.other.said
    said = ruling_of(given, "simulate heavy tails")
    trusted = given.answer("simulate")
    needed = trusted.figures["refused_rows"] > 0 or trusted.sides[0].is_refused
    assert (said.outcome == "right") == (needed == given.traits.is_heavy)
    margin = given.answer("margin")
    burst = margin.sides[0]
    assert burst.label == "in bursts"
    assert burst.fleet is not None
    assert given.plan.fleet is not None
    pairs = list(zip(burst.fleet.pools, given.plan.fleet.pools, strict=True))
    assert all(more.replicas >= pool.replicas for more, pool in pairs)
    assert burst.usd_per_year > given.plan.usd_per_year
    assert margin.figures["verdict_below"] == "pass"
    case = Case.of(problem)
    for more, pool in pairs:
        if more.replicas > pool.replicas:
            assert missed_in_bursts(case, more, more.replicas) <= 0.01
            assert missed_in_bursts(case, more, pool.replicas) > 0.01


def missed_in_bursts(case: Case, pool, replicas: int) -> float:
    """Share of misses in one long run of another seed."""
    from concurrent.futures import ThreadPoolExecutor

    options = VerificationOptions(requests=60_000, replications=4, seed=77)
    asked = Judged(pool.lo_tokens, pool.hi_tokens, pool.profile, replicas, pool.arrival_rate)
    with ThreadPoolExecutor(2) as threads:
        judge = Judge(case, options, threads, lambda _: None, arrivals=bursts_of, stages=1)
        judge.verdict(asked)
        return judge.misses(asked)[0]
