"""What differs in the answers about phases, power and energy, each measured here."""

from __future__ import annotations

from fleetopt.catalog import read_profiles
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.questions.energy.grid import cap_at
from fleetopt.questions.energy.pools import power_of
from fleetopt.questions.energy.tokens_per_watt import tokens_per_watt
from fleetopt.questions.reproduce.bench import Bench
from fleetopt.questions.reproduce.energy import stated_problem
from fleetopt.questions.reproduce.finding import Finding
from fleetopt.questions.reproduce.phases import pair_of
from fleetopt.questions.reproduce.published import published_scenarios


def prompt_left_out(_: Bench) -> Finding:
    """Decode replicas with and without the KV of the prompts."""
    scenario = published_scenarios()["puzzle_7"]
    found = pair_of(scenario.stated, "h100P+h100D")
    first, second = found.published, found.corrected
    return Finding(
        "prompt left out",
        "prefill on 1 H100 and decode on 3 serve 100 requests per second",
        {
            "requests per second of a decode H100, as published": first.decode_rate,
            "with the prompt's KV and exact lengths": second.decode_rate,
            "decode H100 as published": float(first.n_decode),
            "decode H100 needed": float(second.n_decode),
        },
        f"published decode counts the output alone as context; with the prompt's KV it takes "
        f"{second.n_decode} decode replicas",
    )


def clipped_lengths(_: Bench) -> Finding:
    """Whether A100 or H100 makes more tokens of a joule on LMSYS."""
    scenario = published_scenarios()["puzzle_9_lmsys"]
    names = [row["gpu"] for row in scenario.rows]
    counts = [row["gpus"] for row in scenario.rows]
    cut = stated_problem(scenario.stated, names, max_context=8192, method="published")
    as_published, exact = tokens_per_watt(cut, gpus=counts), tokens_per_watt(cut)
    whole = tokens_per_watt(stated_problem(scenario.stated, names))
    measured: dict[str, float] = {}
    for name, found in (
        ("cut at 8,192, published counts", as_published),
        ("cut at 8,192, exact counts", exact),
        ("whole lengths, fleetopt's table", whole),
    ):
        for one in found.gpus:
            count = one.fleet.gpus
            measured[f"{name}: {count} {one.gpu}, tokens per joule"] = one.fleet.tokens_per_watt
    h100, a100 = (one.fleet.tokens_per_watt for one in whole.gpus)
    return Finding(
        "clipped lengths",
        "on LMSYS the A100 makes more tokens of a joule than the H100",
        measured,
        f"requests are cut at 8,192 tokens there, and one A100 fewer is counted than exact sums "
        f"give; with whole lengths it is {h100:.2f} for H100 and {a100:.2f} for A100",
    )


def exact_caps(_: Bench) -> Finding:
    """Batch caps of an H100 at 25 and 40 % of its nominal power less."""
    power = power_of(CalibratedProfile(read_profiles()["h100"]))
    rows = {row["flex_pct"]: row["n_max"] for row in published_scenarios()["puzzle_8"].rows}
    caps = {depth: cap_at(power, float(depth), 128) for depth in (25, 40)}
    measured: dict[str, float] = {}
    for depth, cap in caps.items():
        measured[f"{depth} %, target, W"] = power.nominal_w * (1 - depth / 100)
        measured[f"{depth} %, W with {cap} sequences"] = power.watts(cap)
        measured[f"{depth} %, W with {cap + 1} sequences"] = power.watts(cap + 1)
    return Finding(
        "exact caps",
        f"25 and 40 % less power mean batches of {rows[25]} and {rows[40]}",
        measured,
        f"the largest batches within the targets are {caps[25]} and {caps[40]}",
    )


def half_the_batch(_: Bench) -> Finding:
    """What a smaller batch saves of an H100's power."""
    power = power_of(CalibratedProfile(read_profiles()["h100"]))
    watts = {n: power.watts(n) for n in (64, 32)}
    return Finding(
        "half the batch",
        "a batch of 32 in place of 64 saves 13 W of an H100",
        {f"W at {n}": value for n, value in watts.items()},
        f"its own power curve gives {watts[64] - watts[32]:.0f} W",
    )
