"""Language models from the config.json of a Hugging Face repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fleetopt.catalog.architectures import (
    EXPERTS,
    FAMILIES,
    LATENT,
    OPTIONAL,
    SIZES,
    Family,
    Window,
    required,
)
from fleetopt.catalog.files import SourceFile, find_file, read_json
from fleetopt.catalog.machines import Machines, read_catalogue
from fleetopt.errors import Fault, InputError
from fleetopt.problem import CATALOGUE_SCHEMA, LlmSpec, validate


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
    named = named.rstrip("/")
    keys["name"] = named.rsplit("/", 1)[-1].lower()
    keys["source"] = f"{path.name} of {named} (Hugging Face, sha256 {source.sha256[:12]})"
    counted = FAMILIES[str(config["model_type"])].counted
    keys["source"] += f"; {counted}" if counted else ""
    return validate(LlmSpec, keys, str(path)), source


def _keys(config: Mapping[str, Any], place: str) -> dict[str, Any]:
    kind = str(config.get("model_type", ""))
    family = FAMILIES.get(kind)
    keys_of_family = required(family)
    missing = [key for key in keys_of_family if config.get(key) is None]
    if family is None:
        text = f"the architecture {kind or 'of no name'!r} is not known"
        text += f", and its file has no {', '.join(missing)}" if missing else ""
        known = "known: " + ", ".join(sorted(FAMILIES))
        raise InputError.single(f"{place}, model_type", text, known)
    faults = [Fault(f"{place}, {key}", "this key is required") for key in missing]
    unfit = [*_no_numbers(config, keys_of_family), *_irregular(config)]
    faults += [Fault(f"{place}, {key}", text) for key, text in unfit]
    if faults:
        raise InputError(faults)
    keys = {ours: config[theirs] for theirs, ours in SIZES.items()}
    keys |= _attention(config, family) | _window(config, family, keys["layers"])
    keys |= _mlp(config, family)
    keys["tied_embeddings"] = bool(config.get("tie_word_embeddings", family.tied))
    return keys


def _no_numbers(config: Mapping[str, Any], keys: Sequence[str]) -> list[tuple[str, str]]:
    """Keys that need a whole number and hold something else; null is as good as absent."""
    return [
        (key, f"expected a whole number, got {config[key]!r}")
        for key in (*keys, *OPTIONAL)
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


def _attention(config: Mapping[str, Any], family: Family) -> dict[str, Any]:
    if family.mla:
        latent = {ours: config[theirs] for theirs, ours in LATENT.items()}
        return {"attention": "mla", "q_lora_rank": config.get("q_lora_rank") or 0, **latent}
    heads = config["num_attention_heads"]
    return {
        "kv_heads": config.get("num_key_value_heads") or heads,
        "head_dim": config.get("head_dim") or config["hidden_size"] // max(1, heads),
        "qkv_bias": bool(config.get("attention_bias", family.qkv_bias)),
        "qk_norm": bool(config.get("use_qk_norm", family.qk_norm)),
    }


def _window(config: Mapping[str, Any], family: Family, layers: int) -> dict[str, Any]:
    window, kind = config.get("sliding_window"), "sliding_attention"
    if family.window == "linear":
        window, kind = _state_tokens(config), "linear_attention"
    if not window:
        return {}
    kinds = config.get("layer_types")
    if isinstance(kinds, Sequence) and not isinstance(kinds, str):
        count = kinds.count(kind)
    else:
        count = _windowed_layers(config, family.window, layers)
    return {"sliding_window": window, "sliding_layers": count} if count else {}


def _state_tokens(config: Mapping[str, Any]) -> int:
    """Tokens whose keys and values in BF16 take the memory of one layer's state in FP32."""
    state = config["linear_key_head_dim"] * config["linear_value_head_dim"] * 4
    token = 2 * config["num_key_value_heads"] * config["head_dim"] * 2
    return int(config["linear_num_value_heads"] * state // max(1, token))


def _windowed_layers(config: Mapping[str, Any], rule: Window, layers: int) -> int:
    """Layers with the window where the file does not list them."""
    if rule == "late" and config.get("use_sliding_window", False):
        return max(0, layers - (config.get("max_window_layers") or layers))
    if rule == "pattern":
        return layers - layers // (config.get("sliding_window_pattern") or 6)
    return {"all": layers, "alternating": -(-layers // 2)}.get(rule, 0)


def _mlp(config: Mapping[str, Any], family: Family) -> dict[str, Any]:
    if not family.moe:
        return {"intermediate": config["intermediate_size"]}
    count, width = EXPERTS[family.moe]
    keys = {
        "experts": config[count],
        "experts_per_token": config["num_experts_per_tok"],
        "moe_intermediate": config[width],
    }
    biased = config.get("topk_method") == "noaux_tc" or config.get("use_routing_bias")
    keys["router_bias"] = family.router_bias or bool(biased)
    if family.moe == "deepseek":
        keys["intermediate"] = config.get("intermediate_size", 0)
        keys["shared_experts"] = config.get("n_shared_experts") or 0
        keys["first_dense_layers"] = config.get("first_k_dense_replace", 0)
    if family.moe == "qwen":
        shared = config.get("shared_expert_intermediate_size") or 0
        keys["shared_experts"] = -(-shared // max(1, config[width]))
    return keys
