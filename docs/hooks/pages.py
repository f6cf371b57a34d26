"""Pages that are made from the program itself: `<!-- made: NAME -->` stands for such a part."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))

import commands  # noqa: E402
import extensions  # noqa: E402
import laws  # noqa: E402
import measured  # noqa: E402
import program  # noqa: E402
import rooflines  # noqa: E402
import rules  # noqa: E402
import schemas  # noqa: E402
import splitwise  # noqa: E402
import statuses  # noqa: E402
import validations  # noqa: E402

_PART = re.compile(r"<!-- made: ([a-z ]+) -->")

PARTS = {
    "commands": commands.all_commands,
    "exit codes": commands.exit_codes,
    "problem keys": schemas.problem_keys,
    "length keys": schemas.length_keys,
    "fleet keys": schemas.fleet_keys,
    "workload keys": schemas.workload_keys,
    "profile keys": schemas.profile_keys,
    "catalogue keys": schemas.catalogue_keys,
    "roofline distances": rooflines.table,
    "model answer": lambda: _fenced("text", "docs/measured/solve_model.txt"),
    "profile accuracy": validations.overall,
    "profile errors": validations.tables,
    "saturated rows": validations.saturated,
    "profile answer": lambda: _fenced("text", "docs/measured/profile_show.txt"),
    "estimated iterations": lambda: _fenced("text", "docs/measured/profile_estimated.txt"),
    "measured profiles": lambda: (ROOT / "docs/measured/splitwise.md").read_text(),
    "horizon": laws.horizon,
    "program interface": program.interface,
    "worked examples": extensions.worked_examples,
    "plan fields": schemas.plan_fields,
    "refusal fields": schemas.refusal_fields,
    "terminations": statuses.terminations,
    "holdings": statuses.holdings,
    "solvers": statuses.solvers,
    "changelog": lambda: (ROOT / "CHANGELOG.md").read_text(),
    "answer": lambda: _fenced("text", "docs/measured/solve_lmsys.txt"),
    "rules": rules.table,
    "advice lmsys": lambda: _fenced("text", "docs/measured/advice_lmsys.txt"),
    "advice azure": lambda: _fenced("text", "docs/measured/advice_azure.txt"),
    "advice agent": lambda: _fenced("text", "docs/measured/advice_agent.txt"),
    "routers agent": lambda: _fenced("text", "docs/measured/routers_agent.txt"),
    "routers prefix": lambda: _fenced("text", "docs/measured/routers_prefix.txt"),
    "routers azure": lambda: _fenced("text", "docs/measured/routers_azure.txt"),
    "explain agent": lambda: _fenced("text", "docs/measured/explain_agent.txt"),
    "explain smaller": lambda: _fenced("text", "docs/measured/explain_smaller.txt"),
    "frontier": lambda: _fenced("text", "docs/measured/frontier_lmsys.txt"),
    "frontier phases": lambda: _fenced("text", "docs/measured/frontier_phases.txt"),
    "reliability": measured.reliability,
    "placement": lambda: _fenced("text", "docs/measured/placement.txt"),
    "splitwise fleets": splitwise.fleets,
    "splitwise findings": splitwise.findings,
    "tokens azure": lambda: _fenced("text", "docs/measured/tokens_azure.txt"),
    "tokens lmsys": lambda: _fenced("text", "docs/measured/tokens_lmsys.txt"),
    "cost carbon": lambda: _fenced("text", "docs/measured/cost_carbon.txt"),
    "most rate": lambda: _fenced("text", "docs/measured/most_rate.txt"),
    "split energy": lambda: _fenced("text", "docs/measured/split_energy.txt"),
    "grid flex": lambda: _fenced("text", "docs/measured/grid_flex.txt"),
    "where to split": lambda: _fenced("text", "docs/measured/where_to_split.txt"),
    "optimize": lambda: _fenced("text", "docs/measured/optimize.txt"),
    "disaggregation": lambda: _fenced("text", "docs/measured/disagg_program.txt"),
    "disaggregation model": lambda: _fenced("text", "docs/measured/disagg_model.txt"),
    "disaggregation published": lambda: _fenced("text", "docs/measured/disagg_azure.txt"),
    "reproduction": lambda: (ROOT / "docs" / "measured" / "reproduction.md").read_text(),
    "trace fleets": measured.trace_fleets,
    "trace answer": lambda: _fenced("text", "docs/measured/solve_code_trace.txt"),
    "speed": measured.speed,
    "accuracy": measured.accuracy,
    "prefill accuracy": measured.prefill_accuracy,
    "prefill errors": measured.prefill_errors,
    "published percentiles": measured.published_percentiles,
    "problem example": lambda: _fenced("toml", "models/lmsys/problem.toml"),
    "length example": lambda: _fenced("json", "data/agent_heavy_cdf.json"),
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in the parts of a page. Raises KeyError for a part that is not known."""
    return _PART.sub(lambda match: PARTS[match[1]](), markdown)


def _fenced(language: str, path: str) -> str:
    return f"```{language}\n{(ROOT / path).read_text().rstrip()}\n```"
