"""Numbers, money and intervals in words; a no-break space keeps each of them whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleetopt.plan import Fleet, Interval, Pool

NO_BREAK = "\u00a0"
NOTHING = "-"

_UNITS = ((1e9, "B$"), (1e6, "M$"), (1e3, "K$"))


def money(usd: float) -> str:
    """An amount such as '842 $', '140.9 K$' or '1.23 M$'."""
    for unit, sign in _UNITS:
        if abs(usd) >= unit * 0.99995:
            decimals = 1 if sign == "K$" else 2
            return f"{usd / unit:,.{decimals}f}{NO_BREAK}{sign}"
    return f"{usd:,.0f}{NO_BREAK}$"


def milliseconds(value: float | None) -> str:
    """A latency in ms: three digits below 100, whole above."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"


def share(value: float | None, decimals: int = 1) -> str:
    """A share as a percentage."""
    return NOTHING if value is None else f"{100 * value:.{decimals}f}{NO_BREAK}%"


def interval(value: Interval) -> str:
    """An estimate with its 95 % interval, such as '381 [371, 392]'."""
    if value.estimate is None:
        return NOTHING
    return f"{milliseconds(value.estimate)}{NO_BREAK}{bounds(value)}".rstrip()


def bounds(value: Interval) -> str:
    """The interval alone; empty if there is none."""
    if value.low is None or value.high is None:
        return ""
    return f"[{milliseconds(value.low)},{NO_BREAK}{milliseconds(value.high)}]"


def lengths(lo_tokens: int, hi_tokens: int) -> str:
    """The total lengths that a pool serves, both ends of (lo, hi]."""
    return f"{lo_tokens:,}–{hi_tokens:,}"


def replicas(pool: Pool) -> str:
    """Replicas that must be up, and the spare ones if there are any, such as '3 + 1'."""
    spare = f"{NO_BREAK}+{NO_BREAK}{pool.spare_replicas:,}" if pool.spare_replicas else ""
    return f"{pool.replicas:,}{spare}"


def machines(pool: Pool) -> str:
    """Replicas of a pool and their GPUs, such as '3 h100', '3 + 1 h100' or '2 h100 × 8'."""
    return f"{replicas(pool)}{NO_BREAK}{gpus_of_replica(pool)}"


def gpus_of_replica(pool: Pool) -> str:
    """GPUs of one replica of a pool, such as 'h100' or 'h100 × 8'."""
    each = pool.gpus // pool.bought
    cap = "".join(pool.profile.rpartition("@")[1:]) if "@" in pool.profile else ""
    return f"{pool.gpu}{cap}" + (f"{NO_BREAK}×{NO_BREAK}{each}" if each > 1 else "")


def fleet(value: Fleet) -> str:
    """A fleet in a few words, such as '1 h100 to 4,096, 3 h100 above'.

    Phases that are apart stand together: '1 h100 prefill + 5 h100 decode to 4,096'.
    """
    pools = [pool for pool in value.pools if pool.phase != "decode"]
    partners = {first.name: second for first, second in value.pairs}
    if len(pools) == 1:
        return f"{_both(pools[0], partners)} for all lengths"
    words = [
        f"{_both(pool, partners)} to{NO_BREAK}{pool.hi_tokens:,}{_compression(pool)}"
        for pool in pools[:-1]
    ]
    return ", ".join([*words, f"{_both(pools[-1], partners)} above"])


def _both(pool: Pool, partners: Mapping[str, Pool]) -> str:
    """Machines of a pool, and of the one that decodes what it prefills."""
    if pool.phase is None:
        return machines(pool)
    decode = machines(partners[pool.name])
    return f"{machines(pool)}{NO_BREAK}prefill + {decode}{NO_BREAK}decode"


def _compression(pool: Pool) -> str:
    """Up to where longer requests are compressed into the pool; empty if none are."""
    if pool.compression <= 1.0:
        return ""
    return f" (compressing up to {pool.hi_tokens * pool.compression:,.0f})"


def counted(number: int, word: str) -> str:
    """A count with its word, such as '1 pool' or '2 pools'."""
    return f"{number:,}{NO_BREAK}{word}{'' if number == 1 else 's'}"


def attainment(value: Interval) -> str:
    """An SLO attainment with its interval, such as '98.71 % [98.52, 98.88]'."""
    text = share(value.estimate, 2)
    if value.low is None or value.high is None:
        return text
    return f"{text}{NO_BREAK}[{100 * value.low:.2f},{NO_BREAK}{100 * value.high:.2f}]"


def rate(value: float | None) -> str:
    """Requests per second with four digits."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
