"""The profiles of data/measured_profiles.json: how they are fitted, and how near they come."""

from __future__ import annotations

from statistics import median
from typing import Any

from fleetopt.catalog import Gpu, read_machines
from fleetopt.catalog.benchmark_results import read_results
from fleetopt.performance.fit import Fit, Point, fit
from fleetopt.performance.memory import ENGINE_BYTES, GIB
from fleetopt.performance.power import projected_power
from fleetopt.report.fit import fit_source, profile_keys

TOKEN_BUDGET = 2048
"""Splitwise batches prompts up to this many tokens, beyond which it found no gain."""
GPUS_PER_REPLICA = 8
MEMORY_SHARE = 0.9
LARGEST_BATCH = 64
BLOCK_TOKENS = 16
MODELS = {
    # name: name in the file, what it is, parameters, bytes of KV for a token in FP16
    "bloom-176b": ("bloom-176b", "BLOOM-176B", 176.25e9, 2 * 70 * 112 * 128 * 2),
    "llama-2-70b": ("llama2-70b", "Llama-2-70B", 68.98e9, 2 * 80 * 8 * 128 * 2),
}
GPUS = {"a100": "a100-80gb", "h100": "h100-80gb"}
SOURCE = (
    "measurements published with Splitwise (Patel et al., ISCA 2024, arXiv:2311.18677; "
    "github.com/Mutinifni/splitwise-sim, data/perf_model.csv, MIT License, Copyright (c) 2024 "
    "Pratyush Patel)"
)


def fitted(file: str) -> dict[str, Any]:
    """The content of data/measured_profiles.json, from the file of measurements."""
    machines = read_machines()
    profiles = [
        _profile(model, machines.gpus[gpu], fit_of(file, model, gpu))
        for model in MODELS
        for gpu in GPUS
    ]
    return {"schema": "fleetopt.profiles/1", "profiles": profiles}


def fit_of(file: str, model: str, gpu: str) -> Fit:
    """The fit to the runs of a model on eight GPUs of a type."""
    where = {
        "model": MODELS[model][0], "hardware": GPUS[gpu], "tensor_parallel": f"{GPUS_PER_REPLICA}",
    }  # fmt: skip
    points = [
        Point(run.place, run.prompt_tokens, run.output_tokens, run.clients,
              run.ttft_ms / 1e3, run.tpot_ms / 1e3, run.at_once)
        for run in read_results(file, where=where).runs
    ]  # fmt: skip
    return fit(points, TOKEN_BUDGET)


def kv_tokens(model: str, gpu: Gpu) -> int:
    """(share of the memory - 2 bytes a parameter - the engine) / bytes of a token, in blocks."""
    _, _, parameters, token_bytes = MODELS[model]
    room = MEMORY_SHARE * gpu.spec.memory_gib * GIB - ENGINE_BYTES
    tokens = (GPUS_PER_REPLICA * room - 2.0 * parameters) / token_bytes
    return int(tokens // BLOCK_TOKENS) * BLOCK_TOKENS


def accuracy(file: str) -> str:
    """One row for each fit: coefficients, and median and largest errors."""
    head = (
        "| model | GPUs | W, ms | h, ns | F0, ms | F1, µs | runs | TPOT, median | largest | TTFT, "
        "median | largest |"
    )
    rows = [head, f"| --- | --- |{' ---: |' * 9}"]
    for model, (_, what, *_) in MODELS.items():
        for gpu in GPUS:
            found = fit_of(file, model, gpu)
            time = found.iteration
            rows.append(
                f"| {what} | {GPUS_PER_REPLICA} {gpu} | {1e3 * time.base_s:.1f} "
                f"| {1e9 * time.per_context_token_s:.0f} | {1e3 * time.prefill_base_s:.1f} "
                f"| {1e6 * time.prefill_per_token_s:.0f} | {len(found.points)} "
                f"| {_errors(found.tpot_errors)} | {_errors(found.ttft_errors)} |"
            )
    return "\n".join(rows)


def _errors(errors: tuple[float | None, ...]) -> str:
    known = [abs(error) for error in errors if error is not None]
    return f"{median(known):.1%} | {max(known):.1%}"


def _profile(model: str, gpu: Gpu, found: Fit) -> dict[str, Any]:
    curve = projected_power(gpu.spec.tdp_w)
    memory = "KV is 90 % of the memory less FP16 weights and 2 GiB of each GPU"
    stated = {
        "name": f"splitwise-{gpu.spec.name}-{model}", "gpu": gpu.spec.name,
        "gpus_per_replica": GPUS_PER_REPLICA, "kv_tokens": kv_tokens(model, gpu),
        "max_num_seqs": LARGEST_BATCH, "usd_per_hour": gpu.usd_per_hour,
    }  # fmt: skip
    source = f"{fit_source(found)}: {SOURCE}; {memory}"
    if gpu.price is not None:
        source += f"; {gpu.price.source}"
    return {
        **profile_keys(found, stated),
        "hardware": gpu.spec.hardware,
        "serves": f"{MODELS[model][1]}, TP{GPUS_PER_REPLICA}, FP16",
        "source": source,
        "power": {
            "idle_w": curve.idle_w, "nominal_w": curve.nominal_w, "steepness": curve.steepness,
            "midpoint_log2": curve.midpoint_log2, "quality": curve.quality, "source": curve.source,
        },
    }  # fmt: skip
