"""The reference pages leave nothing out."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

import click
import pytest

from fleetopt.cli import main
from fleetopt.plan import Interval, Plan, Pool, PoolPrediction, PoolVerification, RefusedRow, Status
from fleetopt.problem import (
    ArrivalFigures,
    FailureRates,
    FleetProblem,
    FleetSimulation,
    GpuSpec,
    JointLengths,
    LatencyBound,
    LengthCdf,
    LinkSpec,
    LinkStatement,
    LlmSpec,
    PoolStatement,
    PowerCurve,
    PriceSpec,
    ProfileSpec,
    RateProfile,
    RecordedFile,
    RecordedTraffic,
    RouterStatement,
    SessionStatement,
    TraceSource,
    WorkloadShare,
)

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path.insert(0, str(DOCS / "hooks"))

import commands  # noqa: E402
import docstrings  # noqa: E402
import mathml  # noqa: E402
import pages  # noqa: E402
import schemas  # noqa: E402


def commands_of(group: click.Group, place: str) -> list[tuple[str, click.Command]]:
    """Every command below a group that is no group itself, with the words that call it."""
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        words = f"{place} {name}"
        inner = commands_of(command, words) if isinstance(command, click.Group) else None
        found += inner if inner is not None else [(words, command)]
    return found


@pytest.mark.parametrize(("words", "command"), commands_of(main.cli, "fleetopt"))
def test_every_option_is_in_the_command_reference(words: str, command: click.Command) -> None:
    page = commands.all_commands()
    section = page.split(f"## {words}\n", 1)[1].split("\n## ", 1)[0]
    for option in command.params:
        if isinstance(option, click.Option):
            assert all(spelling in section for spelling in option.opts)
            assert option.help is not None


def test_every_exit_code_is_explained() -> None:
    table = commands.exit_codes()
    codes = [main.NoPlan, main.WrongInput, main.OwnFault, main.Interrupted]
    for code in [0, 3, main.BROKEN_PIPE, *(kind.exit_code for kind in codes)]:
        assert f"| {code} | " in table


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        (FleetProblem, schemas.problem_keys),
        (LatencyBound, schemas.problem_keys),
        (TraceSource, schemas.problem_keys),
        (LengthCdf, schemas.length_keys),
        (JointLengths, schemas.length_keys),
        (ArrivalFigures, schemas.workload_keys),
        (RateProfile, schemas.workload_keys),
        (RecordedFile, schemas.workload_keys),
        (FleetSimulation, schemas.fleet_keys),
        (PoolStatement, schemas.fleet_keys),
        (LinkStatement, schemas.fleet_keys),
        (RouterStatement, schemas.fleet_keys),
        (WorkloadShare, schemas.fleet_keys),
        (RecordedTraffic, schemas.fleet_keys),
        (SessionStatement, schemas.fleet_keys),
        (FailureRates, schemas.fleet_keys),
        (ProfileSpec, schemas.profile_keys),
        (PowerCurve, schemas.profile_keys),
        (GpuSpec, schemas.catalogue_keys),
        (LinkSpec, schemas.catalogue_keys),
        (LlmSpec, schemas.catalogue_keys),
        (PriceSpec, schemas.catalogue_keys),
    ],
)
def test_every_key_is_listed(kind: type, table: object) -> None:
    assert callable(table)
    for key in kind.model_fields:  # type: ignore[attr-defined]
        assert f"| `{key}` | " in table()


@pytest.mark.parametrize(
    "kind", [Plan, Pool, PoolPrediction, PoolVerification, RefusedRow, Status, Interval]
)
def test_every_plan_field_is_listed(kind: type) -> None:
    section = schemas.plan_fields().split(f"### {kind.__name__}\n", 1)[1].split("\n### ", 1)[0]
    for field in fields(kind):
        assert f"| `{field.name}` | " in section


def test_every_made_part_is_on_a_page_and_known() -> None:
    wanted = {part for page in DOCS.rglob("*.md") for part in pages._PART.findall(page.read_text())}
    assert wanted == set(pages.PARTS)


def test_docstrings_become_markdown() -> None:
    text = "One line.\n\nrate: of\n    arrivals.\ntime_s: :math:`t`.\n\n.. math:: a\n\n    b\n"
    words = " ".join(docstrings.as_markdown(text).split())
    assert words == "One line. - **rate**: of arrivals. - **time_s**: $t$. $$ a b $$"


def test_formulas_become_mathml() -> None:
    html = mathml.on_page_content('<span class="arithmatex">\\(a &lt; b_1\\)</span>')
    assert html.startswith("<math")
    assert "<msub>" in html
    assert "arithmatex" not in html
