"""Profiles of a model for every engine configuration, against the roofline one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from catalogue_entries import GPUS, LLMS, profile
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetopt.errors import InputError
from fleetopt.performance.coefficient import CoefficientProfile, profile_of
from fleetopt.performance.deployment import Deployment
from fleetopt.performance.engines import Engines, engines, spec_of
from fleetopt.performance.memory import memory_of
from fleetopt.performance.roofline import UNCALIBRATED, RooflineProfile
from fleetopt.problem import CoefficientSpec, EngineChoices, EngineConfig, validate

LLAMA = LLMS["llama-3.1-70b"]


def derived(llm: str, gpus: str, **choices: object) -> Engines:
    stated = validate(EngineChoices, choices, "")
    return engines(LLMS[llm], tuple(GPUS[name] for name in gpus.split(",")), stated, 256, 2048)


def runs(llm: str, gpu: str, engine: EngineConfig) -> bool:
    """Whether a configuration can run, by the rules of a deployment and of its memory."""
    try:
        return memory_of(Deployment.of(LLMS[llm], GPUS[gpu], engine)).slots(1) >= 1
    except InputError:
        return False


def test_what_can_run_is_every_combination_but_those_left_out() -> None:
    """Counted one by one; names are unique, and say what was chosen."""
    ways = {"tp": [1, 2, 3, 4], "pp": [1, 2], "weights": ["bf16", "fp8"], "kv": ["bf16", "fp8"]}
    found = derived("llama-3.1-70b", "a100,h200", **ways)
    every = [
        EngineConfig(tp=tp, pp=pp, weights=weights, kv=kv)
        for tp in ways["tp"]
        for pp in ways["pp"]
        for weights in ways["weights"]
        for kv in ways["kv"]
    ]
    can = sum(runs("llama-3.1-70b", gpu, engine) for gpu in ("a100", "h200") for engine in every)
    assert len(found.specs) == can
    assert can + sum(count for _, _, count in found.left_out) == 2 * len(every)
    names = [spec.name for spec in found.specs]
    assert len(set(names)) == len(names)
    assert "h200-tp2-pp2-fp8-kv-fp8" in names
    assert ("a100", "tp: must divide heads, which is 64, got 3", 8) in found.left_out


def test_a_model_that_is_left_out_is_told_with_its_least_gpus() -> None:
    found = derived("llama-3.1-70b", "h100", tp=[1, 2])
    said = "does not fit with bf16 weights, which takes 2 GPUs at least"
    assert found.left_out == (("h100", said, 1),)
    assert any(f"1 of h100, {said}" in note for note in found.notes)


def test_admissions_batches_and_budgets_are_dimensions_too() -> None:
    choices = {"max_num_seqs": [32, 64], "token_budget": [1024, 2048],
               "admission": ["reserved", "paged"], "tp": 8}  # fmt: skip
    found = derived("llama-3.1-70b", "h100", **choices)
    assert len(found.specs) == 8
    one = next(s for s in found.specs if s.name == "h100-tp8-seqs32-budget1024-paged")
    assert (one.max_num_seqs, one.token_budget, one.admission) == (32, 1024, "paged")


@pytest.mark.parametrize(
    ("llm", "gpu", "choices", "said"),
    [
        ("llama-3.1-405b", "h100", {"tp": 8}, "it takes at least 12 of them"),
        ("llama-3.1-70b", "h100", {"tp": 3}, "must divide heads, which is 64, got 3"),
        ("llama-3.1-70b", "h100", {"tp": 8, "ep": 2}, "has no experts"),
        ("llama-3.1-70b", "a100", {"tp": 8, "compute": "fp8", "weights": "fp8"}, "bf16 only"),
    ],
)
def test_where_nothing_runs_one_message_says_why(
    llm: str, gpu: str, choices: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError) as error:
        derived(llm, gpu, **choices)
    assert len(error.value.faults) == 1
    assert said in str(error.value.faults[0])


def test_a_gpu_on_which_nothing_runs_stands_beside_one_that_does() -> None:
    found = derived("llama-3.1-70b", "l4,h100", tp=[2, 4])
    assert {spec.gpu for spec in found.specs} == {"h100"}
    assert sum(count for gpu, _, count in found.left_out if gpu == "l4") == 2


def test_tensor_parallelism_goes_into_whole_nodes() -> None:
    gpus, choices = (GPUS["h200"],), EngineChoices(tp=(2, 4, 8))
    found = engines(LLAMA, gpus, choices, 256, 2048, 4)
    assert [spec.engine.tp for spec in found.specs if spec.engine] == [2, 4, 8]
    found = engines(LLAMA, gpus, choices, 256, 2048, 6)
    assert [spec.engine.tp for spec in found.specs if spec.engine] == [2]


def test_other_constants_may_stand_behind_the_profiles() -> None:
    """A calibration of the constants reaches the coefficients."""
    slower = replace(UNCALIBRATED, memory=0.4, source="measured here")
    choices = EngineChoices(tp=(8,))
    args = (LLAMA, (GPUS["h100"],), choices, 256, 2048)
    plain = engines(*args, reached=lambda *_: UNCALIBRATED)
    other = engines(*args, reached=lambda *_: slower)
    assert other.specs[0].base_s > 1.5 * plain.specs[0].base_s
    assert "measured here" in other.specs[0].source


MADE = {
    "dense": profile("llama-3.1-70b", "h100", tp=8),
    "kv in fp8": profile("llama-3.1-70b", "h200", tp=2, pp=2, kv="fp8", max_num_seqs=64),
    "latent": profile("deepseek-v3", "b200", tp=8, weights="fp8"),
    "groups": profile("deepseek-v3", "b200", tp=4, dp=2, ep=8, weights="fp8"),
}


@settings(max_examples=100)
@given(st.sampled_from(sorted(MADE)), st.integers(1, 131_072), st.integers(1, 512))
def test_a_written_profile_is_the_computed_one(name: str, context: int, seqs: int) -> None:
    """Coefficients and slots of the statement, through JSON, are those of the roofline."""
    made = MADE[name]
    text = spec_of(made, "mine").model_dump_json()
    read = profile_of(CoefficientSpec.model_validate_json(text))
    assert isinstance(read, CoefficientProfile)
    assert read.iteration == made.iteration
    assert read.reserved(context) == made.reserved(context)
    assert read.paged(context, seqs) == made.paged(context, seqs)
    same = ("gpu", "serves", "gpus_per_replica", "usd_per_hour", "kv_tokens", "max_num_seqs")
    assert all(getattr(read, key) == getattr(made, key) for key in same)
    assert read.power is not None
    assert read.power.watts(7) == pytest.approx(made.power.watts(7))


@settings(max_examples=100)
@given(st.integers(1, 131_072))
def test_windows_are_counted_to_a_block(context: int) -> None:
    """With windowed layers a written profile rounds KV to whole blocks, and admits no more."""
    llm = LLMS["llama-3.1-8b"].model_copy(update={"sliding_window": 4096, "sliding_layers": 16})
    made = RooflineProfile.of(llm, GPUS["h100"], EngineConfig(max_num_seqs=4096))
    read = profile_of(spec_of(made, "mine"))
    exact, written = made.reserved(context).slots, read.reserved(context).slots
    assert exact * 0.999 - 1 <= written <= exact
