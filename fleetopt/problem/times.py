"""Times with a unit, as users write them: '30s', '4h'."""

from __future__ import annotations

import re

_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
HOURS_PER_YEAR = 8760.0
UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def seconds_of(text: str) -> float:
    """Seconds of a time such as '30s', '5m', '4h' or '1d'. Raises ValueError."""
    time = _TIME.fullmatch(text.strip())
    if time is None:
        raise ValueError(f"expected a time such as 30s or 4h, got {text!r:.60}")
    return float(time[1]) * UNIT_S[time[2]]
