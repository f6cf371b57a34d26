"""The worked examples of extensions: their code and their recorded answers, from models/."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

MODELS = Path(__file__).resolve().parents[2] / "models"
ORDER = ("h100_cap", "carbon_budget", "two_types", "spread_cost", "pool_fee", "least_carbon")


def worked_examples() -> str:
    """A section for each example, in the order of the page."""
    return "\n\n".join(_section(name) for name in ORDER)


def _section(name: str) -> str:
    folder = MODELS / name
    code = (folder / f"{name}.py").read_text().rstrip()
    says = (folder / "problem.toml").read_text().splitlines()[0].removeprefix("# ")
    title = (ast.get_docstring(ast.parse(code)) or "").splitlines()[0].rstrip(".")
    answer = json.loads((folder / "expected.json").read_text())
    parts = [
        f"### {title}",
        says,
        f'```python title="models/{name}/{name}.py"\n{code}\n```',
        f"`fleetopt solve {name}`, verified, beside the same problem without its extension:",
        answer_table(answer),
    ]
    return "\n\n".join(parts)


def answer_table(answer: dict[str, Any]) -> str:
    """The verified plan with and without the extension."""
    plan, plain = answer["verified"], answer["without"]["verified"]
    own = answer["without"]["objective"]
    head, rule = "| | fleet | USD a year |", "| --- | --- | --- |"
    rows = [f"| without | {_fleet(plain)} | {plain['usd_per_year']:,.0f} |",
            f"| with | {_fleet(plan)} | {plan['usd_per_year']:,.0f} |"]  # fmt: skip
    if own is not None:
        head, rule = f"{head} {plan['objective_meaning']} |", f"{rule} --- |"
        rows = [f"{rows[0]} {own:,.2f} |", f"{rows[1]} {plan['objective']:,.2f} |"]
    return "\n".join([head, rule, *rows])


def _fleet(plan: dict[str, Any]) -> str:
    pools = [f"{p['replicas']} {p['profile']} to {p['hi_tokens']:,}" for p in plan["pools"]]
    return ", ".join(pools)
