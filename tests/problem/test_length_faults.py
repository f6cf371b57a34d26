"""Faults of length distributions, in files and inside a problem."""

import math

import pytest

from fleetopt.errors import InputError
from fleetopt.problem import FleetProblem, LengthCdf, validate

GOOD = [[512, 0.5], [1024, 1.0]]


def faults_of(kind, data):
    with pytest.raises(InputError) as caught:
        validate(kind, data, "my.json")
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        # tokens descend
        (
            [[1024, 0.5], [512, 1.0]],
            ["my.json, cdf[1] tokens: 512 follows 1024; tokens must ascend"],
        ),
        # a point is stated twice
        (
            [[512, 0.5], [512, 1.0]],
            ["my.json, cdf[1] tokens: 512 appears twice; each point once"],
        ),
        # fractions decrease
        (
            [[1, 0.5], [2, 0.4], [3, 1.0]],
            ["my.json, cdf[1] fraction: 0.4 follows 0.5; fractions must not decrease"],
        ),
        # the last fraction is not 1
        (
            [[1, 0.5], [2, 0.9]],
            ["my.json, cdf[1] fraction: the last fraction must be 1, got 0.9 at 2"],
        ),
        # undefined and infinite numbers
        (
            [[1, math.nan], [2, 1.0]],
            ["my.json, cdf[0] fraction: expected a number in [0, 1], got nan"],
        ),
        (
            [[math.inf, 1.0]],
            ["my.json, cdf[0] tokens: expected a whole number in (0, 4194304], got inf"],
        ),
        # negative and fractional token counts, fractions above 1
        (
            [[-5, 1.0]],
            ["my.json, cdf[0] tokens: expected a whole number in (0, 4194304], got -5"],
        ),
        (
            [[1.5, 1.0]],
            ["my.json, cdf[0] tokens: expected a whole number in (0, 4194304], got 1.5"],
        ),
        ([[5, 1.2]], ["my.json, cdf[0] fraction: expected a number in [0, 1], got 1.2"]),
        # texts and flags are no numbers
        (
            [["5", 1.0]],
            ["my.json, cdf[0] tokens: expected a whole number in (0, 4194304], got '5'"],
        ),
        ([[5, True]], ["my.json, cdf[0] fraction: expected a number in [0, 1], got True"]),
        # not pairs, nothing at all
        ([[5]], ["my.json, cdf[0]: expected a pair [tokens, fraction], got [5]"]),
        ([], ["my.json, cdf: expected a non-empty list of [tokens, fraction] pairs"]),
    ],
)
def test_each_fault_of_points_names_its_place(points, expected):
    """The message holds the file, the point and what was expected; the same without a key."""
    assert faults_of(LengthCdf, {"cdf": points}) == expected
    assert faults_of(LengthCdf, points) == expected


def test_all_faults_of_points_come_at_once():
    """A malformed point hides no fault of order around it."""
    points = [[10, 0.1], [5], [8, 0.05], [9, "x"], [9, 0.9]]
    places = [fault.split(":")[0] for fault in faults_of(LengthCdf, points)]
    assert sorted(places) == [
        "my.json, cdf[1]",
        "my.json, cdf[2] fraction",
        "my.json, cdf[2] tokens",
        "my.json, cdf[3] fraction",
        "my.json, cdf[4] fraction",
    ]


def test_faults_of_keys_and_points_come_together():
    """An unknown key, a wrong share and a wrong point are three faults."""
    faults = faults_of(LengthCdf, {"cdf": [[5, 0.5]], "prompt_fraction": 1.0, "nam": "x"})
    assert len(faults) == 3
    assert "my.json, nam: unknown key 'nam' (did you mean 'name'?)" in faults
    assert "my.json, prompt_fraction: must be less than 1, got 1.0" in faults


def test_huge_integers_are_a_fault_and_not_an_overflow():
    assert "cdf[0] tokens" in faults_of(LengthCdf, [[10**400, 1.0]])[0]


@pytest.mark.parametrize("data", ["text", 5, None])
def test_what_is_no_distribution_at_all(data):
    assert "expected a list of [tokens, fraction] pairs" in faults_of(LengthCdf, data)[0]


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        # a bare list under the problem's key
        ([[512, 0.5], [512, 1]], ["my.json, cdf[1] tokens: 512 appears twice; each point once"]),
        ([], ["my.json, cdf: expected a non-empty list of [tokens, fraction] pairs"]),
        # a table under the problem's key, with two faults
        (
            {"cdf": [[5, 0.5], [1, 1]], "nam": "x"},
            [
                "my.json, cdf.cdf[1] tokens: 1 follows 5; tokens must ascend",
                "my.json, cdf.nam: unknown key 'nam' (did you mean 'name'?)",
            ],
        ),
        # neither a name nor points
        (7, ["my.json, cdf: expected a file, a workload's name or points, got 7"]),
    ],
)
def test_inline_distributions_give_single_messages(stated, expected):
    """A problem's inline distribution is judged like a file, without doubled messages."""
    assert faults_of(FleetProblem, {"cdf": stated}) == expected


@pytest.mark.parametrize("stated", ["lmsys", GOOD, {"cdf": GOOD, "name": "mine"}])
def test_accepted_forms_survive_a_round_trip(stated):
    """A problem read from its own plain form is the same problem."""
    problem = validate(FleetProblem, {"cdf": stated}, "my.json")
    again = validate(FleetProblem, problem.model_dump(mode="json", exclude_none=True), "again")
    assert again == problem
