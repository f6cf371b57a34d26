"""Language models from the config.json of a Hugging Face repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fleetopt.catalog.files import SourceFile, find_file, read_json
from fleetopt.catalog.machines import Machines, read_catalogue
from fleetopt.errors import Fault, InputError
from fleetopt.problem import CATALOGUE_SCHEMA, LlmSpec, validate

Window = Literal["none", "all", "late", "alternating", "pattern"]


@dataclass(frozen=True, slots=True)
class _Family:
    """What a model type means beyond the keys of its file.

    moe: prefix-free names of the keys of its experts, or none; window: which layers have the
    window, unless `layer_types` says it.
    """

    moe: Literal["", "mixtral", "qwen", "deepseek", "oss"] = ""
    mla: bool = False
    qkv_bias: bool = False
    qk_norm: bool = False
    tied: bool = False
    window: Window = "none"


_FAMILIES = {
    "llama": _Family(),
    "mistral": _Family(window="all"),
    "phi3": _Family(window="all"),
    "qwen2": _Family(qkv_bias=True, window="late"),
    "qwen3": _Family(qk_norm=True, window="late"),
    "gemma2": _Family(tied=True, window="alternating"),
    "gemma3_text": _Family(tied=True, qk_norm=True, window="pattern"),
    "mixtral": _Family(moe="mixtral", window="all"),
    "qwen3_moe": _Family(moe="qwen", qk_norm=True, window="late"),
    "gpt_oss": _Family(moe="oss", qkv_bias=True, window="alternating"),
    "deepseek_v2": _Family(moe="deepseek", mla=True),
    "deepseek_v3": _Family(moe="deepseek", mla=True),
    "kimi_k2": _Family(moe="deepseek", mla=True),
}
_SIZES = {
    "num_hidden_layers": "layers",
    "hidden_size": "hidden",
    "num_attention_heads": "heads",
    "vocab_size": "vocab",
    "max_position_embeddings": "max_position",
}
_LATENT = {
    "kv_lora_rank": "kv_lora_rank",
    "qk_rope_head_dim": "rope_head_dim",
    "qk_nope_head_dim": "nope_head_dim",
    "v_head_dim": "v_head_dim",
}
_OPTIONAL = (
    "num_key_value_heads", "head_dim", "q_lora_rank", "n_shared_experts", "first_k_dense_replace",
    "sliding_window", "max_window_layers", "sliding_window_pattern",
)  # fmt: skip
"""Keys with a number that a file may leave out."""
_EXPERTS = {
    "mixtral": ("num_local_experts", "intermediate_size"),
    "oss": ("num_local_experts", "intermediate_size"),
    "qwen": ("num_experts", "moe_intermediate_size"),
    "deepseek": ("n_routed_experts", "moe_intermediate_size"),
}


def read_llm(name: str, machines: Machines) -> LlmSpec:
    """A model of the catalogues, of a catalogue file with one model, or of a config.json.

    Raises InputError.
    """
    if not name.endswith(".json"):
        return machines.llm(name, "model")
    path = find_file(name)
    data, _ = read_json(path)
    if isinstance(data, dict) and data.get("schema") == CATALOGUE_SCHEMA:
        catalogue, _ = read_catalogue(path)
        if len(catalogue.llms) != 1:
            text = f"expected a catalogue with one model, this has {len(catalogue.llms)}"
            raise InputError.single(name, text, "give it as --catalog and name the model")
        return catalogue.llms[0]
    return read_config(path)[0]


def read_config(path: Path, name: str | None = None) -> tuple[LlmSpec, SourceFile]:
    """The model of a config.json; its name is that of the file's folder if none is given.

    Raises InputError for an architecture that is not known, with the keys that are missing.
    """
    data, source = read_json(path)
    if not isinstance(data, dict):
        raise InputError.single(str(path), f"expected a table of keys, got {data!r}")
    stated = data.get("text_config")
    config = {**data, **stated} if isinstance(stated, dict) else data
    keys = _keys(config, str(path))
    named = name or str(config.get("_name_or_path") or path.absolute().parent.name)
    keys["name"] = named.rsplit("/", 1)[-1].lower()
    keys["source"] = f"{path.name} of {named} (Hugging Face, sha256 {source.sha256[:12]})"
    return validate(LlmSpec, keys, str(path)), source


def _keys(config: Mapping[str, Any], place: str) -> dict[str, Any]:
    kind = str(config.get("model_type", ""))
    family = _FAMILIES.get(kind)
    required = _required(family)
    missing = [key for key in required if config.get(key) is None]
    if family is None:
        text = f"the architecture {kind or 'of no name'!r} is not known"
        text += f", and its file has no {', '.join(missing)}" if missing else ""
        known = "known: " + ", ".join(sorted(_FAMILIES))
        raise InputError.single(f"{place}, model_type", text, known)
    faults = [Fault(f"{place}, {key}", "this key is required") for key in missing]
    unfit = [*_no_numbers(config, required), *_irregular(config)]
    faults += [Fault(f"{place}, {key}", text) for key, text in unfit]
    if faults:
        raise InputError(faults)
    keys = {ours: config[theirs] for theirs, ours in _SIZES.items()}
    keys |= _attention(config, family) | _window(config, family, keys["layers"])
    keys |= _mlp(config, family)
    keys["tied_embeddings"] = bool(config.get("tie_word_embeddings", family.tied))
    return keys


def _required(family: _Family | None) -> list[str]:
    keys = list(_SIZES)
    if family is None or not family.moe:
        return [*keys, "intermediate_size"]
    keys += [*_EXPERTS[family.moe], "num_experts_per_tok"]
    return [*keys, *_LATENT] if family.mla else keys


def _no_numbers(config: Mapping[str, Any], required: Sequence[str]) -> list[tuple[str, str]]:
    """Keys that need a whole number and hold something else; null is as good as absent."""
    return [
        (key, f"expected a whole number, got {config[key]!r}")
        for key in (*required, *_OPTIONAL)
        if config.get(key) is not None
        and (isinstance(config[key], bool) or not isinstance(config[key], int) or config[key] < 0)
    ]


def _irregular(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Keys by which layers differ in a way that LlmSpec cannot say."""
    regular = {"mlp_only_layers": ([], None), "decoder_sparse_step": (1, None),
               "moe_layer_freq": (1, None)}  # fmt: skip
    return [
        (key, f"layers that differ in this way are not supported, got {config[key]!r}")
        for key, values in regular.items()
        if key in config and config[key] not in values
    ]


def _attention(config: Mapping[str, Any], family: _Family) -> dict[str, Any]:
    if family.mla:
        latent = {ours: config[theirs] for theirs, ours in _LATENT.items()}
        return {"attention": "mla", "q_lora_rank": config.get("q_lora_rank") or 0, **latent}
    heads = config["num_attention_heads"]
    return {
        "kv_heads": config.get("num_key_value_heads") or heads,
        "head_dim": config.get("head_dim") or config["hidden_size"] // max(1, heads),
        "qkv_bias": bool(config.get("attention_bias", family.qkv_bias)),
        "qk_norm": family.qk_norm,
    }


def _window(config: Mapping[str, Any], family: _Family, layers: int) -> dict[str, Any]:
    window, kinds = config.get("sliding_window"), config.get("layer_types")
    if not window:
        return {}
    if isinstance(kinds, Sequence) and not isinstance(kinds, str):
        count = sum(kind == "sliding_attention" for kind in kinds)
    else:
        count = _windowed_layers(config, family.window, layers)
    return {"sliding_window": window, "sliding_layers": count} if count else {}


def _windowed_layers(config: Mapping[str, Any], rule: Window, layers: int) -> int:
    """Layers with the window where the file does not list them."""
    if rule == "late" and config.get("use_sliding_window", False):
        return max(0, layers - (config.get("max_window_layers") or layers))
    if rule == "pattern":
        return layers - layers // (config.get("sliding_window_pattern") or 6)
    return {"all": layers, "alternating": -(-layers // 2)}.get(rule, 0)


def _mlp(config: Mapping[str, Any], family: _Family) -> dict[str, Any]:
    if not family.moe:
        return {"intermediate": config["intermediate_size"]}
    count, width = _EXPERTS[family.moe]
    keys = {
        "experts": config[count],
        "experts_per_token": config["num_experts_per_tok"],
        "moe_intermediate": config[width],
    }
    if family.moe == "deepseek":
        keys["intermediate"] = config.get("intermediate_size", 0)
        keys["shared_experts"] = config.get("n_shared_experts") or 0
        keys["first_dense_layers"] = config.get("first_k_dense_replace", 0)
        keys["router_bias"] = config.get("topk_method") == "noaux_tc"
    return keys
