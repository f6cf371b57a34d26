"""How options and a problem file become one problem."""

import json

import click
import pytest

from fleetopt.cli.solve import command as solve
from fleetopt.cli.statement import given_options, overlaid, restate, state
from fleetopt.errors import InputError
from fleetopt.problem import FleetProblem, LatencyBound


def given(*arguments):
    """The problem options among the arguments of `solve`."""
    return given_options(solve.make_context("solve", list(arguments)))


def problem_of(*arguments, file=None):
    return state(file, given(*arguments)).problem


def test_without_options_the_defaults_are_the_problems_own():
    assert problem_of() == FleetProblem()


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        # numbers, words, lists
        (["--lam", "1e3"], {"arrival_rate": 1000.0}),
        (["--gpus", "h100, a100"], {"gpus": ("h100", "a100")}),
        (["--admission", "paged"], {"admission": "paged"}),
        (["--method", "published"], {"method": "published"}),
        (["--b-short", "4096"], {"thresholds": (4096,)}),
        (["--long-max-ctx", "8192", "--overlong", "clip"],
         {"max_context": 8192, "overlong": "clip"}),
        # side constraints; counts of types in one option or in several
        (["--inventory", "h100=8, a100=4"], {"inventory": {"h100": 8, "a100": 4}}),
        (["--inventory", "h100=8", "--inventory", "a100=4"],
         {"inventory": {"h100": 8, "a100": 4}}),
        (["--max-gpus", "9", "--power-kw", "2.5", "--budget", "2e5"],
         {"max_gpus": 9, "power_kw": 2.5, "budget_usd_per_year": 2e5}),
        (["--node-size", "8", "--min-replicas", "2"], {"node_size": 8, "min_replicas": 2}),
        # a share, written in both ways
        (["--headroom", "20%"], {"headroom": 0.2}),
        (["--headroom", "0.2"], {"headroom": 0.2}),
    ],
)  # fmt: skip
def test_options_override_keys(arguments, changes):
    assert problem_of(*arguments) == FleetProblem(**changes)


def test_options_of_nested_keys():
    problem = problem_of("--no-verify", "--seed", "7", "--replications", "4", "--requests", "500",
                         "--verify-top", "2", "--time-limit", "5", "--gap", "1%")  # fmt: skip
    assert problem.verification.model_dump() == {
        "enabled": False, "top": 2, "requests": 500, "replications": 4, "seed": 7,
    }  # fmt: skip
    assert problem.solver.time_limit_s == 5.0
    assert problem.solver.relative_gap == 0.01


@pytest.mark.parametrize(
    ("arguments", "bounds"),
    [
        # the default bound with another limit, another percentile
        (["--slo", "300"], [("ttft", 99.0, 300.0)]),
        (["--percentile", "95"], [("ttft", 95.0, 500.0)]),
        # further bounds beside it, all at one percentile
        (["--slo-tpot", "50"], [("ttft", 99.0, 500.0), ("tpot", 99.0, 50.0)]),
        (
            ["--slo-e2e", "9000", "--slo", "300", "--percentile", "90"],
            [("ttft", 90.0, 300.0), ("e2e", 90.0, 9000.0)],
        ),
    ],
)
def test_bounds(arguments, bounds):
    expected = tuple(LatencyBound(metric=m, percentile=p, limit_ms=t) for m, p, t in bounds)
    assert problem_of(*arguments).slo == expected


def test_options_override_a_file_and_keep_the_rest(tmp_path):
    """The bound on TTFT keeps the percentile of the file; other bounds stay."""
    path = tmp_path / "p.toml"
    path.write_text(
        'arrival_rate = 5\nmax_pools = 2\n[[slo]]\nmetric = "e2e"\nlimit_ms = 9000\n'
        "[[slo]]\npercentile = 95\nlimit_ms = 100\n[[slo]]\npercentile = 50\nlimit_ms = 20\n"
    )
    problem = problem_of("--slo", "300", "--lam", "7", file=str(path))
    assert (problem.arrival_rate, problem.max_pools) == (7.0, 2)
    assert [(b.metric, b.percentile, b.limit_ms) for b in problem.slo] == [
        ("e2e", 99.0, 9000.0),
        ("ttft", 95.0, 300.0),
    ]


def test_relative_files_of_a_problem_are_beside_it_and_those_of_options_are_not(
    tmp_path, monkeypatch
):
    case, here = tmp_path / "case", tmp_path / "here"
    for folder, tokens in ((case, 10), (here, 20)):
        folder.mkdir()
        (folder / "mine.json").write_text(json.dumps([[tokens, 1.0]]))
    (case / "problem.toml").write_text('cdf = "mine.json"\n')
    monkeypatch.chdir(here)
    from_file = state(str(case), given())
    assert from_file.beside == case
    assert from_file.inputs.max_context == 10
    from_option = state(str(case), given("--cdf", "mine.json"))
    assert from_option.inputs.max_context == 20


def test_a_wrong_section_of_the_file_stays_for_validation_to_name(tmp_path):
    keys, _ = overlaid({"solver": 3, "slo": "fast"}, given("--gap", "0.1", "--slo", "5"))
    assert keys == {"solver": 3, "slo": "fast"}


def test_faults_found_later_are_named_by_option_and_file(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text("max_pools = 2\n")
    stated = state(str(path), given("--long-max-ctx", "4096"))
    later = InputError([*InputError.single("max_context", "x").faults,
                        *InputError.single("max_pools", "y").faults])  # fmt: skip
    named = stated.in_the_users_words(later)
    assert [fault.place for fault in named.faults] == ["--long-max-ctx", f"{path}, max_pools"]


def test_restating_a_saved_problem():
    problem = restate(FleetProblem(cdf=[[5, 1.0]]), given("--seed", "9"))
    assert problem.verification.seed == 9
    assert problem.cdf.cdf == ((5, 1.0),)


def test_help_shows_the_problems_defaults():
    help_text = solve.get_help(click.Context(solve, info_name="solve", terminal_width=200))
    assert "Requests per second.  [default: 100]" in help_text
    assert "[default: a10g,a100,h100]" in help_text
    assert "Bound on TTFT, in ms.  [default: 500]" in help_text
    assert "--slo-tpot MS" in help_text


def test_bounds_in_one_text_each_replace_those_of_the_file(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text('slo = ["p95 e2e 9000", "p50 TTFT 200ms"]\nslo_scope = "fleet"\n')
    from_file = problem_of(file=str(path))
    assert [b.text for b in from_file.slo] == ["p95 e2e 9000", "p50 ttft 200"]
    assert from_file.slo_scope == "fleet"
    changed = problem_of("--slo", "300", file=str(path))
    assert [b.text for b in changed.slo] == ["p95 e2e 9000", "p50 ttft 300"]
    bounds = ("p99 ttft 500", "p50 ttft 200", "p95 tpot 40.5", "p99.9 e2e 30000")
    options = [word for bound in bounds for word in ("--bound", bound)]
    stated = problem_of(*options, "--slo-scope", "pool", file=str(path))
    assert tuple(b.text for b in stated.slo) == bounds
    assert stated.slo_scope == "pool"
