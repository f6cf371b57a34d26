"""ProfileBuilder: the published names over fleetopt's roofline."""

from __future__ import annotations

import pytest

from fleetopt.compat import (
    A100_SXM,
    DEEPSEEK_V3,
    H100_SXM,
    H200_SXM,
    L40S,
    LLAMA_3_1_8B,
    LLAMA_3_1_70B,
    ComputedProfile,
    FleetOptimizer,
    ProfileBuilder,
    ServingConfig,
)
from fleetopt.errors import InputError
from fleetopt.performance.deployment import kv_bytes_per_token
from fleetopt.performance.parameters import total_parameters
from fleetopt.performance.roofline import RooflineProfile


def built(**config: object) -> ComputedProfile:
    return ProfileBuilder().build(H100_SXM, LLAMA_3_1_70B, ServingConfig(**config))  # type: ignore[arg-type]


def test_it_is_the_roofline_profile_of_the_replica() -> None:
    config = ServingConfig(tp=8, chunk=2048, max_slots=128)
    made = ProfileBuilder().build(H100_SXM, LLAMA_3_1_70B, config)
    direct = RooflineProfile.of(LLAMA_3_1_70B, H100_SXM, config.engine)
    assert made.iter_latency(16, 4096) == pytest.approx(
        direct.iteration.base_s + direct.iteration.per_context_token_s * 16 * 4096
    )
    assert made.cost_per_hr == pytest.approx(8 * H100_SXM.usd_per_hour)
    assert made.n_slots(8192) == min(128, direct.memory.slots(8192))
    assert made.n_slots(65536) <= direct.memory.slots(65536)


@pytest.mark.parametrize(("n", "context"), [(1, 1024), (32, 1024), (128, 8192)])
def test_decode_efficiency_by_closed_forms(n: int, context: int) -> None:
    """Bytes and operations of all GPUs: every weight but the embedding, and the KV read."""
    found = built(tp=8).decode_efficiency(n, context)
    read = total_parameters(LLAMA_3_1_70B) - LLAMA_3_1_70B.vocab * LLAMA_3_1_70B.hidden
    keys = n * context * kv_bytes_per_token(LLAMA_3_1_70B, "bf16")
    assert found.mem_bytes_per_iter == pytest.approx(2 * read + keys, rel=1e-4)
    assert found.kv_frac == pytest.approx(keys / (2 * read + keys), rel=1e-4)
    attended = 4 * 80 * 64 * 128 * n * context
    assert found.flops_per_iter == pytest.approx(2 * n * read + attended, rel=1e-4)
    assert found.tokens_per_s == pytest.approx(n / found.iter_latency_s)
    assert found.tokens_per_watt == pytest.approx(found.tokens_per_s / found.power_w)
    assert found.roofline_bound == "memory"


def test_a_large_batch_is_bound_by_products() -> None:
    cfg = ServingConfig(max_slots=1024, mean_ctx_tokens=64)
    found = ProfileBuilder().build(A100_SXM, LLAMA_3_1_8B, cfg).decode_efficiency(512, 64)
    assert found.roofline_bound == "compute"


def test_power_grows_from_idle_to_nominal_of_all_gpus() -> None:
    made = built(tp=8)
    assert 8 * 300 < made.decode_efficiency(1).power_w < made.decode_efficiency(256).power_w
    assert made.decode_efficiency(256).power_w < 8 * 600


def test_it_prints_itself(capsys: pytest.CaptureFixture[str]) -> None:
    built(tp=8).decode_efficiency(32, 1024).show()
    said = capsys.readouterr().out
    assert said.startswith("32 sequences of 1,024 tokens")
    assert "memory binds" in said


def test_bytes_state_the_formats() -> None:
    narrow = ServingConfig(tp=8, dtype_bytes=1).engine
    assert (narrow.weights, narrow.kv) == ("fp8", "fp8")
    made = ProfileBuilder().build(H200_SXM, DEEPSEEK_V3, ServingConfig(tp=8, ep=8, dtype_bytes=1))
    assert made.roofline is not None
    assert made.roofline.deployment.compute == "fp8"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"dtype_bytes": 3}, "ServingConfig, dtype_bytes: expected 2, 1 or 0.5, got 3"),
        ({"phase": "both"}, "ServingConfig, phase: expected aggregated, prefill, decode"),
        ({"gpu_memory_utilization": 2}, "ServingConfig, memory_fraction: must be at most 1"),
        ({"tp": 3}, "tp: must divide heads"),
        ({"tp": 1}, "model: llama-3.1-70b does not fit on 1 h100"),
    ],
)
def test_what_cannot_be_built(config: dict[str, object], expected: str) -> None:
    with pytest.raises(InputError) as caught:
        built(**config)
    assert expected in str(caught.value)


def test_an_optimizer_takes_computed_profiles() -> None:
    small = ProfileBuilder().build(L40S, LLAMA_3_1_8B, ServingConfig())
    points = [[512, 0.6], [2048, 0.9], [8192, 1.0]]
    optimizer = FleetOptimizer(small, small, B_short=2048, t_slo_ms=2000, long_max_ctx=8192)
    result = optimizer.sweep_analytical(points, 2.0, [1.0])[0]
    assert result.n_s >= 1
    assert result.slo_met
