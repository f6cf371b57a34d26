"""The bundled language models against the config.json of their releases.

AIConfigurator comes with the files of most of them.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fleetopt.catalog import read_config, read_machines
from fleetopt.performance.aiconfigurator import MODELS
from fleetopt.problem import LlmSpec

LLMS = read_machines().llms
KEYS = {
    "layers": ("num_hidden_layers",),
    "hidden": ("hidden_size",),
    "heads": ("num_attention_heads",),
    "kv_heads": ("num_key_value_heads",),
    "head_dim": ("head_dim",),
    "vocab": ("vocab_size",),
    "max_position": ("max_position_embeddings",),
    "intermediate": ("intermediate_size",),
    "experts": ("n_routed_experts", "num_local_experts", "num_experts"),
    "experts_per_token": ("num_experts_per_tok",),
    "shared_experts": ("n_shared_experts",),
    "moe_intermediate": ("moe_intermediate_size",),
    "first_dense_layers": ("first_k_dense_replace",),
    "kv_lora_rank": ("kv_lora_rank",),
    "q_lora_rank": ("q_lora_rank",),
    "rope_head_dim": ("qk_rope_head_dim",),
    "nope_head_dim": ("qk_nope_head_dim",),
    "v_head_dim": ("v_head_dim",),
    "tied_embeddings": ("tie_word_embeddings",),
}


RELEASES = {
    **MODELS,
    "deepseek-v3.2": "deepseek-ai/DeepSeek-V3.2",
    "glm-5.2": "zai-org/GLM-5.2",
    "gpt-oss-20b": "openai/gpt-oss-20b",
    "kimi-k2": "moonshotai/Kimi-K2-Instruct",
    "minimax-m2.7": "MiniMaxAI/MiniMax-M2.7",
    "mixtral-8x7b": "mistralai/Mixtral-8x7B-v0.1",
    "mixtral-8x22b": "mistralai/Mixtral-8x22B-v0.1",
    "qwen3-0.6b": "Qwen/Qwen3-0.6B",
    "qwen3-1.7b": "Qwen/Qwen3-1.7B",
    "qwen3-coder-480b-a35b": "Qwen/Qwen3-Coder-480B-A35B-Instruct",
    "qwen3.5-35b-a3b": "Qwen/Qwen3.5-35B-A3B",
    "qwen3.5-122b-a10b": "Qwen/Qwen3.5-122B-A10B",
}
"""Models of the catalogue whose files are there."""
LINEAR = ["qwen3.5-35b-a3b", "qwen3.5-122b-a10b", "qwen3.5-397b-a17b"]


def config_file(name: str) -> Path:
    """The config.json of a release."""
    package = find_spec("aiconfigurator_core")
    if package is None or package.origin is None:
        pytest.skip("AIConfigurator, which has these files, is not installed")
    file = f"{RELEASES[name].replace('/', '--')}_config.json"
    return Path(package.origin).parent / "model_configs" / file


def released(name: str) -> dict[str, Any]:
    """What it says, of its text model if it has several."""
    config = json.loads(config_file(name).read_text())
    text: dict[str, Any] = config.get("text_config", config)
    return text


def known(llm: LlmSpec, config: dict[str, Any]) -> dict[str, Any]:
    """What the file says of our keys; widths that the model has no use for are left out."""
    said = {
        ours: config[key]
        for ours, keys in KEYS.items()
        for key in keys
        if config.get(key) is not None
    }
    unused = {"kv_heads", "head_dim"} if llm.attention == "mla" else set()
    if llm.experts and llm.moe_layers == llm.layers:
        unused.add("intermediate")  # no layer is dense; some files give the experts' width there
        said.setdefault("moe_intermediate", config.get("intermediate_size"))
    if "head_dim" not in said:
        said["head_dim"] = config["hidden_size"] // config["num_attention_heads"]
    return {key: value for key, value in said.items() if key not in unused}


@pytest.mark.parametrize("name", sorted(RELEASES))
def test_the_import_gives_the_catalogue(name: str) -> None:
    """The file of the release, read as a user's own."""
    llm, _ = read_config(config_file(name), name)
    ignored = {"source"} | (set() if LLMS[name].intermediate else {"intermediate"})
    assert llm.model_dump(exclude=ignored) == LLMS[name].model_dump(exclude=ignored)


@pytest.mark.parametrize("name", sorted(RELEASES))
def test_every_figure_is_that_of_the_release(name: str) -> None:
    llm = LLMS[name]
    said = known(llm, released(name))
    assert len(said) >= 9
    assert {key: getattr(llm, key) for key in said} == said


@pytest.mark.parametrize("name", ["gpt-oss-20b", "gpt-oss-120b", *LINEAR])
def test_layers_without_the_whole_context_are_counted(name: str) -> None:
    """Sliding windows of gpt-oss; Qwen3.5 has linear attention there, which counts as one."""
    config = released(name)
    whole = sum(kind == "full_attention" for kind in config["layer_types"])
    assert LLMS[name].sliding_layers == LLMS[name].layers - whole
    assert config.get("sliding_window", LLMS[name].sliding_window) == LLMS[name].sliding_window


@pytest.mark.parametrize("name", LINEAR)
def test_linear_attention_takes_the_memory_that_its_source_says(name: str) -> None:
    """Qwen3.5: a state of heads x key width x value width in FP32, against keys and values."""
    config, llm = released(name), LLMS[name]
    assert config["mamba_ssm_dtype"] == "float32"
    state = config["linear_num_value_heads"] * config["linear_key_head_dim"]
    state *= config["linear_value_head_dim"] * 4
    window = llm.sliding_window * 2 * llm.kv_heads * llm.head_dim * 2
    assert state == window
    assert "kept in FP32" in llm.source
