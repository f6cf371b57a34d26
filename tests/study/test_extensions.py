"""Python files beside a problem: which may run, what they may do, and what goes wrong."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fleetopt import InputError, Plan, build_program, catalog, solve, solve_program
from fleetopt.cli.main import cli
from fleetopt.extension import read_extension
from fleetopt.problem import VerificationOptions
from fleetopt.questions.frontier import frontier

KEYS = 'gpus = ["a100", "h100"]\nmax_pools = 2\ncdf = [[2048, 0.8], [8192, 1.0]]\n'
NO_H100 = """
import pyomo.environ as pyo

def extend(model):
    model.no_h100 = pyo.Constraint(expr=model.gpus["h100"] <= 0)
"""
MARKER = """
from pathlib import Path

Path(__file__).with_name("ran").touch()

def extend(model):
    print("hello")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a problem that names cap.py."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.toml").write_text(f'extension = "cap.py"\n{KEYS}')
    return tmp_path


def solved(*options: str) -> Result:
    """`fleetopt solve p.toml` without simulation."""
    return CliRunner().invoke(cli, ["solve", "p.toml", "--no-verify", *options])


def refused(code: str, *options: str) -> str:
    """What is said of an extension, which must end with exit code 2 and no answer."""
    Path("cap.py").write_text(code)
    result = solved("--allow-python", *options)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "fault of fleetopt" not in result.stderr
    return result.stderr


# who may run


def test_a_users_file_runs_only_by_leave(folder: Path) -> None:
    """The refusal says which file, how long, its hash, and how to allow it."""
    (folder / "cap.py").write_text(MARKER)
    result = solved()
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"p.toml, extension: this would run the Python file {folder / 'cap.py'}" in result.stderr
    assert "(7 lines, SHA-256 " in result.stderr
    assert "add --allow-python" in result.stderr
    assert not (folder / "ran").exists()
    allowed = solved("--allow-python", "--format", "json")
    assert (folder / "ran").exists()
    assert "hello" in allowed.stderr
    assert json.loads(allowed.stdout)["provenance"]["extension"] == str(folder / "cap.py")
    assert not (folder / "__pycache__").exists()


@pytest.mark.parametrize("key", ["allow_python", "allow-python"])
def test_no_file_can_allow_itself(folder: Path, key: str) -> None:
    (folder / "cap.py").write_text(MARKER)
    (folder / "p.toml").write_text(f'{key} = true\nextension = "cap.py"\n{KEYS}')
    result = solved()
    assert result.exit_code == 2
    assert f"unknown key '{key}'" in result.stderr
    assert not (folder / "ran").exists()


def test_tricks_with_paths(folder: Path) -> None:
    """A name leads nowhere but beside the problem, and what counts is where the file is."""
    bundled = catalog.models_folder() / "two_types"
    for name in ("../cap.py", "/tmp/cap.py", "a/cap.py", "a\\\\cap.py", "cap.txt", ".py", ""):
        (folder / "p.toml").write_text(f'extension = "{name}"\n{KEYS}')
        assert "p.toml, extension: expected a Python file beside this one" in solved().stderr
    inside = folder / "models" / "two_types"
    shutil.copytree(bundled, inside)
    (inside / "two_types.py").write_text(MARKER)
    for spelling in ("two_types", "models/two_types", "models/two_types/problem.toml"):
        result = CliRunner().invoke(cli, ["solve", spelling, "--no-verify", "--lam", "0"])
        own = spelling.startswith("models")
        assert ("this would run" in result.stderr) == own
    linked = bundled.parent / "two_types" / ".." / "two_types"
    assert read_extension(catalog.read_problem("two_types")[0], linked) is not None
    outside = folder / "outside"
    outside.mkdir()
    (outside / "two_types.py").symlink_to(inside / "two_types.py")
    with pytest.raises(InputError, match=str(inside)):
        read_extension(catalog.read_problem("two_types")[0], outside)
    assert not list(folder.rglob("ran"))


def test_a_link_in_the_bundled_folder_does_not_make_a_file_bundled(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bundled folders are copied here, with a link out of them."""
    shutil.copytree(catalog.models_folder() / "two_types", folder / "bundle" / "two_types")
    (folder / "evil.py").write_text(MARKER)
    link = folder / "bundle" / "two_types" / "two_types.py"
    problem = catalog.read_problem("two_types")[0]
    monkeypatch.setattr("fleetopt.extension.models_folder", lambda: folder / "bundle")
    assert read_extension(problem, link.parent) is not None
    link.unlink()
    link.symlink_to(folder / "evil.py")
    with pytest.raises(InputError, match=r"evil\.py"):
        read_extension(problem, link.parent)


def test_a_copy_of_a_model_is_the_users_own(folder: Path) -> None:
    said = CliRunner().invoke(cli, ["new", "mine", "--from", "two_types"])
    assert said.stdout.endswith("fleetopt solve mine --allow-python\n")
    result = CliRunner().invoke(cli, ["solve", "mine", "--no-verify"])
    assert result.exit_code == 2
    assert str(folder / "mine" / "two_types.py") in result.stderr


def test_python_names_need_leave_as_well(folder: Path) -> None:
    (folder / "cap.py").write_text(NO_H100)
    problem, source = catalog.read_problem("p.toml")
    with pytest.raises(InputError, match="allow_python=True"):
        build_program(problem, beside=source.path.parent)
    with pytest.raises(InputError, match="allow_python=True"):
        solve(problem)
    plan = solve_program(build_program(problem, allow_python=True))
    assert {pool.gpu for pool in plan.fleet.pools} == {"a100"}


def test_the_files_folder_counts_even_where_the_lengths_are_from_elsewhere(folder: Path) -> None:
    """`--cdf` is looked up in the working folder, the extension beside the problem."""
    inner = folder / "inner"
    inner.mkdir()
    shutil.move(folder / "p.toml", inner)
    (inner / "cap.py").write_text(NO_H100)
    (folder / "my.json").write_text("[[2048, 0.8], [4096, 1.0]]")
    options = ("--cdf", "my.json", "--no-verify", "--allow-python", "--format", "json")
    result = CliRunner().invoke(cli, ["solve", "inner/p.toml", *options])
    plan = Plan.from_dict(json.loads(result.stdout))
    assert {pool.gpu for pool in plan.fleet.pools} == {"a100"}
    assert plan.fleet.pools[-1].hi_tokens == 4096


def test_plans_never_run_python(folder: Path) -> None:
    """Neither `verify` nor `diff`, though the file is there."""
    (folder / "cap.py").write_text(MARKER)
    assert solved("--allow-python", "--format", "json", "--output", "a.json").exit_code == 0
    plan = json.loads(Path("a.json").read_text())
    plan["provenance"]["input_sha256"][plan["provenance"]["extension"]] = "0" * 64
    Path("b.json").write_text(json.dumps(plan))
    (folder / "ran").unlink()
    verified = CliRunner().invoke(cli, ["verify", "a.json", "--requests", "2000"])
    assert verified.exit_code in (0, 3)
    same = CliRunner().invoke(cli, ["diff", "a.json", "a.json"]).stdout
    assert "both plans keep the extension cap.py (SHA-256" in same
    assert "The problems and the fleets are the same." in same
    other = CliRunner().invoke(cli, ["diff", "a.json", "b.json"]).stdout
    assert "the extensions differ" in other
    assert "but for what their extensions add" in other
    assert not (folder / "ran").exists()


def test_a_frontier_says_that_it_leaves_constraints_out(folder: Path) -> None:
    """It is refused rather than drawn without them."""
    (folder / "cap.py").write_text(MARKER)
    result = CliRunner().invoke(cli, ["frontier", "p.toml"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "p.toml, extension: only `fleetopt solve` runs extensions" in result.stderr
    with pytest.raises(InputError, match="a frontier runs no extensions"):
        frontier(catalog.read_problem("two_types")[0], ("cost", "ttft"))
    assert not (folder / "ran").exists()


# what they may do


def test_nothing_added_changes_nothing(folder: Path) -> None:
    """The plan with verification and every comparison, with and without an empty extension."""
    (folder / "cap.py").write_text("def extend(model):\n    pass\n")
    problem, _ = catalog.read_problem("p.toml")
    extended = solve(problem, allow_python=True)
    plain = solve(problem.model_copy(update={"extension": None}))
    assert extended.fleet == plain.fleet
    assert extended.cost == plain.cost
    assert extended.objective is None
    kinds = [(other.kind, other.usd_per_year) for other in extended.alternatives]
    assert kinds == [
        (other.kind, pytest.approx(other.usd_per_year)) for other in plain.alternatives
    ]


def test_alternatives_keep_the_constraints_and_an_objective_is_stated(folder: Path) -> None:
    """Most H100, whatever they cost, in one pool at most 3 of them."""
    (folder / "cap.py").write_text(
        "import pyomo.environ as pyo\n\n"
        "def extend(model):\n"
        "    model.two = pyo.Constraint(expr=model.pools >= 2)\n"
        "    model.least_cost.deactivate()\n"
        "    model.many = pyo.Objective(expr=model.gpus['h100'], sense=pyo.maximize, doc='GPUs')\n"
    )
    problem, _ = catalog.read_problem("p.toml")
    stated = problem.model_copy(update={"alternatives": 3})
    plan = solve(stated, allow_python=True)
    assert plan.objective is not None
    assert (plan.objective.sense, plan.objective.meaning) == ("most", "GPUs")
    assert plan.objective.value == sum(p.gpus for p in plan.fleet.pools if p.gpu == "h100")
    assert plan.objective.value == pytest.approx(plan.objective.bound)
    kinds = {other.kind for other in plan.alternatives}
    assert "one GPU type" in kinds
    assert not kinds & {"one pool", "paged"}
    assert all(len(other.fleet.pools) == 2 for other in plan.alternatives)
    one_type = next(other for other in plan.alternatives if other.kind == "one GPU type")
    assert {pool.gpu for pool in one_type.fleet.pools} == {"h100"}
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    shown = CliRunner().invoke(cli, ["solve", "p.toml", "--no-verify", "--allow-python"]).stdout
    assert f"Objective: most many (GPUs): {plan.objective.value:,.6g}" in shown
    assert "which is not the objective" in shown


def test_next_cheaper_keeps_the_constraints(folder: Path) -> None:
    """Where a least number of GPUs is asked for, no fleet with fewer is shown."""
    (folder / "cap.py").write_text(
        "import pyomo.environ as pyo\n\n"
        "def extend(model):\n"
        "    model.least = pyo.Constraint(expr=model.total_gpus >= LEAST)\n"
    )
    code = (folder / "cap.py").read_text()
    unverified = VerificationOptions(enabled=False)
    problem, _ = catalog.read_problem("p.toml")
    problem = problem.model_copy(update={"verification": unverified})
    plain = solve(problem.model_copy(update={"extension": None}))
    gpus = plain.fleet.gpus
    assert "next cheaper" in {other.kind for other in plain.alternatives}
    (folder / "cap.py").write_text(code.replace("LEAST", str(gpus - 1)))
    shown = solve(problem, allow_python=True)
    assert shown.fleet == plain.fleet
    assert "next cheaper" in {other.kind for other in shown.alternatives}
    (folder / "cap.py").write_text(code.replace("LEAST", str(gpus)))
    bound = solve(problem, allow_python=True)
    assert bound.fleet == plain.fleet
    assert "next cheaper" not in {other.kind for other in bound.alternatives}


def test_an_slo_for_the_whole_fleet_keeps_the_constraints_too(folder: Path) -> None:
    """By the table and verified, with what stands beside the plan."""
    (folder / "cap.py").write_text(NO_H100)
    problem, _ = catalog.read_problem("p.toml")
    plan = solve(problem.model_copy(update={"slo_scope": "fleet"}), allow_python=True)
    assert plan.verification is not None
    assert plan.verification.verdict == "pass"
    fleets = [plan.fleet, *(other.fleet for other in plan.alternatives)]
    assert len(fleets) > 2
    assert {pool.gpu for fleet in fleets for pool in fleet.pools} == {"a100"}


def test_candidates_that_run_out_of_rows_get_more(folder: Path) -> None:
    """Simulation refuses the least rows; the constraint stands on the rows that follow."""
    from fleetopt.case import Case
    from fleetopt.optimization.design import Design

    (folder / "cap.py").write_text(NO_H100)
    problem, _ = catalog.read_problem("p.toml")
    extension = read_extension(problem, allow_python=True)
    design = Design(Case.of(problem, None, extension), grey=True)
    for _ in range(3):
        for candidate, _row in design.optimum().chosen:
            most = design.candidates[candidate.index].rows[-1].replicas
            design.refuse(design.candidates[candidate.index], most)
            assert design.candidates[candidate.index].rows[0].replicas > most
            assert {c.gpu for c, _ in design.optimum().chosen} == {"a100"}


# what goes wrong


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        # no function, a near name, not callable, the wrong arguments, a generator
        ("x = 1\n", "cap.py: expected a function extend(model)"),
        ("def extends(m): ...\n", "expected a function extend(model) (did you mean 'extends'?)"),
        ("extend = 5\n", "expected a function extend(model), extend is a int"),
        ("def extend(): ...\n", "expected a function extend(model) of one argument, got extend()"),
        ("def extend(a, b): ...\n", "of one argument, got extend(a, b)"),
        ("def extend(model):\n    yield\n", "must change the model and return nothing"),
        # an objective too many, none, a product, a kind that the solver does not know
        (
            "import pyomo.environ as pyo\ndef extend(m):\n    m.o = pyo.Objective(expr=m.pools)\n",
            "model: expected one active objective, got 2 (deactivate model.least_cost",
        ),
        ("def extend(m):\n    m.least_cost.deactivate()\n", "one active objective, got 0"),
        (
            "import pyomo.environ as pyo\n"
            "def extend(m):\n    m.p = pyo.Constraint(expr=m.cost * m.pools <= 3)\n",
            "model.p: must be linear in the variables",
        ),
        (
            "import pyomo.environ as pyo\n"
            "def extend(m):\n    m.s = pyo.SOSConstraint(var=m.z, sos=1)\n",
            "model.s: the solver cannot read a SOSConstraint",
        ),
        # an objective without a bound
        (
            "import pyomo.environ as pyo\n"
            "def extend(m):\n    m.x = pyo.Var()\n    m.least_cost.set_value(m.x)\n",
            "cap.py: the objective has no bound (bound the variables that were added)",
        ),
        # parts of the program replaced, taken away or switched off
        (
            "import pyomo.environ as pyo\n"
            "def extend(m):\n    m.del_component('cost')\n    m.cost = pyo.Var()\n",
            "model.cost: is a part of the program (give your own part another name)",
        ),
        ("def extend(m):\n    m.candidate = {}\n", "model.candidate: is a part of the program"),
        ("def extend(m):\n    m.flow_conservation.deactivate()\n", "must stay active"),
    ],
)
def test_wrong_extensions(folder: Path, code: str, expected: str) -> None:
    """One message each, exit code 2, no answer."""
    assert expected in refused(code)


@pytest.mark.parametrize(
    ("code", "line", "text", "error"),
    [
        # in the function, in a rule, on the way in, not Python, leaving the process
        ("def extend(m):\n    m.gpus['b200']\n", 2, "m.gpus['b200']", "KeyError: "),
        (
            "import pyomo.environ as pyo\ndef rule(m, c):\n    return 1 / 0\n"
            "def extend(m):\n    m.r = pyo.Constraint(m.candidates, rule=rule)\n",
            3, "return 1 / 0", "ZeroDivisionError: division by zero",
        ),
        ("import nothing_like_it\n", 1, "import nothing_like_it", "ModuleNotFoundError: "),
        ("def extend(model)\n    pass\n", 1, "def extend(model)", "SyntaxError: "),
        ("import sys\ndef extend(m):\n    sys.exit(0)\n", 3, "sys.exit(0)", "SystemExit: 0"),
    ],
)  # fmt: skip
def test_extensions_that_raise(folder: Path, code: str, line: int, text: str, error: str) -> None:
    """Their own line first, then what is to be said of it."""
    said = refused(code)
    place = f'File "{folder / "cap.py"}", line {line}'
    message = f"Error: {folder / 'cap.py'}, line {line}: "
    for part in (place, text, error, message):
        assert part in said
    assert said.index(place) < said.index(text) < said.index(error) < said.index(message)
    assert "fleetopt/" not in said.split("Error: ", 1)[0]


def test_a_missing_file_comes_with_the_other_faults(folder: Path) -> None:
    Path("kap.py").write_text("")
    result = solved("--allow-python", "--lam", "0")
    assert result.stderr.splitlines() == [
        "Error: 2 faults in the input",
        f"  - p.toml, extension: there is no file {Path('cap.py')} (did you mean 'kap.py'?)",
        "  - --lam: must be greater than 0, got 0",
    ]
    Path("cap.py").mkdir()
    assert "cap.py cannot be read: Is a directory" in solved("--allow-python").stderr


def test_constraints_that_leave_nothing(folder: Path) -> None:
    """Those that exclude every fleet are named, those that do not matter are not."""
    Path("cap.py").write_text(
        "import pyomo.environ as pyo\n\n"
        "def extend(m):\n"
        "    m.loose = pyo.Constraint(expr=m.pools >= 1)\n"
        "    m.one_pool = pyo.Constraint(expr=m.pools <= 1)\n"
        "    m.both = pyo.Constraint(m.gpu_types, rule=lambda m, gpu: m.gpus[gpu] >= 1)\n"
    )
    result = solved("--allow-python")
    assert (result.exit_code, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    assert lines[0] == "No feasible plan: no fleet meets the program and cap.py"
    assert lines[1].startswith("the constraints one_pool and both exclude every fleet together")
    problem, _ = catalog.read_problem("p.toml")
    plain = solve_program(build_program(problem.model_copy(update={"extension": None})))
    cost = f"{plain.cost.usd_per_year:,.0f}"
    assert lines[2] == f"without it the cheapest fleet would cost {cost} USD a year, by the table"


def test_a_problem_without_a_fleet_is_not_blamed_on_its_extension(folder: Path) -> None:
    Path("cap.py").write_text(NO_H100)
    result = solved("--allow-python", "--slo", "0.1")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "No feasible plan: no fleet meets the problem\nP99 TTFT <= 0.1 ms"
    )
    assert "cap.py is left out of this" in result.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_an_extension_that_may_not_be_read(folder: Path) -> None:
    Path("cap.py").write_text(NO_H100)
    Path("cap.py").chmod(0)
    assert "cap.py cannot be read: Permission denied" in solved("--allow-python").stderr


def test_bundled_extensions_are_in_the_wheel_and_typed_as_the_manual_says(folder: Path) -> None:
    """Each names itself in its problem and runs without leave."""
    for name in catalog.model_names():
        problem, source = catalog.read_problem(name)
        found: Any = read_extension(problem, source.path.parent)
        assert (found is None) == (problem.extension is None)
