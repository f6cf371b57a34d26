"""Questions made of plain records: the same answers as the checked ones, and nothing unsound."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticUndefined

from fleetopt.case import Case
from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.problem import FleetProblem, LatencyBound, LengthCdf, ProfileSpec
from fleetopt.problem.plain import PlainBound, PlainLengths, PlainProblem, PlainProfile
from fleetopt.questions.two_pools import TwoPools, optimize, thresholds
from fleetopt.questions.two_pools.plain import plainly_asked

STATED = {
    "cdf": "lmsys", "arrival_rate": 100, "slo.ttft": 500, "max_context": 65536,
    "gpu_short": "a100", "gpu_long": "a100",
}  # fmt: skip
GPUS = sorted(read_profiles())


def checked(values: dict[str, Any]) -> TwoPools:
    """The same question by the statements that pydantic checks."""
    known = read_profiles()
    return TwoPools(
        read_lengths(values["cdf"])[0],
        values["arrival_rate"],
        known[values["gpu_short"]],
        known[values["gpu_long"]],
        values["slo.ttft"],
        values["max_context"],
        values.get("availability", 1.0),
        values.get("method", "fleetopt"),
        values.get("compressible_share", 0.75),
    )


@st.composite
def statements(draw: st.DrawFn) -> dict[str, Any]:
    """Values in the ranges of a question, at a split within its lengths."""
    context = draw(st.integers(5000, 70_000))
    optional = {
        "compressible_share": draw(st.floats(0.01, 1.0)),
        "availability": draw(st.floats(0.5, 1.0)),
        "method": draw(st.sampled_from(["fleetopt", "published"])),
    }
    stated = draw(st.sets(st.sampled_from(sorted(optional))))
    return {
        "cdf": draw(st.sampled_from(["lmsys", "azure", "agent_heavy"])),
        "arrival_rate": draw(st.one_of(st.integers(1, 500), st.floats(0.5, 500.0))),
        "slo.ttft": draw(st.floats(50.0, 5000.0)),
        "max_context": context,
        "gpu_short": draw(st.sampled_from(GPUS)),
        "gpu_long": draw(st.sampled_from(GPUS)),
        "thresholds": [draw(st.integers(1, 4999))],
        **{key: optional[key] for key in stated},
    }


def assert_same(one: Case, other: Case) -> None:
    """Whether tables of two cases are made of the same figures."""
    for name in ("total_tokens", "prompt_tokens", "output_tokens", "weights"):
        np.testing.assert_array_equal(getattr(one.lengths, name), getattr(other.lengths, name))
    assert one.lengths.breakpoints == other.lengths.breakpoints
    assert (one.breakpoints, one.arrival_rate) == (other.breakpoints, other.arrival_rate)
    for mine, its in zip(one.profiles, other.profiles, strict=True):
        assert (mine.name, mine.iteration) == (its.name, its.iteration)
        for context in one.breakpoints[1:]:
            assert one.capacity(mine, context) == other.capacity(its, context)
    for name in ("method", "max_utilization", "compressible_share", "gammas"):
        assert getattr(one.problem, name) == getattr(other.problem, name)
    for mine, its in zip(one.problem.slo, other.problem.slo, strict=True):
        assert (mine.label, mine.limit_s, mine.allowed_miss) == (
            its.label, its.limit_s, its.allowed_miss
        )  # fmt: skip


@given(statements(), st.floats(1.0, 2.0))
def test_plain_cases_are_the_checked_ones(values: dict[str, Any], gamma: float) -> None:
    plain, other = plainly_asked(values), checked(values)
    assert plain is not None
    for name in ("lam", "t_slo_ms", "long_max_ctx", "availability", "method", "p_c"):
        assert getattr(plain, name) == getattr(other, name)
    (split,) = values["thresholds"]
    assert_same(plain.case(split, [gamma]), other.case(split, [gamma]))
    assert_same(plain.case_anywhere(gamma), other.case_anywhere(gamma))


def test_plain_answers_are_the_checked_ones() -> None:
    values = {**STATED, "gpu_long": "h100", "availability": 0.98}
    plain, other = plainly_asked(values), checked(values)
    assert plain is not None
    found = [thresholds(asked, 1.5) for asked in (plain, other)]
    one, two = ([_figures(row.split) for row in answer.rows] for answer in found)
    assert one == two
    swept = [optimize(asked, 4096, (1.0, 1.5), 0) for asked in (plain, other)]
    for method in ("own", "published"):
        one, two = (getattr(found, method).swept for found in swept)
        assert [_figures(split) for split in one] == [_figures(split) for split in two]


def _figures(split: Any) -> tuple[Any, ...]:
    return (split.b_short, split.gamma, split.n_short, split.n_long, split.usd_per_year,
            split.p99_short_ms, split.p99_long_ms, split.meets, split.why)  # fmt: skip


@pytest.mark.parametrize(
    ("record", "statement"),
    [
        (PlainBound, LatencyBound),
        (PlainLengths, LengthCdf),
        (PlainProfile, ProfileSpec),
        (PlainProblem, FleetProblem),
    ],
)
def test_records_have_the_names_and_defaults_of_their_statements(
    record: type, statement: Any
) -> None:
    for field in fields(record):
        stated = statement.model_fields[field.name].get_default(call_default_factory=True)
        if field.name != "slo":
            assert (field.default is MISSING) == (stated is PydanticUndefined)
            assert field.default is MISSING or field.default == stated
    if record is PlainProfile:
        assert {field.name for field in fields(record)} == set(ProfileSpec.model_fields)


@pytest.mark.parametrize(
    "change",
    [
        {"arrival_rate": 0},
        {"arrival_rate": True},
        {"arrival_rate": "many"},
        {"arrival_rate": float("nan")},
        {"slo.ttft": -1.0},
        {"max_context": 65536.0},
        {"max_context": 0},
        {"gpu_long": "a1000"},
        {"gpu_short": "mi300x-nowhere"},
        {"compressible_share": 1.5},
        {"availability": 0},
        {"method": "guess"},
        {"thresholds": [4096, 8192]},
        {"thresholds": [4096.5]},
        {"thresholds": ["4k"]},
        {"thresholds": [65536]},
        {"gammas": 0.5},
        {"verification.seed": 3},
        {"cdf": "no such file"},
    ],
)
def test_what_is_not_plainly_sound_is_left_to_the_checked_statement(
    change: dict[str, Any],
) -> None:
    assert plainly_asked(STATED) is not None
    assert plainly_asked(STATED | change) is None


@pytest.mark.parametrize(
    "content",
    [
        '{"cdf": [[512, 0.5], [256, 1.0]]}',
        '{"cdf": [[512, 0.5], [1024, 1.0]], "prompt_fraction": 1}',
        '{"cdf": [[512, 0.5], [1024, 1.0]], "joint": null}',
        '{"cdf": [[512, 0.5], [1024, 1.0]], "nome": "mine"}',
        '{"cdf": [[512, 0.5], [1024, true]]}',
        '{"name": "mine"}',
        '"lmsys"',
        "[[512",
    ],
)
def test_files_that_are_not_plainly_sound_are_left_to_the_reader(
    content: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.json").write_text(content)
    assert plainly_asked({**STATED, "cdf": str(tmp_path / "mine.json")}) is None


@pytest.mark.parametrize("bare", [True, False])
def test_files_of_points_are_read_as_the_reader_does(bare: bool, tmp_path: Path) -> None:
    points = [[512.0, 0.5], [1024, 0.75], [8192, 1]]
    data = points if bare else {"cdf": points, "prompt_fraction": 0.5, "source": "a test"}
    (tmp_path / "mine_cdf.json").write_text(json.dumps(data))
    values = {**STATED, "cdf": str(tmp_path / "mine_cdf.json")}
    plain, other = plainly_asked(values), checked(values)
    assert plain is not None
    for name in ("name", "title", "source", "prompt_fraction", "cdf", "joint", "max_tokens"):
        assert getattr(plain.cdf, name) == getattr(other.cdf, name)
    assert_same(plain.case(600), other.case(600))
