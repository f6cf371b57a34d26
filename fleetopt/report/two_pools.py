"""Splits between two pools in words and as plain data, for every question about them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fleetopt.questions.two_pools import Simulated, SimulatedSplit, Split, TwoPools
from fleetopt.report import wording

if TYPE_CHECKING:
    from fleetopt.problem import ProfileSpec

Found = Split | SimulatedSplit


def split_in_words(found: Found, asked: TwoPools, *, one_pool: bool = False) -> str:
    """Replicas and cost, such as '2 + 5 a100, 135.5 K$ a year'."""
    return f"{replicas_in_words(found, asked, one_pool=one_pool)}, {yearly(found.usd_per_year)}"


def replicas_in_words(found: Found, asked: TwoPools, *, one_pool: bool = False) -> str:
    """Replicas of both pools, such as '1 h100 and 3 a100'."""
    if one_pool or not (found.short and found.long):
        pool = found.short or found.long
        return "no fleet" if pool is None else _machines(pool.bought, pool.gpu)
    if asked.short.name == asked.long.name:
        return f"{found.n_short:,} + {_machines(found.n_long, asked.long)}"
    return f"{_machines(found.n_short, asked.short)} and {_machines(found.n_long, asked.long)}"


def p99_in_words(found: Found) -> str:
    """P99 TTFT of the pools that have requests, such as '101 and 493 ms'."""
    figures = [ms(pool.p99_ttft_ms) for pool in found.pools]
    return f"{' and '.join(figures)}{wording.NO_BREAK}ms"


def p99_cells(found: Found | None) -> tuple[str, str]:
    """P99 TTFT of both pools for a table, with intervals where it was simulated."""
    if found is None:
        return wording.NOTHING, wording.NOTHING
    return _cell(found.short), _cell(found.long)


def ms(value: float) -> str:
    """A P99 in ms; without one, the requests pile up."""
    return "unbounded" if math.isinf(value) else wording.milliseconds(value)


def yearly(usd: float) -> str:
    """An amount for a year."""
    return f"{wording.money(usd)} a year"


def percent(value: float) -> str:
    """A signed percentage, such as '+30.8 %'."""
    return wording.NOTHING if math.isinf(value) else f"{value:+.1f}{wording.NO_BREAK}%"


def mark(meets: bool) -> str:
    """Whether the SLO is kept."""
    return "kept" if meets else "missed"


def split_to_dict(found: Found) -> dict[str, Any]:
    """A split as plain data under the published names."""
    return {
        "b_short": found.b_short,
        "gamma": found.gamma,
        "n_short": found.n_short,
        "n_long": found.n_long,
        "gpus": found.gpus,
        "usd_per_year": found.usd_per_year,
        "p99_short_ms": found.p99_short_ms,
        "p99_long_ms": found.p99_long_ms,
        "worst_p99_ms": found.worst_p99_ms,
        "slo_met": found.meets,
        "why": found.why,
    }


def simulated_to_dict(seen: SimulatedSplit | None) -> dict[str, Any]:
    """What the simulator says of a split, under names that begin with `simulated`."""
    row: dict[str, Any] = {}
    for name in ("n_short", "n_long", "gpus", "usd_per_year"):
        row[f"simulated_{name}"] = getattr(seen, name) if seen and seen.pools else None
    for name, pool in (("short", seen and seen.short), ("long", seen and seen.long)):
        p99 = pool.said.p99_ttft_ms if pool else None
        for end in ("estimate", "low", "high"):
            key = f"simulated_p99_{name}_ms" + ("" if end == "estimate" else f"_{end}")
            row[key] = getattr(p99, end) if p99 else None
    row["verdict"] = seen.verdict if seen else None
    return row


def asked_to_dict(asked: TwoPools) -> dict[str, Any]:
    """The question as plain data."""
    return {
        "cdf": asked.cdf.name,
        "lam": asked.lam,
        "slo_ms": asked.t_slo_ms,
        "long_max_ctx": asked.long_max_ctx,
        "gpu_short": asked.short.name,
        "gpu_long": asked.long.name,
        "p_c": asked.p_c,
        "availability": asked.availability,
        "method": asked.method,
    }


def question(asked: TwoPools) -> str:
    """What was asked, on one line."""
    return (
        f"{asked.cdf.name}, {wording.rate(asked.lam)} req/s, P99 TTFT within "
        f"{asked.t_slo_ms:g} ms, contexts up to {asked.long_max_ctx:,} tokens"
    )


def _machines(count: int, gpu: ProfileSpec) -> str:
    return f"{count:,}{wording.NO_BREAK}{gpu.name}"


def _cell(pool: Any) -> str:
    if pool is None:
        return wording.NOTHING
    if isinstance(pool, Simulated) and pool.said.p99_ttft_ms.estimate is not None:
        return wording.interval(pool.said.p99_ttft_ms)
    return ms(pool.p99_ttft_ms)
