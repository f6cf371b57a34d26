"""Known cliffs of TTFT: the rows below them tell where they are.

The roofline is calibrated by the unsaturated rows of one group; the KV of the replica comes from
its memory alone, so that nothing of the saturated rows is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from fleetopt.catalog import read_machines
from fleetopt.catalog.measurements import read_measurements
from fleetopt.performance.calibration import Constants, Factors
from fleetopt.questions.validation.cases import cases, decoding_rows
from fleetopt.questions.validation.flags import is_flagged
from fleetopt.questions.validation.ladders import saturated

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
MEASURED = SHARED / "silicon_serving_measurements.csv"
pytestmark = pytest.mark.skipif(
    not MEASURED.is_file(), reason=f"the measurements {MEASURED} are not here"
)


@dataclass(frozen=True, slots=True)
class Step:
    """A row of a ladder: measured and simulated TTFT in seconds, and what it is called."""

    measured_s: float
    simulated_s: float
    saturated: bool
    flagged: bool


@pytest.fixture(scope="module")
def rows() -> tuple:
    return read_measurements(MEASURED, read_machines()).rows


def steps(rows: tuple, group: str, weights: str, lengths: tuple[int, int]) -> dict[int, Step]:
    """Rows of a group with these lengths by clients, simulated with the group's own constants."""
    found, _ = cases((row for row in rows if row.group == group), "")
    slow = saturated([case.measured for case in found])
    equations = decoding_rows(found)
    factors = Factors(equations.named(equations.fit(~slow)))
    constants = Constants(factors, Factors(), (), "")
    least = min(case.measured.engine.tp for case in found)
    told = {}
    for case, is_slow in zip(found, slow, strict=True):
        row = case.measured
        ways = (row.prompt_tokens, row.output_tokens), row.engine.weights, row.engine.tp
        if ways == (lengths, weights, least):
            run = case.played(constants.seconds(case.levels))
            flagged = is_flagged(case, run, run.ttft_s)
            told[case.clients] = Step(row.ttft_s, run.ttft_s, bool(is_slow), flagged)
    return told


def test_tensorrt_llm_llama_70b_on_one_b200(rows: tuple) -> None:
    """2.3 s at 64 clients, 47 s at 128: 8192 + 1024 tokens in FP8."""
    ladder = steps(rows, "b200 trtllm llama-3.1-70b", "fp8", (8192, 1024))
    assert ladder[64].measured_s == pytest.approx(2.3, abs=0.05)
    assert ladder[128].measured_s == pytest.approx(47.0, abs=0.5)
    assert ladder[64].simulated_s == pytest.approx(2.3, rel=0.25)
    assert ladder[128].simulated_s == pytest.approx(47.0, rel=0.15)
    assert ladder[128].saturated
    assert ladder[128].flagged


def test_vllm_qwen3_32b_on_two_h100(rows: tuple) -> None:
    """0.98 s at 32 clients, 4.4 s at 64, 58.8 s at 128: 4096 + 1024 tokens.

    64 clients hold 92 % of the KV that memory tells: whether they wait depends on a few GB, so
    that the simulator finds the foot of the cliff, and flags it, but not its height.
    """
    ladder = steps(rows, "h100 vllm qwen3-32b", "bf16", (4096, 1024))
    measured = {32: 0.98, 64: 4.4, 128: 58.8}
    for clients, ttft_s in measured.items():
        assert ladder[clients].measured_s == pytest.approx(ttft_s, rel=0.01)
    assert ladder[32].simulated_s == pytest.approx(0.98, rel=0.25)
    assert ladder[64].simulated_s > 1.5 * ladder[32].simulated_s
    assert ladder[128].simulated_s == pytest.approx(58.8, rel=0.30)
    assert [ladder[clients].flagged for clients in (8, 16, 32, 64, 128)] == [False] * 3 + [True] * 2
    assert [ladder[clients].saturated for clients in (8, 16, 32, 64, 128)] == [False] * 3 + [
        True
    ] * 2


def test_flat_ladders_stay_flat(rows: tuple) -> None:
    """1024 + 1024 tokens on the same B200: 128 clients hold a third of its KV."""
    ladder = steps(rows, "b200 trtllm llama-3.1-70b", "fp8", (1024, 1024))
    assert len(ladder) > 4
    assert not any(step.saturated or step.flagged for step in ladder.values())
    assert np.max([step.simulated_s for step in ladder.values()]) < 3.0
