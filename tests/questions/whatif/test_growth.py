"""Growth as a text, and the dates that it gives."""

from __future__ import annotations

import math
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetopt.errors import InputError
from fleetopt.problem import Growth, WhatIf, validate
from fleetopt.problem.whatif import DAYS
from fleetopt.questions.whatif import when_to_add


@given(
    st.floats(1e-4, 5.0), st.sampled_from(sorted(DAYS)), st.floats(1.0 + 1e-6, 1e6),
)  # fmt: skip
def test_growth_gets_there_on_its_day(share: float, period: str, ratio: float) -> None:
    growth = Growth(share=share, period=period)
    days = growth.days_until(ratio)
    assert days is not None
    assert growth.times(days) == pytest.approx(ratio, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "share", "period"),
    [
        ("20%", 0.2, "year"),
        ("0.2", 0.2, "year"),
        ("5%/month", 0.05, "month"),
        ("-3 % / quarter", -0.03, "quarter"),
        ("1e-1/WEEK", 0.1, "week"),
    ],
)
def test_growth_as_a_text(text: str, share: float, period: str) -> None:
    growth = validate(Growth, text, "")
    assert growth.share == pytest.approx(share)
    assert growth.period == period
    assert validate(Growth, growth.text, "") == growth


@pytest.mark.parametrize(
    "text", ["", "fast", "5%/decade", "nan%", "inf", "-100%", "-1", "5%%", "%"]
)
def test_wrong_growth(text: str) -> None:
    with pytest.raises(InputError):
        validate(WhatIf, {"cdf": "azure", "growth": text}, "")


@pytest.mark.parametrize("share", [0.0, -0.3])
def test_without_growth_no_day_comes(share: float) -> None:
    growth = Growth(share=share)
    assert growth.days_until(1.01) is None
    assert growth.days_until(1.0) == 0.0


def test_days_of_thresholds() -> None:
    """Doubling each year, the rate of a threshold comes after log2 of its ratio in years."""
    stated = WhatIf(
        cdf="azure", long_max_ctx=8192, gpu_short="h100", gpu_long="h100", lam_range=(50, 400),
        growth=Growth(share=1.0), start=date(2026, 1, 1),
    )  # fmt: skip
    growing = when_to_add(stated)
    for step in growing.steps:
        days = 365.0 * math.log2(step.until_lam / 50.0)
        day = growing.day_of(step.until_lam)
        assert day is not None
        assert (day - date(2026, 1, 1)).days == math.floor(days)
    assert growing.day_of(200.0) == date(2028, 1, 1)
    assert growing.day_of(40.0) == date(2026, 1, 1)


def test_days_beyond_the_calendar() -> None:
    stated = WhatIf(cdf="azure", lam=50.0, growth=Growth(share=1e-9), start=date(2026, 1, 1))
    growing = when_to_add(stated)
    assert growing.day_of(100.0) is None
    assert growing.days_until(100.0) is not None
