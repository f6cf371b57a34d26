"""Designs on one model: the plan stands alone, and says what its engines are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleetopt.cli.main import cli
from fleetopt.plan import Plan
from fleetopt.problem import CoefficientSpec

CONFIG = {
    "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944,
    "max_position_embeddings": 131072, "num_attention_heads": 28, "num_hidden_layers": 28,
    "num_key_value_heads": 4, "tie_word_embeddings": False, "vocab_size": 152064,
}  # fmt: skip
PRICES = [{"gpu": "l40s", "usd_per_hour": 0.5, "date": "2026-01-01", "source": "ours"}]


def fleetopt(*words: str, leaves: int = 0) -> str:
    found = CliRunner(env={"COLUMNS": "100"}).invoke(cli, words)
    assert found.exit_code == leaves, found.output
    return found.output


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan on a model, whose files are gone."""
    model, prices = tmp_path / "config.json", tmp_path / "prices.json"
    model.write_text(json.dumps(CONFIG))
    prices.write_text(json.dumps({"schema": "fleetopt.catalogue/1", "prices": PRICES}))
    file = tmp_path / "plan.json"
    fleetopt(
        "solve", "--model", str(model), "--catalog", str(prices), "--gpus", "l40s,h100",
        "--tp", "1,2,3", "--cdf", "azure", "--lam", "5", "--slo", "3000", "--max-pools", "1",
        "--admission", "paged", "--no-verify", "--format", "json", "--output", str(file),
    )  # fmt: skip
    model.unlink()
    prices.unlink()
    return file


def test_a_plan_needs_none_of_its_files(plan: Path) -> None:
    """Its profiles are in it, with coefficients, engine, source and the user's price."""
    said = json.loads(plan.read_text())
    read = Plan.from_dict(said)
    specs = {spec.name: spec for spec in read.problem.profiles}
    used = specs[read.fleet.pools[0].profile]
    assert isinstance(used, CoefficientSpec)
    assert used.engine is not None
    assert used.gpus_per_replica == used.engine.gpus
    assert "data sheets" in used.source
    assert {spec.usd_per_hour for spec in specs.values() if spec.gpu == "l40s"} == {0.5}
    pools = read.fleet.pools
    hourly = sum(pool.gpus * specs[pool.profile].usd_per_hour for pool in pools)
    assert read.cost.usd_per_hour == pytest.approx(hourly)
    assert any("calibrated by measured runs of vllm" in note for note in read.notes)
    assert any("not measured with vllm: l40s;" in note for note in read.notes)
    assert any("its prompts go beyond the measured" in note for note in read.notes)
    assert any("must divide heads, which is 28, got 3" in note for note in read.notes)
    again = CliRunner().invoke(
        cli, ["verify", str(plan), "--requests", "500", "--replications", "2"]
    )
    assert again.exit_code in (0, 3), again.output
    assert f"pool-1: {used.name}" in " ".join(again.output.split())


def test_a_plan_is_simulated_with_its_own_batches(plan: Path) -> None:
    assert "pool-1" in fleetopt("simulate", str(plan), "--n-req", "500")


BASE = ("solve", "--model", "llama-3.1-70b", "--lam", "20")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("solve", "--model", "lama-3.1-70b", "--gpus", "h100"),
         "--model: unknown model 'lama-3.1-70b' (did you mean 'llama-3.1-70b'?)"),
        ((*BASE, "--gpus", "h100,hx200"), "--gpus: unknown GPU 'hx200' (did you mean 'h200'?)"),
        ((*BASE, "--gpus", "h100", "--tp", "1"), "it takes at least 2 of them (tp 2"),
        ((*BASE, "--gpus", "h100", "--tp", "3"), "must divide heads, which is 64, got 3"),
        ((*BASE, "--gpus", "h100", "--weights", "fp9"), "--weights: expected 'bf16', 'fp8'"),
        ((*BASE, "--gpus", "h100", "--engine", "vlm"), "--engine: expected 'vllm', 'sglang'"),
        ((*BASE, "--gpus", "h100", "--tp", "2,2"), "--tp: 2 is stated twice"),
        ((*BASE, "--gpus", "gb300x"), "--gpus: unknown GPU 'gb300x'"),
        ((*BASE, "--gpus", "h100", "--catalog", "none.json"), "--catalog: 'none.json': no such"),
        (("solve", "--tp", "2"), "goes together with `model`"),
        (("solve", "--model", "mixtral-8x7b", "--gpus", "h100"), "reads at most 32,768 tokens"),
        ((*BASE, "--gpus", "h100", "--method", "published"), "need a calibrated profile"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_message(given: tuple[str, ...], said: str) -> None:
    output = fleetopt(*given, leaves=2)
    assert said in output
    assert output.startswith("Error: ")
    assert len(output.strip().splitlines()) == 1


def test_a_gpu_without_a_price_is_told(tmp_path: Path) -> None:
    """A fleet for nothing would be the cheapest."""
    file = tmp_path / "mine.json"
    gpu = {"name": "mine", "memory_gib": 80, "memory_gb_per_s": 3000, "bf16_tflops": 900,
           "link": "nvlink4", "network": "ndr400", "tdp_w": 700, "source": "mine"}  # fmt: skip
    file.write_text(json.dumps({"schema": "fleetopt.catalogue/1", "gpus": [gpu]}))
    output = fleetopt(*BASE, "--gpus", "mine", "--catalog", str(file), leaves=2)
    assert "the price of mine is not known" in output
