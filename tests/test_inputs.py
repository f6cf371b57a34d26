"""What a problem names, read: every fault at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetopt import FleetProblem, InputError
from fleetopt.inputs import inputs_of
from fleetopt.problem import TraceSource


def test_every_fault_of_a_trace_and_its_problem_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n0,5,5\n1,0,5\n")
    with pytest.raises(InputError) as caught:
        inputs_of(FleetProblem(trace=TraceSource(path=str(path)), gpus=("h1000",)))
    text = str(caught.value)
    assert "line 3: num_prefill_tokens" in text
    assert "unknown GPU 'h1000'" in text
    skipping = TraceSource(path="t.csv", skip_bad_lines=True)
    with pytest.raises(InputError, match="needs two requests at different times"):
        inputs_of(FleetProblem(trace=skipping), beside=tmp_path)
