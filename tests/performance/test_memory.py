"""Memory of a GPU: slots by filling it sequence by sequence, and the least GPUs by trying all."""

from __future__ import annotations

import math

import pytest
from catalogue_entries import GPUS, LLMS, profile
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetopt.errors import InputError
from fleetopt.performance.deployment import Deployment
from fleetopt.performance.memory import GIB, Memory, least_gpus, memory, memory_of
from fleetopt.problem import EngineConfig, LlmSpec


def held(llm: LlmSpec, gpu: str, **engine: object) -> Memory:
    return memory_of(Deployment.of(llm, GPUS[gpu], EngineConfig.model_validate(engine)))


def windowed(layers: int, window: int) -> LlmSpec:
    """Qwen3 8B with a window in some of its layers."""
    update = {"sliding_layers": layers, "sliding_window": window}
    return LLMS["qwen3-8b"].model_copy(update=update)


@settings(max_examples=40)
@given(st.integers(1, 40_000), st.integers(0, 36), st.sampled_from([100, 1024, 4096]))
def test_slots_by_filling_the_cache(context: int, layers: int, window: int) -> None:
    """Each sequence takes whole blocks in each layer; windowed layers stop at the window."""
    llm = windowed(layers, window) if layers else LLMS["qwen3-8b"]
    found = held(llm, "h100")
    block_bytes = 16 * 2 * llm.kv_heads * llm.head_dim * 2
    left, count = found.kv, 0
    full = math.ceil(context / 16)
    short = min(full, math.ceil(window / 16))
    needed = block_bytes * (full * (36 - layers) + short * layers)
    while left >= needed:
        left -= needed
        count += 1
    assert found.slots(context) == count


def test_what_a_gpu_holds_adds_up() -> None:
    found = held(LLMS["llama-3.1-70b"], "h100", tp=8)
    together = found.weights + found.activations + found.engine + found.kv
    assert together == pytest.approx(found.available)
    assert found.available == pytest.approx(79.6 * GIB * 0.9)
    assert found.weights == pytest.approx(70.55e9 * 2 / 8, rel=1e-3)


def test_each_attention_group_has_a_cache_of_its_own() -> None:
    """Latent KV is repeated by tensor parallelism, and divided by data parallelism."""
    repeated = held(LLMS["deepseek-v3"], "h200", tp=8, ep=8, weights="fp8")
    divided = held(LLMS["deepseek-v3"], "h200", dp=8, ep=8, weights="fp8")
    assert repeated.token == divided.token
    assert divided.groups == 8
    assert divided.kv_tokens > 4 * repeated.kv_tokens
    assert divided.kv_tokens == 8 * divided.group_kv_tokens


@pytest.mark.parametrize(
    ("llm", "gpu", "weights"),
    [
        ("llama-3.1-70b", "h100", "bf16"),
        ("llama-3.1-70b", "l4", "fp8"),
        ("llama-3.1-405b", "a100", "bf16"),
        ("deepseek-v3", "h200", "fp8"),
        ("qwen3-8b", "a10g", "int4"),
    ],
)
def test_least_gpus_by_trying_every_split(llm: str, gpu: str, weights: str) -> None:
    fitting = set()
    for tp in range(1, 65):
        for pp in range(1, 17):
            try:
                found = held(LLMS[llm], gpu, tp=tp, pp=pp, weights=weights)
            except InputError:
                continue
            if found.kv >= found.token * 16 and tp & (tp - 1) == 0:
                fitting.add(tp * pp)
    least = least_gpus(LLMS[llm], GPUS[gpu], EngineConfig.model_validate({"weights": weights}))
    assert least is not None
    assert least.gpus == min(fitting)


def test_a_model_that_does_not_fit_says_how_many_gpus_would_hold_it() -> None:
    llm = LLMS["llama-3.1-405b"]
    with pytest.raises(InputError) as caught:
        memory(Deployment.of(llm, GPUS["h100"], EngineConfig(tp=8)))
    message = str(caught.value)
    assert "llama-3.1-405b does not fit on 8 h100" in message
    least = least_gpus(llm, GPUS["h100"], EngineConfig(tp=8))
    assert least is not None
    assert f"at least {least.gpus} of them" in message


def test_no_number_of_gpus_may_be_enough() -> None:
    """A budget of tokens whose activations alone are more than the GPU has."""
    with pytest.raises(InputError, match="no number of l4 up to 1024 holds it"):
        profile("llama-3.1-405b", "l4", token_budget=10_000_000)


def test_reserved_and_paged_capacity() -> None:
    made = profile("llama-3.1-70b", "h100", tp=8)
    assert made.reserved(8192).slots == min(256, made.memory.slots(8192))
    assert made.reserved(2048).slots == 256
    assert made.paged(8192, 100).slots == 100
    assert made.paged(8192, 100).kv_blocks * 16 == made.kv_tokens
    assert made.paged(made.kv_tokens + 1, 100).slots == 0
    assert made.reserved(made.kv_tokens + 1).slots == 0
