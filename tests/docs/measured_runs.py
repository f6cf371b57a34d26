"""Computed decode iterations beside the TPOT of measured servers."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from fleetopt.catalog import read_machines
from fleetopt.errors import InputError
from fleetopt.performance.deployment import Deployment
from fleetopt.performance.roofline import UNCALIBRATED, Load, iteration_seconds
from fleetopt.problem import EngineConfig

MODELS = {
    "meta-llama/Llama-3.1-70B": "llama-3.1-70b",
    "meta-llama/Llama-3.1-8B-Instruct": "llama-3.1-8b",
    "nvidia/Llama-3.1-8B-Instruct-FP8": "llama-3.1-8b",
    "Qwen/Qwen3-32B": "qwen3-32b",
    "Qwen/Qwen3-235B-A22B-FP8": "qwen3-235b-a22b",
    "deepseek-ai/DeepSeek-R1": "deepseek-v3",
    "deepseek-ai/DeepSeek-V3": "deepseek-v3",
}
UNSATURATED_MS = 3000.0


def distances(path: Path) -> Iterator[float]:
    """Relative distances of the runs whose requests hardly wait for a slot."""
    with path.open() as file:
        for run in csv.DictReader(file):
            deployment = _deployment(run) if run["model_path"] in MODELS else None
            if deployment is None or float(run["ttft_ms"]) > UNSATURATED_MS:
                continue
            context = _whole(run["isl"]) + _whole(run["osl"]) / 2
            load = Load(sequences=float(run["concurrency"]), context_tokens=context)
            seconds = iteration_seconds(deployment, load, UNCALIBRATED)
            yield 1e3 * seconds / float(run["tpot_ms"]) - 1.0


def _deployment(run: dict[str, str]) -> Deployment | None:
    """What was measured; None where the replica is split as the roofline cannot."""
    machines = read_machines()
    llm = machines.llms[MODELS[run["model_path"]]]
    weights = "fp8" if run["gemm_quant_mode"].startswith("fp8") else run["precision"] or "bf16"
    stated = {"tp": _whole(run["tp_size"]), "weights": weights}
    if llm.experts:
        stated |= {"dp": _whole(run["attention_dp_size"]), "ep": _whole(run["moe_ep_size"])}
    gpu = machines.gpus[run["system"].removesuffix("_sxm")]
    try:
        return Deployment.of(llm, gpu, EngineConfig.model_validate(stated))
    except InputError:
        return None


def _whole(text: str) -> int:
    return int(float(text or 1)) or 1
