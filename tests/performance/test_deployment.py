"""What can run: number formats, and how heads, layers and experts are divided."""

from __future__ import annotations

import pytest
from catalogue_entries import GPUS, LLMS

from fleetopt.errors import InputError
from fleetopt.performance.deployment import Deployment
from fleetopt.problem import EngineConfig


def deployed(llm: str, gpu: str, **engine: object) -> Deployment:
    return Deployment.of(LLMS[llm], GPUS[gpu], EngineConfig.model_validate(engine))


@pytest.mark.parametrize(
    ("gpu", "weights", "compute"),
    [
        ("a100", "bf16", "bf16"),
        ("a100", "fp8", "bf16"),
        ("h100", "fp8", "fp8"),
        ("h100", "fp4", "bf16"),
        ("h100", "int4", "bf16"),
        ("b200", "fp4", "fp4"),
        ("b200", "int4", "bf16"),
    ],
)
def test_products_are_in_the_fastest_format_that_weights_and_gpu_allow(
    gpu: str, weights: str, compute: str
) -> None:
    assert deployed("qwen3-8b", gpu, weights=weights).compute == compute


@pytest.mark.parametrize(
    ("llm", "gpu", "engine", "expected"),
    [
        # formats
        ("qwen3-8b", "a100", {"weights": "fp8", "compute": "fp8"}, "compute: a100 computes in bf16 "
         "only, not in fp8 (fp8 weights compute in bf16 there: leave this out)"),
        ("qwen3-8b", "h100", {"weights": "fp4", "compute": "fp4"}, "compute: h100 computes in "
         "bf16, fp8 only, not in fp4"),
        ("qwen3-8b", "h100", {"compute": "fp8"}, "compute: fp8 products need weights in fp8, got"),
        # heads, widths, stages
        ("llama-3.1-70b", "h100", {"tp": 3}, "tp: must divide heads, which is 64, got 3"),
        ("llama-3.1-70b", "h100", {"tp": 128}, "tp: must divide heads, which is 64, got 128"),
        ("qwen3-8b", "h100", {"pp": 37}, "pp: at most the 36 layers, got 37"),
        # context
        ("qwen3-8b", "h100", {"mean_context_tokens": 40961}, "mean_context_tokens: qwen3-8b reads "
         "at most 40960 tokens, got 40961"),
        # experts
        ("qwen3-8b", "h100", {"tp": 2, "ep": 2}, "ep: qwen3-8b has no experts, so this must be 1"),
        ("qwen3-8b", "h100", {"dp": 2}, "dp: qwen3-8b has no experts, so this must be 1, got 2"),
        ("mixtral-8x7b", "h100", {"tp": 2, "ep": 4}, "ep: must divide tp x dp = 2, got 4"),
        ("mixtral-8x7b", "h100", {"tp": 16, "ep": 16}, "ep: must divide experts, which is 8, got"),
        ("qwen3-30b-a3b", "h100", {"dp": 5}, "tp x dp / ep: must divide an expert's width"),
    ],
)  # fmt: skip
def test_what_cannot_run(llm: str, gpu: str, engine: dict[str, object], expected: str) -> None:
    with pytest.raises(InputError) as caught:
        deployed(llm, gpu, **engine)
    assert expected in str(caught.value)


def test_all_reasons_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        deployed("qwen3-32b", "a100", tp=3, ep=2, weights="fp8", compute="fp8")
    places = [fault.place for fault in caught.value.faults]
    assert places == ["tp", "tp", "tp", "ep", "compute"]


def test_more_gpus_than_kv_heads_repeat_them() -> None:
    """Each of 8 GPUs holds one of 4 heads; a token then takes twice the bytes in all."""
    few, many = (deployed("qwen3-30b-a3b", "h100", tp=tp) for tp in (4, 8))
    assert few.kv_heads == many.kv_heads == 1
    assert many.kv_layer_bytes * 8 == 2 * few.kv_layer_bytes * 4


def test_the_name_says_how_it_is_spread() -> None:
    assert deployed("qwen3-8b", "l4").name == "qwen3-8b-l4"
    engine = {"tp": 2, "dp": 4, "ep": 8, "pp": 2}
    assert deployed("deepseek-v3", "h200", **engine).name == "deepseek-v3-h200-tp2-pp2-dp4-ep8"
