"""What differs in the answers about counts, splits and latencies, each measured here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fleetopt.catalog import read_profiles
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.plan import Interval
from fleetopt.questions.reproduce.bench import Bench, Layout
from fleetopt.questions.reproduce.finding import Finding
from fleetopt.questions.reproduce.published import published_scenarios
from fleetopt.questions.two_pools import PoolSize
from fleetopt.simulation.published_dispatch import DispatchPool, dispatched

CALIBRATION_SAMPLES = 3000
"""Lengths from which the published tool estimates service times."""
_SAMPLES = 50
_SEEDS = 100


def sampled_lengths(bench: Bench) -> Finding:
    """Service times from 3,000 sampled lengths, against exact sums."""
    layout = Layout("agent_heavy", 200.0, 500.0, 65536, "a100", "a100", 65536)
    sizes = bench.sizes(layout, "published")
    lengths = sizes.case.lengths
    profile = CalibratedProfile(read_profiles()["a100"])
    time, slots = profile.iteration, profile.reserved(65536).slots
    work = -(-lengths.prompt_tokens // time.chunk_tokens) + lengths.output_tokens
    hold_s = work * (time.base_s + time.per_context_token_s * slots * lengths.total_tokens)
    exact = lengths.mean(hold_s)
    means = [
        float(hold_s[lengths.sample(np.random.default_rng(seed), CALIBRATION_SAMPLES)].mean())
        for seed in range(_SAMPLES)
    ]
    off = 100.0 * (np.array(means) / exact - 1.0)
    count = bench.split(layout, "published").gpus
    published = published_scenarios()["puzzle_1_agent"].stated["one_pool_gpus"]
    return Finding(
        "sampled lengths",
        f"one pool of agents at 200 requests per second needs {published} A100",
        {
            "exact GPUs": float(count),
            "standard error of the sampled service time, %": float(off.std(ddof=1)),
            "least of the samples, %": float(off.min()),
            "most of the samples, %": float(off.max()),
        },
        f"exact sums give {count}: {100 * (1 - published / count):.1f} % more than the figure, "
        f"which rests on {CALIBRATION_SAMPLES} sampled lengths; of {_SAMPLES} such samples one is "
        f"off by {max(-off.min(), off.max()):.0f} %",
    )


def one_seed(bench: Bench) -> Finding:
    """The agent fleet of 24 H100, one seed after the other."""
    layout = Layout("agent_heavy", 20.0, 1000.0, 65536, "h100", "h100", 65536)
    pool = _only(bench, layout)
    runs = np.array(bench.slots_runs(layout, pool, 24, _SEEDS))
    beyond = 100.0 * float(np.mean(runs > layout.slo_ms))
    said = bench.simulated(layout, pool, 24)
    return Finding(
        "one seed",
        "24 H100 for agents fail their SLO: P99 TTFT 1,052 ms",
        {
            "median P99 of the published verification, ms": float(np.median(runs)),
            "seeds beyond 1,000 ms, %": beyond,
            "P99 TTFT, ms": said.p99_ttft_ms,
            "within 1,000 ms, share": said.slo_attainment,
        },
        f"of {_SEEDS} seeds of the published verification {beyond:.0f} % exceed the SLO, and "
        f"half stay below {np.median(runs):,.0f} ms; fleetopt's simulator: {said.verdict}",
    )


def missed_split(bench: Bench) -> Finding:
    """The published optimum of LMSYS in the simulator."""
    layout = Layout("lmsys", 100.0, 500.0, 65536, "a100", "a100", 4096)
    above = _upper(bench, layout)
    said = bench.simulated(layout, above, 5)
    return Finding(
        "missed split",
        "LMSYS is best split at 4,096 tokens: 3 + 5 A100, P99 TTFT 108 ms in the long pool",
        {
            "P99 TTFT of the long pool, ms": said.p99_ttft_ms,
            "within 500 ms, share": said.slo_attainment,
            "utilization": said.utilization,
        },
        f"its long pool misses: {100 * (said.slo_attainment.estimate or 0):.1f} % of its requests "
        f"are within 500 ms, at {100 * said.utilization:.0f} % utilization",
    )


def compressed_work(bench: Bench) -> Finding:
    """Short pools with the work of what is compressed into them."""
    measured: dict[str, float | Interval | str] = {}
    for gpu, gamma in (("a10g", 1.1), ("a100", 1.1), ("a10g", 1.5), ("a100", 1.5)):
        layout = Layout("azure", 100.0, 500.0, 8192, gpu, gpu, 4096, gamma)
        pool = bench.split(layout, "published").short
        assert pool is not None
        said = bench.simulated(layout, pool, pool.replicas)
        counted = bench.sizes(layout, "published").table(pool.what, pool.gpu)
        name = f"{pool.replicas} {gpu} at gamma {gamma:g}"
        measured[f"{name}, utilization as published"] = counted.row(pool.replicas).utilization
        measured[f"{name}, simulated"] = said.utilization
        measured[f"{name}, verdict"] = said.verdict
    return Finding(
        "compressed work",
        "compression at gamma 1.1 saves a GPU, and more at larger factors",
        measured,
        "the short pool is sized without the requests that are compressed into it; at 1.1 it "
        "loses its margin, at 1.5 it is overloaded",
    )


def slots_freed_early(bench: Bench) -> Finding:
    """The published dispatch simulator with a pool that cannot carry its requests."""
    stated = published_scenarios()["puzzle_5"].stated
    layout = Layout("agent_heavy", stated["lam"], stated["slo_ms"], stated["max_ctx"],
                    "h100", "h100", stated["max_ctx"])  # fmt: skip
    pool = _only(bench, layout)
    profile = CalibratedProfile(pool.gpu)
    few = max(1, int(pool.utilization * pool.replicas / 1.5))
    requests = bench.drawn(layout, pool, stated["requests"], 0)
    slots = profile.reserved(stated["max_ctx"]).slots
    at = {}
    for count in (few, 24):
        ttft_s, sent = dispatched(
            requests, [DispatchPool(profile.iteration, slots, count)], lambda _: 0
        )
        at[count] = 1000.0 * float(np.quantile(ttft_s, 0.99)), float(np.mean(sent == 0))
    said = bench.simulated(layout, pool, few)
    rho = bench.tabulated(layout, pool, few).utilization
    return Finding(
        "slots freed early",
        "the dispatch simulator measures P99 TTFT",
        {
            f"utilization of {few} H100": rho,
            f"P99 of {few} H100 by the published simulator, ms": at[few][0],
            f"verdict of fleetopt's simulator on {few} H100": said.verdict,
            "share of requests that it sends to the first of 24 replicas": at[24][1],
        },
        f"at {100 * rho:.0f} % utilization it still reports {at[few][0]:,.0f} ms, because a slot "
        f"is free after 1 / {slots} of its time; and as it sees only waiting lines, the first of "
        f"24 replicas gets {100 * at[24][1]:.0f} % of the requests",
    )


def two_gpu_minimum(bench: Bench) -> Finding:
    """The growth factor from 25 to 400 requests per second."""
    rows = published_scenarios()["puzzle_4"].rows
    first, last = rows[0], rows[-1]
    layout = Layout("azure", 25.0, 500.0, 8192, "h100", "h100", 4096)
    low = bench.split(layout, "fleetopt").gpus
    high = bench.split(replace(layout, lam=400.0), "fleetopt").gpus
    factor = last["gpus"] / first["gpus"]
    return Finding(
        "two-GPU minimum",
        f"16 times the traffic needs {factor:g} times the GPUs",
        {"GPUs at 25 requests per second": float(low), "GPUs at 400": float(high)},
        f"the published search starts at two GPUs a pool; without that floor it is {low} and "
        f"{high} GPUs, {high / low:g} times as many",
    )


def share_below(bench: Bench) -> Finding:
    """How many azure requests a split at 4,096 tokens keeps short."""
    layout = Layout("azure", 100.0, 500.0, 8192, "a100", "a100", 4096)
    share = bench.sizes(layout, "fleetopt").share(0, 4096)
    return Finding(
        "share below 4,096",
        "72 % of the azure requests have at most 4,096 tokens",
        {"share": share},
        f"the published distribution itself has {100 * share:.1f} %",
    )


def _only(bench: Bench, layout: Layout) -> PoolSize:
    pool = bench.split(layout, "published").short
    assert pool is not None
    return pool


def _upper(bench: Bench, layout: Layout) -> PoolSize:
    pool = bench.split(layout, "published").long
    assert pool is not None
    return pool
