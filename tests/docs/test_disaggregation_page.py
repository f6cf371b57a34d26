"""The recorded answer on phases apart is still the answer, and the page's figures hold."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleetopt.cli.main import cli
from fleetopt.problem import PhasesApart
from fleetopt.questions.disaggregation import Question, costs_over_rates

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import record  # noqa: E402

TEXT = (ROOT / "docs" / "disaggregation.md").read_text()


def test_the_recorded_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", record.WIDTH)
    done = CliRunner().invoke(cli, record.DISAGG.split())
    assert done.stdout == (record.MEASURED / "disagg_azure.txt").read_text()
    assert record.DISAGG in " ".join(TEXT.replace("\\\n", " ").split())


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
