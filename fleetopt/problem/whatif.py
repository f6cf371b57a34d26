"""What a user states of a growing arrival rate, or of GPUs to compare."""

from __future__ import annotations

import math
import re
from datetime import date
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from fleetopt.errors import Fault
from fleetopt.problem.faults import FaultsError, Stated, raise_repeated
from fleetopt.problem.fleet import Method
from fleetopt.problem.lengths import MAX_TOKENS, LengthCdf, name_or_lengths
from fleetopt.problem.profile import ProfileSpec

DAYS = {"day": 1.0, "week": 7.0, "month": 365.0 / 12.0, "quarter": 365.0 / 4.0, "year": 365.0}
"""Days of the periods of a growth; a year has 8760 hours."""
_GROWTH = re.compile(r"\s*([^%/\s]+)\s*(%?)\s*(?:/\s*([a-z]+))?\s*", flags=re.IGNORECASE)


class Growth(Stated):
    """How the arrival rate grows, compounded; as a text, '20%' a year or '5%/month'."""

    share: float = Field(gt=-1)
    """By which share of itself in a period; 0.05 is 5 %."""
    period: str = "year"
    """day, week, month, quarter or year."""

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, stated: Any) -> Any:
        if not isinstance(stated, str):
            return stated
        found = _GROWTH.fullmatch(stated)
        number = _number(found[1]) if found else None
        period = (found[3] or "year").lower() if found else ""
        if found is None or number is None or period not in DAYS:
            raise ValueError(
                f"expected a growth such as '20%' a year or '5%/month', got {stated!r}"
            )
        share = number / 100.0 if found[2] else number
        if share <= -1.0:
            raise ValueError(f"must be more than -100 %, got {stated!r}")
        return {"share": share, "period": period}

    @field_validator("period")
    @classmethod
    def _is_known(cls, period: str) -> str:
        if period not in DAYS:
            raise ValueError(f"expected one of {', '.join(DAYS)}, got {period!r}")
        return period

    def days_until(self, ratio: float) -> float | None:
        """Days until the arrival rate has grown to `ratio` times itself.

            t = ln(ratio) / ln(1 + g),  in periods

        0 if it has by now, None if it never does.
        """
        if ratio <= 1.0:
            return 0.0
        if self.share <= 0.0:
            return None
        return DAYS[self.period] * math.log(ratio) / math.log1p(self.share)

    def times(self, days: float) -> float:
        """What the arrival rate is multiplied by in so many days."""
        return float((1.0 + self.share) ** (days / DAYS[self.period]))

    @property
    def text(self) -> str:
        """As a user writes it, such as '5%/month'."""
        return f"{100.0 * self.share:g}%/{self.period}"


class WhatIf(Stated):
    """Two pools with given GPUs over a range of arrival rates, or several GPUs beside another."""

    cdf: str | LengthCdf
    """The length distribution, or its file or bundled name."""
    lam: float | None = Field(default=None, gt=0)
    """Requests per second now; growth starts there."""
    lam_range: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(50.0, 100.0, 200.0, 500.0, 1000.0), min_length=1
    )
    """Requests per second to size for; `lam` alone if only that is stated."""
    slo: float = Field(default=500.0, gt=0)
    """Bound on P99 TTFT, in ms."""
    b_short: int = Field(default=4096, gt=0, le=MAX_TOKENS)
    """Total lengths up to this go to the short pool."""
    long_max_ctx: int = Field(default=65536, gt=0, le=MAX_TOKENS)
    """Largest context, in tokens."""
    gpu_short: str = "a100"
    """Profile of the short pool."""
    gpu_long: str = "a100"
    """Profile of the long pool."""
    gpu_compare: tuple[str, ...] = ()
    """Profiles to compare."""
    growth: Growth | None = None
    """How the arrival rate grows."""
    start: date | None = None
    """Day from which it grows."""
    method: Method = "fleetopt"
    """How latencies are predicted."""
    profiles: tuple[ProfileSpec, ...] = ()
    """Profiles that are not bundled."""

    @field_validator("cdf", mode="before")
    @classmethod
    def _lengths_or_name(cls, stated: Any) -> Any:
        return name_or_lengths(stated)

    @field_validator("gpu_compare")
    @classmethod
    def _different(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        raise_repeated(names, [repr(name) for name in names])
        return names

    @field_validator("start", mode="before")
    @classmethod
    def _day(cls, stated: Any) -> Any:
        if not isinstance(stated, str):
            return stated
        try:
            return date.fromisoformat(stated)
        except ValueError:
            raise ValueError(f"expected a day such as 2026-01-01, got {stated!r}") from None

    @model_validator(mode="after")
    def _fits_together(self) -> WhatIf:
        faults = []
        if self.b_short > self.long_max_ctx:
            text = f"must be at most the largest context {self.long_max_ctx}, got {self.b_short}"
            faults.append(Fault("b_short", text))
        if self.start is not None and self.growth is None:
            faults.append(Fault("start", "says nothing without a growth", "state --growth"))
        if self.gpu_compare and self.growth is not None:
            text = "says nothing of a comparison of GPUs"
            faults.append(Fault("growth", text, "leave it or --gpu-compare out"))
        if faults:
            raise FaultsError(faults)
        return self

    @property
    def rates(self) -> tuple[float, ...]:
        """Requests per second to size for."""
        if self.lam is not None and "lam_range" not in self.model_fields_set:
            return (self.lam,)
        return self.lam_range

    @property
    def today(self) -> float:
        """Requests per second from which it grows."""
        return min(self.rates) if self.lam is None else self.lam


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
