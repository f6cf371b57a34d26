"""The recorded answer on phases apart is still the answer, and the page's figures hold."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from walkthrough import run, steps

from fleetopt.cli.main import cli
from fleetopt.problem import PhasesApart
from fleetopt.questions.disaggregation import Question, costs_over_rates
from fleetopt.questions.disaggregation.worth import worth

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import record  # noqa: E402

TEXT = (ROOT / "docs" / "disaggregation.md").read_text()


@pytest.mark.slow
def test_the_recorded_answer_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """`pytest -m slow tests/docs/test_disaggregation_page.py`, ten seconds on two cores."""
    monkeypatch.setenv("COLUMNS", record.WIDTH)
    done = CliRunner().invoke(cli, record.DISAGG.split())
    assert done.stdout == (record.MEASURED / "disagg_program.txt").read_text()


def test_the_recorded_fleets_are_those_of_the_tables() -> None:
    """Simulation has accepted each: same fleets and costs without it."""
    recorded = (record.MEASURED / "disagg_program.txt").read_text()
    done = CliRunner().invoke(cli, [*record.DISAGG.split(), "--no-verify"])
    rows = [line.split() for line in recorded.splitlines() if " pass " in line]
    plain = [line.split() for line in done.stdout.splitlines() if " not verified " in line]
    assert len(rows) == 8
    for ours, theirs in zip(rows, plain, strict=True):
        dollars = ours.index("K$")
        assert theirs[: dollars + 1] == ours[: dollars + 1]
    assert " ".join(TEXT.replace("\\\n", " ").split()).count(record.DISAGG) == 2


def test_the_recorded_answer_as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", record.WIDTH)
    done = CliRunner().invoke(cli, record.DISAGG_PUBLISHED.split())
    assert done.stdout == (record.MEASURED / "disagg_azure.txt").read_text()
    assert record.DISAGG_PUBLISHED in " ".join(TEXT.replace("\\\n", " ").split())


def test_light_commands_show_what_the_page_says(tmp_path: Path) -> None:
    """Those with remarks behind them; they do not simulate."""
    told = [step for step in steps("disaggregation.md") if step.shows]
    assert len(told) == 4
    for step in told:
        for command in step.commands:
            done = run(command, tmp_path)
        assert done.returncode == step.leaves, done.stderr
        for text in step.shows:
            assert text in " ".join((done.stdout + done.stderr).split())


def test_when_it_is_worth_it() -> None:
    """The savings that the page quotes, and words of its figure."""
    stated = PhasesApart(cdf="azure", lam=100.0, gpu_prefill="a100", gpu_decode="h100")
    found = worth(Question(stated))
    saving = 100 * found.saving()
    tight = int(np.argmin(np.abs(np.array(found.ttft_ms) - 43.0)))
    more = -saving[tight + 1 :]
    text = " ".join(TEXT.split())
    assert f"cost {more.min():.0f} to {more.max():.0f} % more" in text
    at_hundred = int(np.argmin(np.abs(np.array(found.rates) - 100.0)))
    assert f"save {saving[tight, at_hundred]:.0f} % at 100 requests per second" in text
    assert f"and {saving[tight, -1]:.0f} % at 1,000" in text
    assert np.isnan(saving[:tight]).all()
    figure = (ROOT / "docs" / "disaggregation_worth.svg").read_text()
    for word in ("bound on P99 TTFT, ms", "apart is cheaper", f"{saving[tight, -1]:+.0f}"):
        assert word in figure


def test_nothing_is_left_at_the_same_utilization() -> None:
    """The counts and savings that the page quotes at 1,000 requests per second."""
    stated = re.search(
        r"is 1P\+(\d+)D, (\d+) %\scheaper than (\d+) H100 .*? take 1P\+(\d+)D,\sand (\d+) % is",
        TEXT, flags=re.S,
    )  # fmt: skip
    assert stated is not None
    decode, saving, pool, held, left = (int(part) for part in stated.groups())
    question = Question(PhasesApart(cdf="azure", lam=1000.0, gpu_prefill="a100", gpu_decode="h100"))
    pair = question.pair("a100", "h100", 1000.0).corrected
    together = question.aggregated("h100", 1000.0).corrected
    assert together is not None
    assert (pair.n_prefill, pair.n_decode, together.gpus) == (1, decode, pool)
    assert round(100 * (1 - pair.usd_per_year / together.usd_per_year)) == saving
    assert math.ceil(1000.0 / (0.85 * pair.decode_rate)) == held
    usd = 8760 * (2.21 + 4.02 * held)
    assert round(100 * (1 - usd / together.usd_per_year)) == left


def test_savings_over_the_rate() -> None:
    """Always by the published count; with the prompt's KV only at high rates, by so much."""
    stated = re.search(r"From 100 requests .*?ahead by (\d+) to (\d+) %", TEXT, flags=re.S)
    assert stated is not None
    question = Question(PhasesApart(cdf="azure", lam=100.0, gpu_prefill="a100", gpu_decode="h100"))
    costs = costs_over_rates(question)
    pairs = zip(costs.published_apart, costs.published_together, strict=True)
    assert all(apart < together for apart, together in pairs)
    savings = [
        1 - a / b for a, b in zip(costs.corrected_apart, costs.corrected_together, strict=True)
    ]
    ahead = [s for rate, s in zip(costs.rates, savings, strict=True) if rate >= 99.9]
    assert (round(100 * min(ahead)), round(100 * max(ahead))) == (int(stated[1]), int(stated[2]))
    assert min(savings) < 0.0


def test_the_figure_is_that_of_the_command() -> None:
    figure = (ROOT / "docs" / "disaggregation.svg").read_text()
    for word in ("prefill and decode apart", "together in one pool", "100 per second"):
        assert word in figure
