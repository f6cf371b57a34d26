"""Models from config.json files, in the form in which Hugging Face publishes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleetopt.catalog import read_config, read_machines
from fleetopt.errors import InputError
from fleetopt.performance.parameters import total_parameters

LLMS = read_machines().llms
SIZES = {
    "num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 8, "vocab_size": 1000,
    "max_position_embeddings": 4096, "intermediate_size": 512,
}  # fmt: skip
LLAMA = {**SIZES, "model_type": "llama", "num_key_value_heads": 2}
PUBLISHED: dict[str, dict[str, Any]] = {
    # keys of the published files that say something about sizes
    "llama-3.1-70b": {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False,
        "hidden_size": 8192, "intermediate_size": 28672, "max_position_embeddings": 131072,
        "num_attention_heads": 64, "num_hidden_layers": 80, "num_key_value_heads": 8,
        "tie_word_embeddings": False, "vocab_size": 128256,
    },
    "mixtral-8x7b": {
        "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336,
        "max_position_embeddings": 32768, "num_attention_heads": 32, "num_experts_per_tok": 2,
        "num_hidden_layers": 32, "num_key_value_heads": 8, "num_local_experts": 8,
        "sliding_window": None, "tie_word_embeddings": False, "vocab_size": 32000,
    },
    "qwen3-30b-a3b": {
        "model_type": "qwen3_moe", "attention_bias": False, "decoder_sparse_step": 1,
        "head_dim": 128, "hidden_size": 2048, "intermediate_size": 6144,
        "max_position_embeddings": 40960, "max_window_layers": 48, "mlp_only_layers": [],
        "moe_intermediate_size": 768, "num_attention_heads": 32, "num_experts": 128,
        "num_experts_per_tok": 8, "num_hidden_layers": 48, "num_key_value_heads": 4,
        "sliding_window": None, "tie_word_embeddings": False, "use_sliding_window": False,
        "vocab_size": 151936,
    },
    "qwen3-32b": {
        "model_type": "qwen3", "attention_bias": False, "head_dim": 128, "hidden_size": 5120,
        "intermediate_size": 25600, "max_position_embeddings": 40960, "max_window_layers": 64,
        "num_attention_heads": 64, "num_hidden_layers": 64, "num_key_value_heads": 8,
        "sliding_window": None, "tie_word_embeddings": False, "use_sliding_window": False,
        "vocab_size": 151936,
    },
    "deepseek-v3": {
        "model_type": "deepseek_v3", "first_k_dense_replace": 3, "hidden_size": 7168,
        "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 163840,
        "moe_intermediate_size": 2048, "moe_layer_freq": 1, "n_routed_experts": 256,
        "n_shared_experts": 1, "num_attention_heads": 128, "num_experts_per_tok": 8,
        "num_hidden_layers": 61, "num_key_value_heads": 128, "q_lora_rank": 1536,
        "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "tie_word_embeddings": False,
        "topk_method": "noaux_tc", "v_head_dim": 128, "vocab_size": 129280,
    },
}  # fmt: skip


TOTALS = {
    # parameters of the published checkpoints, tied embeddings once
    7_615_616_512: {  # Qwen2.5 7B
        "model_type": "qwen2", "num_hidden_layers": 28, "hidden_size": 3584,
        "num_attention_heads": 28, "num_key_value_heads": 4, "intermediate_size": 18944,
        "vocab_size": 152064, "max_position_embeddings": 131072, "tie_word_embeddings": False,
    },
    3_821_079_552: {  # Phi-3 mini
        "model_type": "phi3", "num_hidden_layers": 32, "hidden_size": 3072,
        "num_attention_heads": 32, "num_key_value_heads": 32, "intermediate_size": 8192,
        "vocab_size": 32064, "max_position_embeddings": 4096, "sliding_window": 2047,
    },
    1_235_814_400: {  # Llama 3.2 1B
        "model_type": "llama", "num_hidden_layers": 16, "hidden_size": 2048, "head_dim": 64,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 8192,
        "vocab_size": 128256, "max_position_embeddings": 131072, "tie_word_embeddings": True,
    },
    15_706_484_224: {  # DeepSeek-V2 Lite
        "model_type": "deepseek_v2", "num_hidden_layers": 27, "hidden_size": 2048,
        "num_attention_heads": 16, "intermediate_size": 10944, "moe_intermediate_size": 1408,
        "n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6,
        "first_k_dense_replace": 1, "kv_lora_rank": 512, "q_lora_rank": None,
        "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
        "vocab_size": 102400, "max_position_embeddings": 163840, "topk_method": "greedy",
    },
}  # fmt: skip
NEARLY = {
    # without the biases of the experts, and without two norms of each layer
    116_829_156_672: {  # gpt-oss 120B
        "model_type": "gpt_oss", "num_hidden_layers": 36, "hidden_size": 2880, "head_dim": 64,
        "num_attention_heads": 64, "num_key_value_heads": 8, "intermediate_size": 2880,
        "num_local_experts": 128, "num_experts_per_tok": 4, "vocab_size": 201088,
        "max_position_embeddings": 131072, "attention_bias": True, "sliding_window": 128,
        "layer_types": ["sliding_attention", "full_attention"] * 18,
    },
    9_241_705_984: {  # Gemma 2 9B
        "model_type": "gemma2", "num_hidden_layers": 42, "hidden_size": 3584, "head_dim": 256,
        "num_attention_heads": 16, "num_key_value_heads": 8, "intermediate_size": 14336,
        "vocab_size": 256000, "max_position_embeddings": 8192, "sliding_window": 4096,
    },
}  # fmt: skip


def written(folder: Path, config: dict[str, Any]) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return path


def imported(folder: Path, **config: Any) -> Any:
    return read_config(written(folder, config), "mine")[0]


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_files_give_the_models_of_the_catalogue(name: str, tmp_path: Path) -> None:
    llm, _ = read_config(written(tmp_path, PUBLISHED[name]), name)
    ignored = {"source"} | ({"intermediate"} if not LLMS[name].intermediate else set())
    assert llm.model_dump(exclude=ignored) == LLMS[name].model_dump(exclude=ignored)


@pytest.mark.parametrize("total", sorted(TOTALS))
def test_parameters_of_published_checkpoints(total: int, tmp_path: Path) -> None:
    assert total_parameters(imported(tmp_path, **TOTALS[total])) == total


@pytest.mark.parametrize("total", sorted(NEARLY))
def test_what_is_not_counted_is_below_a_thousandth(total: int, tmp_path: Path) -> None:
    assert total_parameters(imported(tmp_path, **NEARLY[total])) == pytest.approx(total, rel=1e-3)


def test_the_name_is_that_of_the_repository_or_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "My-Model"
    folder.mkdir()
    assert read_config(written(folder, LLAMA))[0].name == "my-model"
    told = {**LLAMA, "_name_or_path": "someone/Other-7B"}
    assert read_config(written(folder, told))[0].name == "other-7b"
    assert read_config(written(folder, told), "mine")[0].name == "mine"
    assert read_config(written(folder, {**LLAMA, "_name_or_path": "/ckpt/A-7B/"}))[0].name == "a-7b"


def test_tied_embeddings_are_counted_once(tmp_path: Path) -> None:
    apart = imported(tmp_path, **LLAMA)
    tied = imported(tmp_path, **LLAMA, tie_word_embeddings=True)
    assert total_parameters(apart) - total_parameters(tied) == 1000 * 256


def test_defaults_of_a_family(tmp_path: Path) -> None:
    """As the library fills them in: heads of equal width, one KV head for each, Gemma tied."""
    llm = imported(tmp_path, **SIZES, model_type="llama")
    assert (llm.kv_heads, llm.head_dim, llm.tied_embeddings) == (8, 32, False)
    assert imported(tmp_path, **SIZES, model_type="gemma2").tied_embeddings
    assert imported(tmp_path, **SIZES, model_type="qwen2").qkv_bias


@pytest.mark.parametrize(
    ("config", "layers"),
    [
        # every layer; none; every second; five of six; those that are listed
        ({"model_type": "mistral", "sliding_window": 128}, 4),
        ({"model_type": "mistral", "sliding_window": None}, 0),
        ({"model_type": "gemma2", "sliding_window": 128}, 2),
        ({"model_type": "gemma3_text", "sliding_window": 128, "num_hidden_layers": 12}, 10),
        ({"model_type": "qwen3", "sliding_window": 128}, 0),
        ({"model_type": "qwen3", "sliding_window": 128, "use_sliding_window": True,
          "max_window_layers": 3}, 1),
        ({"model_type": "llama", "sliding_window": 128,
          "layer_types": ["full_attention", "sliding_attention"] * 2}, 2),
    ],
)  # fmt: skip
def test_layers_with_a_window(config: dict[str, Any], layers: int, tmp_path: Path) -> None:
    llm = imported(tmp_path, **{**SIZES, **config})
    assert llm.sliding_layers == layers
    assert llm.sliding_window == (128 if layers else 0)


def test_the_text_part_of_a_model_with_other_inputs(tmp_path: Path) -> None:
    llm = imported(tmp_path, model_type="mistral3", text_config={**LLAMA, "model_type": "mistral"})
    assert llm.layers == 4


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        # architectures that nobody taught it, with what their files lack
        ({"model_type": "mamba", "hidden_size": 768, "vocab_size": 5}, "the architecture 'mamba' "
         "is not known, and its file has no num_hidden_layers, num_attention_heads, "),
        ({**SIZES, "model_type": "glm"}, "the architecture 'glm' is not known (known: deepseek_v2"),
        (SIZES, "the architecture 'of no name' is not known"),
        # keys that are missing, or of the wrong kind
        ({"model_type": "llama"}, "num_hidden_layers: this key is required"),
        ({**SIZES, "model_type": "mixtral"}, "num_local_experts: this key is required"),
        ({**SIZES, "model_type": "deepseek_v3"}, "kv_lora_rank: this key is required"),
        ({**LLAMA, "hidden_size": "wide"}, "hidden_size: expected a whole number, got 'wide'"),
        ({**LLAMA, "head_dim": 0.5, "vocab_size": True}, "head_dim: expected a whole number"),
        ({**LLAMA, "num_attention_heads": 0}, "heads: must be at least 1, got 0"),
        ({**LLAMA, "num_key_value_heads": 3}, "kv_heads: must divide heads = 8, got 3"),
        # layers that differ
        ({**PUBLISHED["qwen3-30b-a3b"], "mlp_only_layers": [0, 1]}, "mlp_only_layers: layers that "
         "differ in this way are not supported, got [0, 1]"),
        ({**PUBLISHED["qwen3-30b-a3b"], "decoder_sparse_step": 2}, "decoder_sparse_step: layers"),
    ],
)  # fmt: skip
def test_files_that_are_refused(config: dict[str, Any], expected: str, tmp_path: Path) -> None:
    path = written(tmp_path, config)
    with pytest.raises(InputError) as caught:
        read_config(path, "mine")
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)


def test_what_is_no_config(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("[1, 2]")
    with pytest.raises(InputError, match="expected a table of keys"):
        read_config(path)
