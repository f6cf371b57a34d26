"""The trace that a fleet is designed for."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from fleetopt.problem.faults import Stated

TraceFormat = Literal["azure", "csv", "jsonl", "vllm", "guidellm"]

_PEAK = re.compile(r"peak:(\d+(?:\.\d+)?)([smh])")
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


class TraceSource(Stated):
    """Recorded traffic to design for, instead of a distribution and a rate."""

    path: str = Field(min_length=1)
    """The file."""
    rate: str = "mean"
    """Rate to design for: 'mean', or 'peak:5m' for the largest over any five minutes."""
    format: TraceFormat | None = None
    """What kind of file it is; told from its content if absent."""
    columns: dict[str, str] = Field(default_factory=dict)
    """The file's names for time, prompt, output, model, category, session and prefix."""
    skip_bad_lines: bool = False
    """Whether bad lines are left out and counted, instead of being an error."""
    sha256: str = ""
    """SHA-256 of the content that the problem's lengths and rate come from; filled in."""

    @field_validator("rate")
    @classmethod
    def _mean_or_peak(cls, stated: str) -> str:
        window = _PEAK.fullmatch(stated)
        if stated != "mean" and not (window and float(window[1]) > 0):
            raise ValueError(f"expected mean, or peak with a time such as peak:5m, got {stated!r}")
        return stated

    @property
    def peak_window_s(self) -> float | None:
        """Window over which the largest rate is taken, in seconds; None for the mean."""
        window = _PEAK.fullmatch(self.rate)
        return float(window[1]) * _UNIT_S[window[2]] if window else None

    @property
    def rate_in_words(self) -> str:
        """Which rate it is, such as 'the largest rate over 5m'."""
        return "the mean rate" if self.rate == "mean" else f"the largest rate over {self.rate[5:]}"
