"""The bundled profiles that were fitted to published measurements."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fleetopt.catalog import read_inputs, read_machines, read_measured_profiles
from fleetopt.performance.coefficient import profile_of
from fleetopt.performance.memory import GIB
from fleetopt.performance.power import projected_power
from fleetopt.problem import FleetProblem

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs" / "hooks"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workload"))

import measured_profiles
from recordings import real

BUNDLED = read_measured_profiles()
KNOWN_MS = {"a100": (93.0, 282.7, 45.0), "h100": (53.9, 134.4, 30.6)}
"""Llama-2-70B on eight GPUs: prompts of 512 and of 2048 tokens, and a token at 512 of context."""


def test_names_are_of_every_pair() -> None:
    assert sorted(BUNDLED) == sorted(
        f"splitwise-{gpu}-{model}" for gpu in ("a100", "h100") for model in measured_profiles.MODELS
    )


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_every_profile_names_source_and_license_and_its_errors(name: str) -> None:
    source = BUNDLED[name].source
    assert all(part in source for part in ("arXiv:2311.18677", "MIT License", "median error"))


@pytest.mark.parametrize("gpu", sorted(KNOWN_MS))
def test_they_come_near_to_known_figures(gpu: str) -> None:
    time = profile_of(BUNDLED[f"splitwise-{gpu}-llama-2-70b"]).iteration
    found = (time.seconds(0, 512), time.seconds(0, 2048), time.seconds(576))
    assert [1e3 * seconds for seconds in found] == pytest.approx(KNOWN_MS[gpu], rel=0.07)


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_price_power_and_memory_are_those_of_the_catalogue(name: str) -> None:
    spec = BUNDLED[name]
    gpu = read_machines().gpus[spec.gpu]
    assert spec.usd_per_hour == gpu.usd_per_hour
    assert spec.power is not None
    assert spec.power.nominal_w == pytest.approx(projected_power(gpu.spec.tdp_w).nominal_w)
    weights, layers, heads = (352.5e9, 70, 112) if "bloom" in name else (137.96e9, 80, 8)
    kv_bytes = spec.kv_tokens * 2.0 * layers * heads * 128 * 2
    used = weights + kv_bytes + 8 * 2 * GIB
    assert used == pytest.approx(0.9 * 8 * gpu.spec.memory_gib * GIB, rel=1e-3)


def test_a_problem_may_name_them() -> None:
    problem = FleetProblem(cdf="azure", gpus=("h100", *BUNDLED))
    assert [spec.name for spec in read_inputs(problem).profiles] == ["h100", *BUNDLED]


def test_the_measurements_give_them_again() -> None:
    file = str(real("splitwise_perf_model.csv"))
    again = {spec["name"]: spec for spec in measured_profiles.fitted(file)["profiles"]}
    for name, spec in BUNDLED.items():
        for key in ("base_s", "per_context_token_s", "prefill_base_s", "prefill_per_token_s"):
            assert getattr(spec, key) == pytest.approx(again[name][key], rel=1e-3)
        assert spec.kv_tokens == again[name]["kv_tokens"]


@pytest.mark.parametrize("model", sorted(measured_profiles.MODELS))
@pytest.mark.parametrize("gpu", sorted(KNOWN_MS))
def test_their_errors_are_small(model: str, gpu: str) -> None:
    found = measured_profiles.fit_of(str(real("splitwise_perf_model.csv")), model, gpu)
    tpot = sorted(abs(error) for error in found.tpot_errors if error is not None)
    ttft = sorted(abs(error) for error in found.ttft_errors if error is not None)
    assert len(tpot) >= 13
    assert tpot[len(tpot) // 2] < 0.03
    assert tpot[-1] < 0.12
    assert ttft[len(ttft) // 2] < 0.07
