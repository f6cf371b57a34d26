"""The steps of an iteration: their sums by closed forms, and how parallelism divides them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from catalogue_entries import GPUS, LLMS, profile

from fleetopt.performance.deployment import Deployment, kv_bytes_per_token
from fleetopt.performance.parameters import active_parameters, parameters, total_parameters
from fleetopt.performance.roofline import UNCALIBRATED, Load, Step, iteration_seconds, steps
from fleetopt.problem import EngineConfig

PERFECT = replace(UNCALIBRATED, memory=1.0, gemm=1.0, attention=1.0, network=1.0,
                  kernel_s=0.0, iteration_s=0.0)  # fmt: skip


def deployed(llm: str, gpu: str, **engine: object) -> Deployment:
    return Deployment.of(LLMS[llm], GPUS[gpu], EngineConfig.model_validate(engine))


def done(deployment: Deployment, **load: float) -> dict[str, Step]:
    return {step.name: step for step in steps(deployment, Load(**load), PERFECT)}


def total(found: dict[str, Step], key: str) -> float:
    return sum(step.times * float(getattr(step, key)) for step in found.values())


@pytest.mark.parametrize("name", ["llama-3.1-70b", "qwen3-8b", "mistral-7b"])
@pytest.mark.parametrize(("batch", "context"), [(1, 1), (7, 1000), (64, 8192)])
def test_a_decode_iteration_reads_every_weight_and_every_key(
    name: str, batch: int, context: int
) -> None:
    """All weights but the input embedding and the norms, and the KV of all sequences."""
    llm = LLMS[name]
    found = done(deployed(name, "b300"), sequences=batch, context_tokens=context)
    each = parameters(llm)
    read = total_parameters(llm) - each.embedding - llm.layers * each.norms - llm.hidden
    expected = 2 * read + batch * context * kv_bytes_per_token(llm, "bf16")
    assert total(found, "bytes") == pytest.approx(expected)
    attended = 4 * llm.layers * llm.heads * llm.head_dim * batch * context
    assert total(found, "flops") == pytest.approx(2 * read * batch + attended)


def test_one_token_meets_the_active_parameters_of_a_model_with_experts() -> None:
    llm = LLMS["qwen3-30b-a3b"]
    found = done(deployed("qwen3-30b-a3b", "b300"), sequences=1, context_tokens=0)
    each = parameters(llm)
    met = active_parameters(llm) - each.embedding - llm.layers * each.norms - llm.hidden
    assert total(found, "flops") == pytest.approx(2 * met)
    assert total(found, "bytes") == pytest.approx(2 * met)


def test_a_large_batch_streams_all_experts() -> None:
    """Not the active ones alone."""
    llm = LLMS["qwen3-30b-a3b"]
    found = done(deployed("qwen3-30b-a3b", "b300"), sequences=4000, context_tokens=0)
    experts = llm.layers * llm.experts * parameters(llm).expert
    assert found["experts"].times * found["experts"].bytes == pytest.approx(2 * experts, rel=1e-6)


def test_a_small_batch_is_as_fast_as_memory() -> None:
    deployment = deployed("llama-3.1-8b", "h100")
    load = Load(sequences=1, context_tokens=1000)
    found = steps(deployment, load, PERFECT)
    moved = sum(step.times * step.bytes for step in found)
    assert iteration_seconds(deployment, load, PERFECT) == pytest.approx(moved / 3350e9)


def test_a_long_prompt_is_as_fast_as_products() -> None:
    deployment = deployed("llama-3.1-8b", "h100")
    load = Load(prefill_tokens=8192, attended_tokens=4096)
    found = steps(deployment, load, PERFECT)
    flops = sum(step.times * step.flops for step in found if step.name != "output head")
    head_s = next(step.total_s for step in found if step.name == "output head")
    expected = flops / 989e12 + head_s
    assert iteration_seconds(deployment, load, PERFECT) == pytest.approx(expected)


@pytest.mark.parametrize("tp", [2, 4, 8])
def test_tensor_parallelism_divides_work_and_adds_two_sums_for_each_layer(tp: int) -> None:
    whole = done(deployed("llama-3.1-70b", "b300"), sequences=8, context_tokens=1000)
    share = done(deployed("llama-3.1-70b", "b300", tp=tp), sequences=8, context_tokens=1000)
    for name, step in whole.items():
        assert share[name].flops * tp == pytest.approx(step.flops)
        assert share[name].bytes * tp == pytest.approx(step.bytes)
    added = [step for name, step in share.items() if name not in whole]
    assert [step.name for step in added] == ["all-reduce, attention", "all-reduce, MLP"]
    assert all(step.times == 80 and step.bound == "link" for step in added)


def test_a_lone_sequence_passes_every_pipeline_stage() -> None:
    """No faster than on one stage, but for the hops between stages."""
    load = Load(sequences=1, context_tokens=4096)
    one, four = (steps(deployed("llama-3.1-8b", "h100", pp=pp), load, PERFECT) for pp in (1, 4))
    compute_s = [sum(s.total_s for s in found if s.bound != "link") for found in (one, four)]
    head_s = next(step.total_s for step in one if step.name == "output head")
    assert compute_s[1] == pytest.approx(compute_s[0] + 3 * head_s)


def test_a_full_pipeline_shares_keys_among_its_stages() -> None:
    """Four stages read a quarter of the KV each, while every micro-batch streams the weights."""
    load = {"sequences": 64.0, "context_tokens": 4096.0}
    one, four = (done(deployed("llama-3.1-8b", "h100", pp=pp), **load) for pp in (1, 4))
    name = "attention, decode"
    assert four[name].total_s == pytest.approx(one[name].total_s / 4)
    assert four["MLP"].total_s == pytest.approx(one["MLP"].total_s)


def test_prompts_wait_for_the_pipeline_to_fill_and_drain() -> None:
    """(2 p - 1) / p of the time that p stages would take without bubbles."""
    load = {"prefill_tokens": 65536.0}
    one, four = (done(deployed("llama-3.1-8b", "h100", pp=pp), **load) for pp in (1, 4))
    assert four["MLP"].total_s == pytest.approx(one["MLP"].total_s / 4 * 7 / 4)


def test_groups_of_their_own_send_tokens_to_the_experts() -> None:
    together = done(deployed("deepseek-v3", "h200", tp=8, ep=8, weights="fp8"), sequences=64)
    apart = done(deployed("deepseek-v3", "h200", dp=8, ep=8, weights="fp8"), sequences=64)
    assert "all-reduce, experts" in together
    assert "dispatch and combine" in apart
    assert not any(name.startswith("all-reduce") for name in apart)
    assert apart["experts"].bytes == pytest.approx(together["experts"].bytes)
    assert apart["experts"].flops == pytest.approx(together["experts"].flops)


def test_latent_attention_reads_the_latent_vectors_of_the_absorbed_form() -> None:
    """Per token and layer: 576 numbers read; 128 heads times 576 + 512 products."""
    found = done(deployed("deepseek-v3", "b300", dp=8, ep=8, weights="fp8"),
                 sequences=8, context_tokens=1000)["attention, decode"]  # fmt: skip
    assert found.bytes == 1000 * 576 * 2
    assert found.flops == 2 * 128 * (576 + 512) * 1000


@settings(max_examples=30)
@given(st.integers(0, 20_000))
def test_a_window_bounds_what_its_layers_read(context: int) -> None:
    llm = LLMS["qwen3-8b"].model_copy(update={"sliding_window": 4096, "sliding_layers": 18})
    deployment = Deployment.of(llm, GPUS["h100"], EngineConfig())
    read = done(deployment, sequences=3, context_tokens=context)["attention, decode"]
    layer = 2 * llm.kv_heads * llm.head_dim * 2
    expected = 3 * layer * (18 * context + 18 * min(context, 4096))
    assert read.times * read.bytes == pytest.approx(expected)


@settings(max_examples=60)
@given(st.sampled_from(sorted(LLMS)), st.integers(1, 500), st.integers(1, 16_384))
def test_more_work_never_takes_less_time(name: str, batch: int, context: int) -> None:
    llm = LLMS[name]
    ways = max(tp for tp in (1, 2, 4) if llm.heads % tp == 0 and (llm.kv_heads or tp) % tp == 0)
    deployment = deployed(name, "b300", tp=ways, weights="fp8")
    loads = [Load(batch, context), Load(batch + 1, context), Load(batch + 1, context + 100)]
    seconds = [iteration_seconds(deployment, load, UNCALIBRATED) for load in loads]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize(("batch", "stated_ms"), [(1, 10.1), (8, 10.1), (32, 11.1), (128, 14.6)])
def test_decode_against_the_engine_estimates(batch: int, stated_ms: float) -> None:
    """Llama-3.1-70B in BF16 on 8 H100 at 1024 tokens of context: within 10 %, uncalibrated."""
    deployment = deployed("llama-3.1-70b", "h100", tp=8)
    seconds = iteration_seconds(deployment, Load(batch, 1024), UNCALIBRATED)
    assert 1e3 * seconds == pytest.approx(stated_ms, rel=0.10)


@pytest.mark.parametrize(("prompt", "stated_ms"), [(512, 26.5), (2048, 85.9), (8192, 344.0)])
def test_prefill_against_the_engine_estimates(prompt: int, stated_ms: float) -> None:
    """The same model and GPUs: within 15 %, uncalibrated."""
    deployment = deployed("llama-3.1-70b", "h100", tp=8)
    load = Load(prefill_tokens=prompt, attended_tokens=prompt / 2)
    seconds = iteration_seconds(deployment, load, UNCALIBRATED)
    assert 1e3 * seconds == pytest.approx(stated_ms, rel=0.15)


def test_fp8_weights_on_an_a100_stream_faster_and_compute_alike() -> None:
    wide, narrow = (profile("llama-3.1-8b", "a100", weights=w) for w in ("bf16", "fp8"))
    assert narrow.iteration.base_s < 0.7 * wide.iteration.base_s
    assert narrow.iteration.prefill_per_token_s == pytest.approx(
        wide.iteration.prefill_per_token_s, rel=0.01
    )
