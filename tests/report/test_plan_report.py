"""The readable form of a plan."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from fleetopt.plan import Interval, Plan
from fleetopt.report.console import render
from fleetopt.report.plan_report import plan_report

STORED = Path(__file__).parents[1] / "data" / "plan.json"
UNKNOWN = Interval(None, None, None)


@pytest.fixture
def plan():
    """A verified plan with two pools, one of them decided by simulation."""
    return Plan.from_dict(json.loads(STORED.read_text()))


def text_of(plan, width=100, **options):
    return render(plan_report(plan, width), width, **options)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_line_is_too_wide_and_no_number_is_cut(plan, width):
    text = text_of(plan, width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    for whole in ("140.9 K$", "[371, 392]", "[34.8, 35.5]", "35.2 K$", "62.4 %", "128.3 K$",
                  "4,310 [3,470, 5,151]", "4,812,331 requests"):  # fmt: skip
        assert whole in text


@pytest.mark.parametrize("width", [80, 100, 140])
def test_lines_never_break_inside_a_number(plan, width):
    """Sweep the position of a number over the end of the line."""
    for padding in range(width):
        noted = replace(plan, notes=("x" * padding + " it saves 12.5\u00a0K$ [10.1,\u00a014.9]",))
        text = text_of(noted, width)
        assert "12.5 K$" in text
        assert "[10.1, 14.9]" in text


def test_the_answer_comes_first_and_the_reasons_follow(plan):
    text = text_of(plan)
    order = ["pool", "Answer", "Refused by simulation", "Compared with", "What binds",
             "Next best fleets", "Notes"]  # fmt: skip
    places = [re.search(rf"^{heading}\b", text, re.MULTILINE).start() for heading in order]
    assert places == sorted(places)


def test_cost_bound_and_what_verification_adds(plan):
    text = " ".join(text_of(plan).split())
    assert "Cost: 140.9 K$ a year; bound 128.3 K$, the first optimum" in text
    assert "The verified plan costs 12.5 K$ a year more (9.8 %)" in text
    unrefused = replace(plan, status=replace(plan.status, refused_rows=()))
    assert "verified plan costs" not in text_of(unrefused)
    assert "Refused by simulation" not in text_of(unrefused)


def test_each_pool_states_what_binds_and_how_it_was_predicted(plan):
    text = " ".join(text_of(plan).split())
    assert "short: utilization cap 0.85" in text
    assert "long: prefill of prompts up to 52,428 tokens; P99 TTFT 378 of 500 ms" in text
    assert "predicted by the two-class chain" in text
    assert "the table alone refuses this row, simulation decided" in text


def test_the_next_cheaper_fleet_says_why_not(plan):
    text = " ".join(text_of(plan).split())
    assert "Next cheaper: 3 a10g to 3,072, 3 h100 above at 128.3 K$ a year." in text
    assert "Simulation refuses 3 h100 above 3,072" in text


def test_an_unstable_pool_has_a_backlog_and_no_percentile(plan):
    bad = replace(plan.verification.pools[1], verdict="unstable", backlog_per_s=3.214,
                  p99_ttft_ms=Interval(987654.0, 1.0, 2.0))  # fmt: skip
    verification = replace(
        plan.verification, verdict="unstable", pools=(plan.verification.pools[0], bad)
    )
    text = text_of(replace(plan, verification=verification))
    assert "long: unstable, its backlog grows by 3.21 requests per second." in text
    assert "987,654" not in text


def test_a_failed_pool_states_its_attainment(plan):
    bad = replace(plan.verification.pools[1], verdict="fail", reason="P99 TTFT is too long.",
                  slo_attainment=Interval(0.9713, 0.9689, 0.9737))  # fmt: skip
    verification = replace(
        plan.verification, verdict="fail", pools=(plan.verification.pools[0], bad)
    )
    text = text_of(replace(plan, verification=verification))
    assert "Verdict: fail" in text
    assert "long: fail, 97.13 % [96.89, 97.37] of the requests meet the SLO; P99 TTFT is" in text


def test_a_plan_without_verification_says_so(plan):
    text = text_of(replace(plan, verification=None))
    assert "not verified; the table alone vouches for this plan" in text
    assert "381 [371, 392]" not in text


def test_a_stopped_solver_states_its_gap_and_what_it_holds(plan):
    status = replace(plan.status, termination="time_limit", holding="feasible", gap=0.0312)
    assert "Solver: time limit, gap 3.12 %; a cheaper fleet may exist." in text_of(
        replace(plan, status=status)
    )


def test_the_price_of_each_pool_follows_the_problems_own_profile(plan):
    from fleetopt.catalog import read_profiles

    cheap = read_profiles()["h100"].model_copy(update={"usd_per_hour": 1.0})
    problem = plan.problem.model_copy(update={"profiles": (cheap,)})
    text = text_of(replace(plan, problem=problem))
    assert "8.8 K$" in text
    assert "26.3 K$" in text


def test_colour_only_where_it_is_asked_for(plan, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" not in text_of(plan)
    coloured = text_of(plan, colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).split() == text_of(plan).split()


def test_wide_numbers_make_the_table_wider_and_are_never_cut(plan):
    pool = replace(plan.fleet.pools[0], replicas=1_234_567, gpus=9_876_536, name="a-long-pool-name")
    fleet = replace(plan.fleet, pools=(pool, plan.fleet.pools[1]))
    text = text_of(replace(plan, fleet=fleet), width=60)
    assert "1,234,567 h100 × 8" in text
    assert "a-long-pool-name" in text
