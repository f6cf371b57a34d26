"""Profiles from AIConfigurator: known figures, the fit, and what it refuses."""

from __future__ import annotations

import logging
from importlib.util import find_spec

import pytest

from fleetopt.catalog import read_machines
from fleetopt.errors import InputError
from fleetopt.performance.aiconfigurator import GPUS, MODELS, Estimate, estimate
from fleetopt.performance.roofline import RooflineProfile
from fleetopt.problem import CoefficientSpec, EngineConfig

MACHINES = read_machines()
needed = pytest.mark.skipif(
    find_spec("aiconfigurator_core") is None,
    reason="AIConfigurator is not installed: pip install '.[aiconfigurator]'",
)


def of(model: str, gpu: str, software: str = "vllm", **engine: object) -> Estimate:
    config = EngineConfig.model_validate(engine)
    return estimate(MACHINES.llms[model], MACHINES.gpus[gpu], config, software)


@pytest.fixture(scope="module")
def llama() -> Estimate:
    return of("llama-3.1-70b", "h100", tp=8, mean_context_tokens=1024, max_num_seqs=128)


@needed
def test_known_iterations(llama: Estimate) -> None:
    """Llama-3.1-70B on eight H100 in BF16, contexts of 1024: published estimates, in ms."""
    decodes = dict(llama.fitted.decodes)
    for batch, known_ms in {1: 10.1, 8: 10.1, 32: 11.1, 128: 14.6}.items():
        assert 1e3 * decodes[batch] == pytest.approx(known_ms, rel=0.01)


@needed
@pytest.mark.parametrize(("tokens", "known_ms"), [(512, 26.5), (2048, 85.9), (8192, 344)])
def test_known_prompts(tokens: int, known_ms: float) -> None:
    """One whole prompt: the mean context is its length, so that nothing of it is cached."""
    found = of("llama-3.1-70b", "h100", tp=8, mean_context_tokens=tokens, token_budget=tokens)
    (whole, seconds) = found.fitted.prefills[-1]
    assert whole == tokens
    assert 1e3 * seconds == pytest.approx(known_ms, rel=0.01)


@needed
def test_the_coefficients_are_near_to_what_they_were_fitted_to(llama: Estimate) -> None:
    time = llama.fitted.iteration
    errors = [time.seconds(n * 1024.0) / seconds - 1 for n, seconds in llama.fitted.decodes]
    errors += [time.seconds(0.0, tokens) / seconds - 1 for tokens, seconds in llama.fitted.prefills]
    assert max(abs(error) for error in errors) < 0.06
    assert time.context == "current"
    whole_budgets = [mixed for mixed in llama.mixed if mixed.prompt_tokens == 8192]
    assert max(abs(mixed.error) for mixed in whole_budgets) < 0.06
    assert all(mixed.error < 0 for mixed in llama.mixed if mixed.sequences == 128)


@needed
def test_its_estimates_are_near_to_the_roofline(llama: Estimate) -> None:
    """Two methods: data sheets, and measured kernels."""
    deployment = llama.deployment
    computed = RooflineProfile.of(deployment.llm, deployment.gpu, deployment.engine)
    for batch, seconds in llama.fitted.decodes:
        assert computed.iteration.seconds(batch * 1024.0) == pytest.approx(seconds, rel=0.2)


@needed
def test_the_profile_says_where_it_comes_from(llama: Estimate) -> None:
    spec = llama.spec("mine")
    assert CoefficientSpec.model_validate(spec.model_dump()) == spec
    assert "AIConfigurator 0.12.0 estimates for vllm 0.24.0 on h100_sxm" in spec.source
    assert spec.gpus_per_replica == 8
    assert spec.kv_tokens == llama.memory.kv_tokens


@needed
def test_groups_share_the_batch_and_experts_are_spread() -> None:
    ways = {"dp": 8, "ep": 8, "weights": "fp8", "kv": "fp8"}
    found = of("deepseek-v3", "b200", "sglang", **ways, max_num_seqs=64)
    assert [batch for batch, _ in found.fitted.decodes] == [8, 16, 32, 64]
    assert [tokens for tokens, _ in found.fitted.prefills] == [2048, 4096, 6144, 8192]
    seconds = [seconds for _, seconds in found.fitted.decodes]
    assert seconds[-1] > seconds[0]


@needed
def test_what_it_has_no_kernels_of_is_refused() -> None:
    with pytest.raises(InputError, match=r"cannot estimate this: .*int4_wo"):
        of("llama-3.1-8b", "h100", weights="int4")


@needed
def test_remarks_of_the_package_are_silenced_while_it_is_asked(llama: Estimate) -> None:
    assert logging.getLogger("aiconfigurator_core").level == logging.NOTSET


def test_unknown_names_are_refused_all_at_once() -> None:
    with pytest.raises(InputError) as refused:
        of("mistral-7b", "l4", "any", pp=2)
    assert [fault.place for fault in refused.value.faults] == ["name", "model", "gpu", "pp"]


def test_names_are_those_of_the_catalogue() -> None:
    assert set(MODELS) <= set(MACHINES.llms)
    assert set(GPUS) <= set(MACHINES.gpus)
