"""Weights and KV bytes by two methods: closed form, and tensor by tensor."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from catalogue_entries import GPUS, LLMS
from hypothesis import given, settings
from hypothesis import strategies as st
from tensors import tensors

from fleetopt.performance.deployment import BYTES, WIDE, Deployment, kv_bytes_per_token
from fleetopt.performance.memory import weight_bytes
from fleetopt.performance.parameters import active_parameters, total_parameters
from fleetopt.problem import EngineConfig, LlmSpec

FIGURES = Path(__file__).resolve().parents[3] / "shared" / "reference" / "llms.json"

PUBLISHED = {
    # parameters as the safetensors indices of the published checkpoints add up to; embeddings that
    # are shared once
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "mistral-7b": 7_241_732_096,
    "mixtral-8x7b": 46_702_792_704,
    "qwen3-8b": 8_190_735_360,
    "qwen3-32b": 32_762_123_264,
    "qwen3-30b-a3b": 30_532_122_624,
    "qwen3-235b-a22b": 235_093_634_560,
    "deepseek-v3": 671_026_419_200,
    "deepseek-v3.2": 671_026_419_200,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "llama-2-70b": 68_976_648_192,
    "mistral-small-24b": 23_572_403_200,
    "mixtral-8x22b": 140_620_634_112,
    "phi-4": 14_659_507_200,
    "qwen2.5-7b": 7_615_616_512,
    "qwen2.5-14b": 14_770_033_664,
    "qwen2.5-32b": 32_763_876_352,
    "qwen2.5-72b": 72_706_203_648,
    "qwen3-0.6b": 596_049_920,
    "qwen3-1.7b": 1_720_574_976,
    "qwen3-4b": 4_022_468_096,
    "qwen3-14b": 14_768_307_200,
    "qwen3-coder-480b-a35b": 480_154_875_392,
}


@st.composite
def models(draw: st.DrawFn) -> LlmSpec:
    """Small models of every kind."""
    latent, moe = draw(st.booleans()), draw(st.booleans())
    kv_heads = draw(st.sampled_from([1, 2, 4]))
    layers = draw(st.integers(1, 5))
    keys: dict[str, object] = {
        "name": "small", "source": "drawn", "layers": layers, "max_position": 4096,
        "hidden": 16 * draw(st.integers(1, 4)), "vocab": 8 * draw(st.integers(1, 50)),
        "heads": 4, "intermediate": 32, "tied_embeddings": draw(st.booleans()),
    }  # fmt: skip
    if latent:
        keys |= {"attention": "mla", "kv_lora_rank": 24, "rope_head_dim": 8, "nope_head_dim": 16,
                 "v_head_dim": 12, "q_lora_rank": 20}  # fmt: skip
    else:
        keys |= {"kv_heads": kv_heads, "head_dim": 8, "qkv_bias": draw(st.booleans()),
                 "qk_norm": draw(st.booleans())}  # fmt: skip
    if moe:
        keys |= {"experts": 8, "experts_per_token": draw(st.integers(1, 8)),
                 "moe_intermediate": 16, "shared_experts": draw(st.integers(0, 2)),
                 "first_dense_layers": draw(st.integers(0, layers - 1)),
                 "router_bias": draw(st.booleans())}  # fmt: skip
    return LlmSpec.model_validate(keys)


ANNOUNCED = {
    # billions, as model cards say; GLM-5 and Qwen3.5 without the layers that predict more tokens
    "gpt-oss-120b": 116.8,
    "kimi-k2.5": 1026.0,
    "minimax-m2.5": 228.7,
    "glm-5": 744.0,
    "glm-5.2": 744.0,
    "minimax-m2.7": 228.7,
    "qwen3.5-397b-a17b": 397.0,
    "gpt-oss-20b": 20.91,
    "kimi-k2": 1026.0,
    "gemma-3-27b": 27.0,
    "glm-4.5": 353.0,
    "glm-4.5-air": 107.0,
}
SHORT = {"qwen3.5-35b-a3b": (35.0, 0.025), "qwen3.5-122b-a10b": (122.0, 0.012)}
"""Billions that were announced, and the share that linear attention leaves out, as sources say."""


def test_every_model_is_counted_somewhere() -> None:
    assert set(LLMS) == {*PUBLISHED, *ANNOUNCED, *SHORT}


@pytest.mark.parametrize("name", sorted(ANNOUNCED))
def test_parameters_are_close_to_those_that_were_announced(name: str) -> None:
    assert total_parameters(LLMS[name]) / 1e9 == pytest.approx(ANNOUNCED[name], rel=0.01)


@pytest.mark.parametrize("name", sorted(SHORT))
def test_what_is_left_out_is_what_the_source_says(name: str) -> None:
    announced, short = SHORT[name]
    assert total_parameters(LLMS[name]) / 1e9 == pytest.approx(announced * (1 - short), rel=0.002)
    assert f"leaves {100 * short:.1f} % of the parameters out" in LLMS[name].source


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_parameters_of_the_catalogue_are_those_of_the_checkpoints(name: str) -> None:
    assert total_parameters(LLMS[name]) == PUBLISHED[name]


@given(models())
def test_parameters_tensor_by_tensor(llm: LlmSpec) -> None:
    """The closed form against a walk over every tensor of a checkpoint."""
    assert total_parameters(llm) == sum(tensor.numbers for tensor in tensors(llm))


@given(models())
def test_active_parameters_leave_out_the_experts_that_a_token_does_not_visit(
    llm: LlmSpec,
) -> None:
    visited = {f".experts.{e}." for e in range(llm.experts_per_token)}
    met = sum(
        tensor.numbers
        for tensor in tensors(llm)
        if tensor.cut != "experts" or any(name in tensor.name for name in visited)
    )
    assert active_parameters(llm) == met


@settings(max_examples=60)
@given(models(), st.sampled_from([1, 2, 4]), st.sampled_from(["bf16", "fp8", "fp4", "int4"]))
def test_weights_of_a_gpu_tensor_by_tensor(llm: LlmSpec, tp: int, dtype: str) -> None:
    """What tensor parallelism cuts is shared; norms, routers and latent projections are not."""
    engine = EngineConfig.model_validate({"tp": tp, "weights": dtype})
    held = sum(
        tensor.numbers / (tp if tensor.cut else 1) * (WIDE if tensor.wide else BYTES[dtype])
        for tensor in tensors(llm)
    )
    deployment = Deployment.of(llm, GPUS["h100"], engine)
    assert weight_bytes(deployment) == pytest.approx(held)


@settings(max_examples=60)
@given(models(), st.integers(1, 5))
def test_weights_of_the_fullest_stage_tensor_by_tensor(llm: LlmSpec, stages: int) -> None:
    """The first and the last stage, each with as many layers as the longest stage."""
    stages = min(stages, llm.layers)
    length = math.ceil(llm.layers / stages)
    deployment = Deployment.of(llm, GPUS["h100"], EngineConfig(pp=stages))
    every = list(tensors(llm))
    table = llm.vocab * llm.hidden
    first = sum(t.numbers for t in every if t.layer is not None and t.layer < length)
    last = sum(t.numbers for t in every if t.layer is not None and t.layer >= llm.layers - length)
    tables = table if stages > 1 or llm.tied_embeddings else 2 * table
    expected = (max(first, last) + tables + llm.hidden) * WIDE
    assert weight_bytes(deployment) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "dtype", "expected"),
    [
        ("llama-3.1-70b", "bf16", 327_680),
        ("llama-3.1-70b", "fp8", 163_840),
        ("deepseek-v3", "bf16", 70_272),
    ],
)
def test_known_kv_bytes(name: str, dtype: str, expected: float) -> None:
    assert kv_bytes_per_token(LLMS[name], dtype) == expected


def test_latent_attention_caches_a_57th_of_its_heads() -> None:
    """DeepSeek-V3 with its 128 heads cached one by one would take 57 times as much."""
    llm = LLMS["deepseek-v3"]
    whole = 2 * llm.layers * llm.heads * llm.v_head_dim * 2
    assert whole / kv_bytes_per_token(llm, "bf16") == pytest.approx(56.9, abs=0.1)


@given(models(), st.integers(1, 100))
def test_kv_bytes_token_by_token(llm: LlmSpec, tokens: int) -> None:
    """A cache array is as wide as what the key and value projections put out."""
    width = {"k_proj": 0, "v_proj": 0, "kv_a_proj_with_mqa": 0}
    for tensor in tensors(llm):
        kind = tensor.name.rsplit(".", 1)[-1]
        if kind in width:
            width[kind] += tensor.shape[0]
    assert tokens * kv_bytes_per_token(llm, "fp8") == tokens * sum(width.values())


def test_figures_and_checks_of_the_reference() -> None:
    """Sizes as stated there, and totals within the ranges that it gives."""
    if not FIGURES.is_file():
        pytest.skip(f"the reference figures are not at {FIGURES}")
    reference = json.loads(FIGURES.read_text())
    for stated in reference["llms"]:
        llm = LLMS[stated["name"]]
        for key, value in stated.items():
            if key == "intermediate" and llm.moe_layers == llm.layers:
                continue
            assert getattr(llm, key) == value, (llm.name, key)
    for text, expected in reference["checks"].items():
        if not text.startswith("params "):
            continue
        low, high = (float(part) for part in expected.split(".."))
        assert low <= total_parameters(LLMS[text.removeprefix("params ")]) <= high
    assert active_parameters(LLMS["deepseek-v3"]) == pytest.approx(37e9, rel=0.02)
