"""TraceWorkload: the published kinds of files, Poisson arrivals, and what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fleetopt.compat import TraceWorkload
from fleetopt.errors import InputError


def azure(folder: Path, count: int = 50) -> Path:
    file = folder / "azure.csv"
    lines = [f"2023-11-16 18:17:{i:02}.5,{100 + i},{10 + i}" for i in range(count)]
    file.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *lines]))
    return file


def test_azure(tmp_path: Path) -> None:
    """Times from the first arrival on."""
    requests = TraceWorkload(str(azure(tmp_path)), max_reqs=20).generate()
    assert [t for t, _ in requests] == pytest.approx(range(20))
    assert [(r.req_id, r.l_in, r.l_out) for _, r in requests] == [
        (i, 100 + i, 10 + i) for i in range(20)
    ]
    assert all(r.arrival_time == t and r.category == "prose" for t, r in requests)


def test_labels_of_a_semantic_router(tmp_path: Path) -> None:
    """Columns under other names, and a model for requests without one."""
    file = tmp_path / "routed.jsonl"
    rows = [
        {"timestamp": i, "prompt_tokens": 5, "generated_tokens": 6, "routed_to": model, "kind": "x"}
        for i, model in enumerate(["big", "", "small"])
    ]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    workload = TraceWorkload(file, "semantic_router", field_map={"category": "kind"},
                             model_id_field="routed_to", default_model_id="other")  # fmt: skip
    requests = [request for _, request in workload.generate()]
    assert [r.model_id for r in requests] == ["big", "other", "small"]
    assert [r.category for r in requests] == ["x"] * 3


def test_another_rate_makes_poisson_arrivals(tmp_path: Path) -> None:
    trace = azure(tmp_path)
    times = [t for t, _ in TraceWorkload(trace, scale_lam=200.0, seed=7).generate()]
    again = [t for t, _ in TraceWorkload(trace, scale_lam=200.0, seed=7).generate()]
    assert times == again == sorted(times)
    assert np.mean(np.diff(times)) == pytest.approx(1 / 200, rel=0.8)


def test_wrong_traces(tmp_path: Path) -> None:
    trace = azure(tmp_path)
    bare = tmp_path / "bare.csv"
    bare.write_text("prompt_tokens,output_tokens\n5,6\n")
    bad = tmp_path / "bad.csv"
    bad.write_text("timestamp,num_prefill_tokens,num_decode_tokens\n0,5,6\n1,many,6\n2,7,8\n")
    cases = [
        (TraceWorkload(trace, "azure"), "unknown kind 'azure' .*did you mean 'azure_csv'"),
        (TraceWorkload(trace, scale_lam=0), "scale_lam: must be above 0, got 0"),
        (TraceWorkload(trace, field_map={"l_inn": "x"}), "unknown field 'l_inn'"),
        (TraceWorkload(bare, "splitwise"), "states no arrival times .*say a rate"),
        (TraceWorkload(bad, "splitwise"), "line 3"),
    ]
    for workload, said in cases:
        with pytest.raises(InputError, match=said):
            workload.generate()
    kept = TraceWorkload(bad, "splitwise", skip_bad_lines=True).generate()
    assert [r.l_in for _, r in kept] == [5, 7]
