"""`fleetopt profile`: what it prints, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fleetopt.cli.main import cli

LLAMA = ("--model", "llama-3.1-70b", "--gpu", "h100", "--tp", "8")


def called(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["profile", *arguments])


def answer(*arguments: str) -> str:
    result = called(*arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_a_derivation_in_every_form(tmp_path: Path) -> None:
    text = answer("show", *LLAMA)
    data = json.loads(answer("show", *LLAMA, "--format", "json"))
    rows = list(csv.DictReader(io.StringIO(answer("show", *LLAMA, "--format", "csv"))))
    assert data["schema"] == "fleetopt.profile/1"
    assert data["kv_bytes_per_token"] == 327_680
    assert data["gpus_per_replica"] == 8
    assert len(rows) == len(data["steps"])
    for row in rows:
        assert row["step"] in text
        assert row["bound"] in ("memory", "compute", "link", "host")
    assert {row["iteration"] for row in rows} == {"decode", "prefill"}
    assert "with calibrated constants" in text
    assert "no constant is calibrated" in answer("show", *LLAMA, "--engine", "none")
    assert all(said in " ".join(text.split()) for said in data["caveats"])


def test_the_steps_add_up_to_the_coefficients() -> None:
    """A decode iteration of 32 sequences at the context of the fit lies on W + h C."""
    data = json.loads(answer("show", *LLAMA, "--batch", "32", "--format", "json"))
    steps_ms = sum(step["total_ms"] for step in data["steps"] if step["iteration"] == "decode")
    law = data["iteration"]
    expected = law["base_s"] + law["per_context_token_s"] * 32 * 2048
    assert steps_ms == pytest.approx(1e3 * expected, rel=data["decode_departure"] + 1e-9)


def test_what_fits_in_every_form() -> None:
    command = ("fits", "--model", "llama-3.1-70b", "--gpus", "h100,l4", "--tp", "1,4")
    text = answer(*command)
    data = json.loads(answer(*command, "--format", "json"))
    rows = list(csv.DictReader(io.StringIO(answer(*command, "--format", "csv"))))
    fits = {(fit["gpu"], fit["tp"]): fit["fits"] for fit in data["fits"]}
    assert fits == {("h100", 1): False, ("h100", 4): True, ("l4", 1): False, ("l4", 4): False}
    assert len(rows) == sum(len(fit["slots"]) for fit in data["fits"])
    assert "-: the model does not fit" in text


def test_ways_that_cannot_be_divided_are_named_once() -> None:
    text = answer("fits", "--model", "qwen3-8b", "--gpus", "h100,h200", "--tp", "3")
    assert text.count("3 GPUs: tp: must divide heads, which is 32, got 3") == 1
    rows = answer("fits", "--model", "qwen3-8b", "--gpus", "h100", "--tp", "3", "--format", "csv")
    assert "must divide heads" in rows


def test_an_imported_model_can_be_used_at_once(tmp_path: Path) -> None:
    config = {
        "model_type": "qwen2", "num_hidden_layers": 4, "hidden_size": 256, "vocab_size": 1000,
        "num_attention_heads": 8, "num_key_value_heads": 2, "intermediate_size": 512,
        "max_position_embeddings": 4096, "tie_word_embeddings": True,
    }  # fmt: skip
    path, catalogue = tmp_path / "config.json", tmp_path / "mine.json"
    path.write_text(json.dumps(config))
    result = called("import-hf", str(path), "--name", "Small", "-o", str(catalogue))
    assert result.exit_code == 0, result.stderr
    assert result.stderr.startswith("small: 0.0 B parameters")
    stated = json.loads(catalogue.read_text())
    assert stated["llms"][0]["tied_embeddings"] is True
    shown = [
        json.loads(answer("show", *named, "--gpu", "l4", "--format", "json"))
        for named in (("--model", str(catalogue)), ("--model", str(path)),
                      ("--model", "small", "--catalog", str(catalogue)))
    ]  # fmt: skip
    assert len({str(data["iteration"]) for data in shown}) == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--model", "lama", "--gpu", "h100"), "--model: unknown model 'lama'"),
        (("--model", "qwen3-8b", "--gpu", "h10"), "--gpu: unknown GPU 'h10' (did you mean"),
        (("--model", "qwen3-8b", "--gpu", "h100", "--engine", "lmdeploy"),
         "--engine: expected 'vllm', 'sglang'"),
        (("--model", "qwen3-8b", "--gpu", "h100", "--tp", "x"), "--tp: expected a whole number"),
        (("--model", "qwen3-8b", "--gpu", "h100", "--tp", "3"), "--tp: must divide heads"),
        (("--model", "qwen3-8b", "--gpu", "h100", "--weights", "fp6"), "--weights: expected "
         "'bf16', 'fp8', 'fp4' or 'int4', got 'fp6'"),
        (("--model", "qwen3-8b", "--gpu", "a100", "--weights", "fp8", "--compute", "fp8"),
         "--compute: a100 computes in bf16 only, not in fp8"),
        (("--model", "qwen3-8b", "--gpu", "h100", "--memory-fraction", "1.5"),
         "--memory-fraction: must be at most 1, got '1.5'"),
        (("--model", "llama-3.1-405b", "--gpu", "h100", "--tp", "8"),
         "--model: llama-3.1-405b does not fit on 8 h100"),
    ],
)  # fmt: skip
def test_wrong_input(arguments: tuple[str, ...], expected: str) -> None:
    result = called("show", *arguments)
    assert result.exit_code == 2
    assert expected in result.stderr


def test_several_faults_are_told_at_once() -> None:
    result = called("show", "--model", "qwen3-32b", "--gpu", "h100", "--tp", "x", "--kv", "int2")
    assert result.exit_code == 2
    assert "2 faults" in result.stderr
