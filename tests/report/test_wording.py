"""Numbers in words."""

import math

import pytest

from fleetopt.plan import Fleet, Interval, Pool
from fleetopt.report import wording


def spaced(text):
    return text.replace(wording.NO_BREAK, " ")


@pytest.mark.parametrize(
    ("usd", "expected"),
    [
        (0, "0 $"), (842.4, "842 $"), (1000, "1.0 K$"), (140_860.8, "140.9 K$"),
        (999_949, "999.9 K$"), (999_960, "1.00 M$"), (1_234_567, "1.23 M$"),
        (2.5e9, "2.50 B$"), (-12_500, "-12.5 K$"), (3.2e12, "3,200.00 B$"),
    ],
)  # fmt: skip
def test_money(usd, expected):
    assert spaced(wording.money(usd)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (4.914, "4.91"), (9.996, "10.0"), (35.44, "35.4"), (99.96, "100"), (381.2, "381"),
        (4310.5, "4,310"), (None, "-"), (math.inf, "-"), (math.nan, "-"), (0.0, "0.00"),
    ],
)  # fmt: skip
def test_milliseconds(value, expected):
    assert wording.milliseconds(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Interval(381.2, 371.4, 392.0), "381 [371, 392]"),
        (Interval(381.2, None, None), "381"),
        (Interval(None, None, None), "-"),
    ],
)
def test_intervals(value, expected):
    assert spaced(wording.interval(value)) == expected


def test_attainment_without_an_interval():
    assert spaced(wording.attainment(Interval(0.5, None, None))) == "50.00 %"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(80.1234, "80.12"), (0.012345, "0.01235"), (12345.6, "12,346"), (math.inf, "-"), (None, "-")],
)
def test_rates(value, expected):
    assert wording.rate(value) == expected


def pool(lo, hi, replicas, gpus):
    return Pool("p", lo, hi, "h100", "h100", replicas, gpus, 1, "reserved", 1.0, 1.0)


def test_fleets_in_words():
    one = Fleet("length", (pool(0, 65536, 7, 7),))
    two = Fleet("length", (pool(0, 4096, 1, 8), pool(4096, 65536, 3, 3)))
    assert spaced(wording.fleet(one)) == "7 h100 for all lengths"
    assert spaced(wording.fleet(two)) == "1 h100 × 8 to 4,096, 3 h100 above"


def test_counts():
    assert spaced(wording.counted(1, "pool")) == "1 pool"
    assert spaced(wording.counted(4096, "pool")) == "4,096 pools"
