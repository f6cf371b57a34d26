"""`fleetopt reproduce` as a user calls it."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleetopt.cli.main import cli

TABLE = ("reproduce", "--scenario", "puzzle_4")


def said(*arguments: str) -> str:
    done = CliRunner().invoke(cli, [*TABLE, *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_all_forms_have_the_same_figures() -> None:
    rows = json.loads(said("--format", "json"))["rows"]
    assert [row["published"] for row in rows if row["quantity"] == "gpus"] == [
        4, 5, 7, 10, 12, 18, 23
    ]  # fmt: skip
    read = list(csv.DictReader(io.StringIO(said("--format", "csv"))))
    assert [row["verdict"] for row in read] == [row["verdict"] for row in rows]
    markdown = said("--format", "markdown")
    assert markdown.count("\n| ") - 2 == len(rows)
    assert "400 requests per second" in said()


def test_the_page_is_whole_html(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    said("--format", "html", "--output", str(target))

    class Depth(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open_tags: list[str] = []

        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag != "meta":
                self.open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open_tags.pop() == tag

    reader = Depth()
    reader.feed(target.read_text())
    assert not reader.open_tags


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scenario", "puzle_4"], "did you mean 'puzzle_4'"),
        (["--output", "/nowhere/x.html"], "--output"),
    ],
)
def test_wrong_input_is_said(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(cli, [*TABLE, *arguments])
    assert done.exit_code == 2
    assert message in done.stderr
