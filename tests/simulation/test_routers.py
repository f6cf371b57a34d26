"""Each router sends requests where it says it does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fleetopt.errors import InputError
from fleetopt.performance.profile import Capacity, IterationTime
from fleetopt.simulation.fleet import Fleet, simulate_fleet
from fleetopt.simulation.fleet_model import FleetPool, Traffic
from fleetopt.simulation.fleet_run import latencies_s
from fleetopt.simulation.records import Ints, Window
from fleetopt.simulation.routing import (
    ByLength,
    ByModel,
    CompressAndRoute,
    LengthKnowledge,
    PowerOfTwo,
    PrefixAware,
    RoundRobin,
    Semantic,
    Spillover,
)

N = 4000


def pool(name: str, context: int, replicas: int = 2) -> FleetPool:
    """A pool with eight slots a replica."""
    return FleetPool(name, IterationTime(0.01, 1e-7), Capacity(8, 0, 16, context), replicas)


POOLS = (pool("long", 8000), pool("short", 1000), pool("middle", 2000, 3))


def traffic(seed: int | None = None, mean_gap_s: float = 0.1) -> Traffic:
    """Requests of 2 to 8,999 tokens, some of which fit nowhere."""
    rng = np.random.default_rng(seed)
    total = np.minimum(2 + rng.exponential(1500.0, N).astype(np.int64), 8999)
    prompts = np.maximum(1, (0.8 * total).astype(np.int64))
    gaps = rng.exponential(mean_gap_s, N)
    return Traffic(np.cumsum(gaps), prompts, np.maximum(1, total - prompts))


def known(requests: Traffic) -> Ints:
    """What an oracle knows."""
    return requests.total_tokens


def test_length_is_the_shortest_fit() -> None:
    """Compared with the plain rule, request by request; the longest fit nowhere."""
    requests = traffic()
    routed = ByLength().route(requests, known(requests), POOLS, np.random.default_rng()).pool
    for total, sent in zip(known(requests), routed, strict=True):
        fits = [p for p in range(3) if POOLS[p].max_context >= total]
        assert sent == min(fits, key=lambda p: POOLS[p].max_context, default=-1)


def test_thresholds_split_below_the_windows() -> None:
    """Up to 500 to the shortest, up to 1500 to the next, the rest to the longest."""
    totals = np.array([500, 501, 1500, 1501, 8000, 8001])
    assert ByLength((500, 1500)).pool_of(totals, POOLS).tolist() == [1, 2, 2, 0, 0, -1]
    with pytest.raises(InputError, match="2 ascending thresholds"):
        ByLength((1500, 500)).pool_of(totals, POOLS)


def test_round_robin_takes_turns() -> None:
    """The k-th request to pool k modulo three."""
    routed = RoundRobin().route(traffic(), np.zeros(N), POOLS, np.random.default_rng()).pool
    assert (routed == np.arange(N) % 3).all()


def test_compression_cuts_the_band_above_the_threshold() -> None:
    """All prose in (B, gamma B] is cut to B with its output whole; code and the rest are not."""
    requests = traffic()
    requests = replace(requests, category=np.arange(N) % 2, category_names=("prose", "code"))
    routing = CompressAndRoute(1000, gamma=1.5).route(
        requests, known(requests), POOLS, np.random.default_rng()
    )
    total, is_prose = known(requests), np.arange(N) % 2 == 0
    band = (total > 1000) & (total <= 1500) & (requests.output_tokens < 1000)
    cut = band & is_prose
    assert routing.prompt_tokens is not None
    assert routing.delay_s is not None
    assert cut.any()
    assert (routing.prompt_tokens[cut] + requests.output_tokens[cut] == 1000).all()
    assert (routing.prompt_tokens[~cut] == requests.prompt_tokens[~cut]).all()
    assert (routing.pool[cut] == 1).all()
    assert (routing.pool[band & ~is_prose] == 2).all()
    assert ((routing.delay_s > 0) == cut).all()


def test_each_threshold_compresses_into_its_own_pool() -> None:
    """Against the plain rule: to the lowest threshold whose band holds the request, as it is
    else; 1,300 tokens and more of output never fit.
    """
    requests = traffic()
    nodes = ((800, 1.25), (1600, 2.0))
    router = CompressAndRoute(*nodes[0], never=(), longer=nodes[1:])
    routing = router.route(requests, known(requests), POOLS, np.random.default_rng())
    pools, windows = (1, 2, 0), (800, 1600, 8000)
    assert routing.prompt_tokens is not None
    for total, prompt, sent, cut in zip(
        known(requests).tolist(), requests.prompt_tokens.tolist(),
        routing.pool.tolist(), routing.prompt_tokens.tolist(), strict=True,
    ):  # fmt: skip
        output = total - prompt
        place = next((p for p, w in zip(pools, windows, strict=True) if total <= w), -1)
        wanted = place, prompt
        for p, (tokens, gamma) in zip(pools, nodes, strict=False):
            if tokens < total <= gamma * tokens and output < tokens:
                wanted = p, tokens - output
                break
        assert (sent, cut) == wanted
    changed = routing.prompt_tokens != requests.prompt_tokens
    assert set(routing.pool[changed]) == {1, 2}


def test_wrong_thresholds_of_compression_are_refused() -> None:
    """Out of order, beyond their window, as many as pools, factors below 1."""
    for longer, said in (
        (((700, 1.5),), "ascending"),
        (((2500, 1.5),), "within the context windows"),
        (((1500, 1.5), (3000, 1.5)), "at most 2 thresholds, got 3"),
        (((1500, 0.9),), "gamma of at least 1"),
    ):
        router = CompressAndRoute(800, longer=longer)
        with pytest.raises(InputError, match=said):
            router.route(traffic(), known(traffic()), POOLS, np.random.default_rng())


def test_compression_without_categories_draws_them() -> None:
    """Three quarters may be compressed; success halves that; the delay is part of TTFT."""
    n = N
    requests = Traffic(np.arange(n) * 10.0, np.full(n, 1000), np.full(n, 200))
    router = CompressAndRoute(1000, success=0.5, latency_s=0.25)
    rng = np.random.default_rng()
    outcome = simulate_fleet(Fleet(POOLS, router), requests, Window(0.0, 1e5, 1e6), rng)
    cut = outcome.column("pool") == 1
    assert cut.mean() == pytest.approx(0.375, abs=5 * (0.375 * 0.625 / n) ** 0.5)
    ttft = latencies_s(outcome)["ttft"]
    spec = POOLS[0].iteration
    assert ttft[cut] == pytest.approx(0.25 + 2 * (spec.base_s + 1e-7 * 1000))
    assert ttft[~cut] == pytest.approx(2 * (spec.base_s + 1e-7 * 1200))


def test_power_of_two_draws_different_replicas_that_fit() -> None:
    """Each pair is of two replicas of fitting pools, and every such replica is drawn alike."""
    requests = traffic()
    routing = PowerOfTwo().route(requests, known(requests), POOLS, np.random.default_rng())
    assert routing.choices is not None
    windows = np.repeat([pool.max_context for pool in POOLS], [pool.replicas for pool in POOLS])
    fits = known(requests) <= 8000
    assert (windows[routing.choices[fits]] >= known(requests)[fits, None]).all()
    assert (routing.choices[fits, 0] != routing.choices[fits, 1]).all()
    drawn = np.bincount(routing.choices[known(requests) <= 1000].ravel(), minlength=7)
    assert drawn == pytest.approx(drawn.sum() / 7, abs=6 * (drawn.sum() / 7) ** 0.5)


def test_model_goes_to_its_pools_or_the_fallback() -> None:
    """A mapped model to the fit among its pools, one by name, one to the fallback or away."""
    requests = replace(traffic(), model=np.arange(N) % 3, model_names=("chat", "middle", "other"))
    rng = np.random.default_rng()
    total = known(requests)
    router = ByModel({"chat": ("short", "long")}, fallback="long")
    sent = router.route(requests, total, POOLS, rng).pool
    chat = requests.model == 0
    assert (sent[chat] == np.where(total > 8000, -1, np.where(total <= 1000, 1, 0))[chat]).all()
    middle = requests.model == 1
    assert (sent[middle] == np.where(total <= 2000, 2, -1)[middle]).all()
    assert set(sent[requests.model == 2]) <= {0, -1}
    away = ByModel({"chat": ("short",)}).route(requests, total, POOLS, rng).pool
    assert (away[requests.model == 2] == -1).all()
    with pytest.raises(InputError, match=r"no pool is called 'tall'.*short"):
        ByModel({"chat": ("tall",)}, "short").route(requests, total, POOLS[1:2], rng)


def test_classifier_confuses_as_often_as_its_matrix_says() -> None:
    """Found classes by true class, within five standard errors; a function says it all."""
    requests = replace(traffic(), category=np.arange(N) % 2, category_names=("easy", "hard"))
    matrix = ((0.9, 0.1), (0.2, 0.8))
    router = Semantic(("short", "long"), matrix, latency_s=0.01)
    rng = np.random.default_rng()
    routing = router.route(requests, known(requests), POOLS, rng)
    for code, (easy, _) in enumerate(matrix):
        share = float(np.mean(routing.pool[requests.category == code] == 1))
        assert share == pytest.approx(easy, abs=5 * (easy * (1 - easy) / (N / 2)) ** 0.5)
    assert routing.delay_s is not None
    assert (routing.delay_s == 0.01).all()
    by_prompt = Semantic(
        ("short", "long"), classifier=lambda t, _: (t.prompt_tokens > 500).astype(np.int64)
    )
    sent = by_prompt.route(requests, known(requests), POOLS, rng).pool
    assert (sent == np.where(requests.prompt_tokens > 500, 0, 1)).all()


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        (((0.9, 0.2), (0.2, 0.8)), "row 1: shares that sum to 1"),
        (((0.9, 0.1), (1.2, -0.2)), "row 2: shares that sum to 1"),
        (((1.0, 0.0),), "a row for each of 2 categories"),
        (((1.0,), (1.0,)), "row 1: 2 shares"),
    ],
)
def test_a_wrong_matrix_is_refused(matrix: tuple[tuple[float, ...], ...], said: str) -> None:
    """Its place and what was expected."""
    requests = replace(traffic(), category=np.arange(N) % 2, category_names=("easy", "hard"))
    with pytest.raises(InputError, match=said):
        Semantic(("short", "long"), matrix).route(
            requests, known(requests), POOLS, np.random.default_rng()
        )


def test_spillover_needs_pressure() -> None:
    """At leisure all go by length; in a rush short ones overflow, and wait less for it."""
    pools = (pool("short", 1000, 1), pool("long", 8000, 6))
    window, rng = Window(0.0, 1e5, 1e6), np.random.default_rng()
    waits = {}
    for gap_s, overflows in ((5.0, False), (0.065, True)):
        requests = traffic(1, gap_s)
        by_length, spilled = (
            simulate_fleet(Fleet(pools, router), requests, window, rng)
            for router in (ByLength(), Spillover())
        )
        moved = by_length.column("pool") != spilled.column("pool")
        assert moved.any() == overflows
        assert (spilled.column("pool")[moved] == 1).all()
        waits[gap_s] = [np.nanmean(latencies_s(out)["wait"]) for out in (by_length, spilled)]
    assert waits[0.065][1] < waits[0.065][0]


def test_prefix_router_finds_more_and_prefills_less() -> None:
    """Sessions with shared prefixes: hits are whole blocks, and TTFT falls with them."""
    rng = np.random.default_rng(3)
    prompts = rng.integers(600, 900, N)
    requests = Traffic(
        np.cumsum(rng.exponential(0.4, N)),
        prompts,
        rng.integers(20, 60, N),
        prefix=rng.integers(0, 200, N),
        prefix_tokens=np.full(N, 560),
    )
    pools = (replace(pool("all", 1000, 6), prefix_cache_tokens=40_000),)
    window = Window(0.0, 1e5, 1e6)
    by_length, by_prefix = (
        simulate_fleet(Fleet(pools, router), requests, window, rng)
        for router in (ByLength(), PrefixAware())
    )
    hits = by_prefix.column("hit_tokens")
    assert set(hits) == {0, 560}
    assert hits.sum() > 2 * by_length.column("hit_tokens").sum()
    assert np.mean(latencies_s(by_prefix)["ttft"]) < np.mean(latencies_s(by_length)["ttft"])


def test_what_a_router_may_know() -> None:
    """An estimate has the right mean and turns nobody away; wrong words are refused."""
    requests = traffic()
    rng = np.random.default_rng()
    assert (LengthKnowledge.parse("oracle").tokens(requests, 8000, rng) == known(requests)).all()
    prompt = LengthKnowledge.parse("prompt").tokens(requests, 8000, rng)
    assert (prompt == requests.prompt_tokens + 1).all()
    guess = LengthKnowledge.parse("estimate:0.4").tokens(requests, 10**9, rng)
    ratio = (guess - requests.prompt_tokens) / requests.output_tokens
    large = requests.output_tokens > 200
    assert ratio[large].mean() == pytest.approx(1.0, abs=0.02 + 5 * 0.42 / large.sum() ** 0.5)
    capped = LengthKnowledge.parse("estimate:3").tokens(requests, 8000, rng)
    assert (capped <= np.maximum(8000, requests.prompt_tokens + 1)).all()
    for text in ("guess", "estimate:", "estimate:-1", "oracle:2"):
        with pytest.raises(InputError, match="oracle, prompt or estimate:SIGMA"):
            LengthKnowledge.parse(text)
