"""The reference pages leave nothing out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from pydantic import BaseModel

from fleetopt.cli import main
from fleetopt.plan import Interval, Plan, Pool, PoolPrediction, PoolVerification, RefusedRow, Status
from fleetopt.problem import Catalogue, FleetProblem, FleetSimulation, LengthCdf, Workload

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


@pytest.fixture(scope="module")
def tables_of_keys() -> list[str]:
    """The tables of all reference pages, each by itself."""
    parts = [part for name, part in pages.PARTS.items() if name.endswith(" keys")]
    return [table for part in parts for table in part().split("\n\n")]


def statements_of(hint: Any) -> Iterator[type[BaseModel]]:
    """The statements that an annotation names, with those of their own keys."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
        for field in hint.model_fields.values():
            yield from statements_of(field.annotation)
    for part in get_args(hint):
        yield from statements_of(part)


@pytest.mark.parametrize(
    "kind",
    dict.fromkeys(
        kind
        for file in (FleetProblem, FleetSimulation, Workload, Catalogue)
        for kind in statements_of(file)
        if kind is not Catalogue
    ),
)
def test_every_key_is_listed(kind: type[BaseModel], tables_of_keys: list[str]) -> None:
    own = set(kind.model_fields) - set(LengthCdf.model_fields if kind is Workload else ())
    assert any(all(f"| `{key}` | " in table for key in own) for table in tables_of_keys)


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
