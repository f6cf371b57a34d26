"""Faults of a planning problem: wording, places, suggestions, all at once."""

import pytest

from fleetopt.errors import InputError
from fleetopt.problem import FleetProblem, ProfileSpec, validate


def faults_of(data, kind=FleetProblem):
    with pytest.raises(InputError) as caught:
        validate(kind, data, "p.toml")
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # unknown keys, at the top and inside
        ({"gpu": ["h100"]}, "p.toml, gpu: unknown key 'gpu' (did you mean 'gpus'?)"),
        (
            {"slo": [{"limit_ms": 5, "metrik": "ttft"}]},
            "p.toml, slo[0].metrik: unknown key 'metrik' (did you mean 'metric'?)",
        ),
        (
            {"solver": {"time_limit": 5}},
            "p.toml, solver.time_limit: unknown key 'time_limit' (did you mean 'time_limit_s'?)",
        ),
        # rates, bounds and percentiles outside their ranges
        ({"arrival_rate": 0}, "p.toml, arrival_rate: must be greater than 0, got 0"),
        ({"arrival_rate": float("nan")}, "p.toml, arrival_rate: expected a finite number, got nan"),
        ({"arrival_rate": "much"}, "p.toml, arrival_rate: expected a number, got 'much'"),
        ({"slo": [{"limit_ms": -1}]}, "p.toml, slo[0].limit_ms: must be greater than 0, got -1"),
        (
            {"slo": [{"limit_ms": 5, "percentile": 100}]},
            "p.toml, slo[0].percentile: must be less than 100, got 100",
        ),
        (
            {"slo": [{"limit_ms": 5, "percentile": 0}]},
            "p.toml, slo[0].percentile: must be greater than 0, got 0",
        ),
        # a flag is no number, a table is no number
        (
            {"arrival_rate": True},
            "p.toml, arrival_rate: true or false is no value for this key, got True",
        ),
        ({"solver": 3}, "p.toml, solver: expected a table of keys, got 3"),
        # lists: empty, not a list, repeated
        ({"gpus": []}, "p.toml, gpus: expected at least 1 entries, got []"),
        ({"gpus": "h100"}, "p.toml, gpus: expected a list, got 'h100'"),
        ({"gpus": ["h100", "a100", "h100"]}, "p.toml, gpus[2]: h100 is stated twice"),
        (
            {"slo": [{"limit_ms": 5}, {"limit_ms": 6}]},
            "p.toml, slo[1]: P99 TTFT is stated twice",
        ),
        # words with a near one
        (
            {"admission": "pagd"},
            "p.toml, admission: expected 'reserved' or 'paged', got 'pagd' (did you mean 'paged'?)",
        ),
        # thresholds: order, sign, and more than the pools allow
        ({"thresholds": [5, 3]}, "p.toml, thresholds[1]: must be greater than 5, got 3"),
        ({"thresholds": [0]}, "p.toml, thresholds[0]: must be greater than 0, got 0"),
        (
            {"thresholds": [5], "max_pools": 1},
            "p.toml, thresholds: these make 2 pools, more than max_pools = 1",
        ),
    ],
)
def test_one_fault_one_message(data, expected):
    """Each fault is one message with its place, and nothing else is reported."""
    assert faults_of(data) == [expected]


def test_all_faults_of_a_problem_come_at_once():
    """Faults of types, ranges, keys and across keys appear together."""
    places = {
        fault.split(":")[0]
        for fault in faults_of(
            {
                "lambda": 5,
                "arrival_rate": -1,
                "slo": [{"limit_ms": 1}, {"limit_ms": 2}],
                "thresholds": [9, 7],
                "cdf": [[5, 0.5]],
                "verification": {"top": 0},
            }
        )
    }
    assert places == {
        "p.toml, lambda",
        "p.toml, arrival_rate",
        "p.toml, slo[1]",
        "p.toml, thresholds[1]",
        "p.toml, cdf[0] fraction",
        "p.toml, verification.top",
    }


def test_missing_keys_of_a_profile_are_all_named():
    faults = faults_of({"name": "mine"}, ProfileSpec)
    assert "p.toml, base_s: this key is required" in faults
    assert all("required" in fault for fault in faults)
    assert len(faults) == 8


def test_profiles_of_the_same_name():
    spec = {
        "name": "mine",
        "gpu": "h100",
        "base_s": 0.01,
        "per_sequence_s": 0.001,
        "calibration_context_tokens": 8192,
        "chunk_tokens": 512,
        "kv_blocks": 1000,
        "calibration_slots": 16,
        "usd_per_hour": 1.0,
    }
    assert faults_of({"profiles": [spec, spec]}) == ["p.toml, profiles[1]: mine is stated twice"]
