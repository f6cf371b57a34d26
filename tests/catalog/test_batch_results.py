"""Measured batches that start together: read, put together, and refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetopt.catalog.benchmark_results import read_results
from fleetopt.errors import InputError

HEAD = "model,hardware,prompt_size,batch_size,token_size,prompt_time,token_time,e2e_time\n"
ROWS = (
    "a,x,512,2,100,80,10,1070\n"
    "a,x,512,2,100,90,12,1278\n"
    "a,x,512,2,100,70,14,300\n"
    "a,x,512,4,900,80,10,300\n"
    "b,x,512,2,100,40,5,535\n"
)


def written(folder: Path, text: str) -> str:
    path = folder / "batches.csv"
    path.write_text(HEAD + text)
    return str(path)


def test_repetitions_become_one_run_with_mean_times(tmp_path: Path) -> None:
    """The third row ended after 17 tokens of 100, the fourth after 23 of 900."""
    read = read_results(written(tmp_path, ROWS), where={"model": "a"})
    (run,) = read.runs
    assert run.at_once
    assert run.place.endswith("line 2 and 1 more")
    assert (run.prompt_tokens, run.clients, run.output_tokens) == (512, 2, 100)
    assert (run.ttft_ms, run.tpot_ms) == (85, 11)
    (left,) = read.left_out
    assert "line 5" in left.place
    assert "fewer than asked for" in left.expected


def test_one_fit_is_for_one_deployment(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"several deployments \(model: a, b\) .*--where model=a"):
        read_results(written(tmp_path, ROWS))


def test_conditions_that_nothing_meets_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path, ROWS)
    with pytest.raises(InputError, match="no row has model=c, hardware=x"):
        read_results(file, where={"model": "c", "hardware": "x"})
    with pytest.raises(InputError, match=r"no column 'hardwar' .*did you mean 'hardware'"):
        read_results(file, where={"hardwar": "x"})


def test_values_that_are_no_numbers_are_left_out_with_their_line(tmp_path: Path) -> None:
    read = read_results(written(tmp_path, "a,x,512,1,100,none,10,1070\n"))
    assert not read.runs
    assert "ttft_ms is 'none'" in read.left_out[0].expected
    assert "line 2" in read.left_out[0].place


def test_conditions_hold_for_closed_loops_too(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("gpu,isl,osl,concurrency,ttft_ms,tpot_ms\na,512,64,1,9,1\nb,512,64,1,8,1\n")
    (run,) = read_results(str(path), where={"gpu": "b"}).runs
    assert run.ttft_ms == 8
    assert not run.at_once
