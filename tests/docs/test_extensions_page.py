"""The page of extensions: every example is on it with its code and figures, and works."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleetopt import catalog
from fleetopt.cli.main import cli

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path.insert(0, str(DOCS / "hooks"))

import extensions  # noqa: E402

PAGE = (DOCS / "extensions.md").read_text()


def test_every_example_is_on_the_page() -> None:
    """Its code as it stands in its file, and its figures as they were recorded."""
    models = [name for name in catalog.model_names() if catalog.read_problem(name)[0].extension]
    assert sorted(extensions.ORDER) == models
    made = extensions.worked_examples()
    for name in models:
        folder = catalog.models_folder() / name
        assert (folder / f"{name}.py").read_text().rstrip() in made
        assert f"fleetopt solve {name}" in made
    assert made.count("| with | ") == made.count("| without | ") == len(models)


def test_the_first_example_and_the_message_are_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of the page runs; with a type that is not there it ends as the page shows."""
    monkeypatch.chdir(tmp_path)
    key = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.S)[0]
    code = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)[0]
    shown = re.findall(r"```text\n(.*?)```", PAGE, flags=re.S)[0]
    Path("problem.toml").write_text(key)
    Path("cap.py").write_text(code)
    command = ["solve", "problem.toml", "--no-verify", "--allow-python"]
    good = CliRunner().invoke(cli, command)
    assert good.exit_code == 0
    assert "cap.py added to the program: constraint few_h100" in good.stdout
    Path("cap.py").write_text(code.replace("h100", "b200").replace("few_b200", "few_h100"))
    wrong = CliRunner().invoke(cli, command)
    assert wrong.exit_code == 2
    assert wrong.stderr == shown.replace("/home/me/chat", str(tmp_path))
