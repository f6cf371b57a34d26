"""Calibrated rooflines: the steps against the units that the constants were fitted with."""

from __future__ import annotations

import numpy as np
import pytest
from catalogue_entries import GPUS, LLMS
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetopt.performance.calibration import (
    Calibrated,
    decode_units,
    first_token_names,
    prompt_units,
    reached_with,
)
from fleetopt.performance.calibration.bundled import bundled, caveats, measured
from fleetopt.performance.calibration.record import Error, Record
from fleetopt.performance.calibration.seconds import NOMINAL
from fleetopt.performance.deployment import Deployment
from fleetopt.performance.engines import engines, spec_of
from fleetopt.performance.roofline import UNCALIBRATED, Load, RooflineProfile, iteration_seconds
from fleetopt.problem import EngineChoices, EngineConfig

RUN = {
    "dense": ("llama-3.1-70b", "h100", EngineConfig(tp=4)),
    "stages": ("llama-3.1-70b", "a100", EngineConfig(tp=2, pp=2)),
    "experts": ("deepseek-v3", "b200", EngineConfig(tp=4, dp=2, ep=8, weights="fp8")),
}
factors = st.lists(st.floats(0.3, 3.0), min_size=NOMINAL.size, max_size=NOMINAL.size)


@settings(max_examples=60)
@given(st.sampled_from(sorted(RUN)), factors, st.integers(1, 300), st.integers(1, 30_000))
def test_the_steps_add_up_to_the_units(
    name: str, factor: list[float], sequences: int, tokens: int
) -> None:
    """An iteration's steps take the product of its units with the seconds of each cause."""
    llm, gpu, engine = RUN[name]
    deployment = Deployment.of(LLMS[llm], GPUS[gpu], engine)
    seconds = NOMINAL * np.array(factor)
    reached = Calibrated.by(seconds, "")
    decode = iteration_seconds(deployment, Load(sequences, tokens), reached)
    assert decode == pytest.approx(float(decode_units(deployment, sequences, tokens) @ seconds))
    long = max(tokens, 2048)
    prefill = iteration_seconds(deployment, Load(0.0, 0.0, long, long / 2), reached)
    assert prefill == pytest.approx(float(prompt_units(deployment, long) @ seconds))


def test_the_bundled_constants_are_slower_than_data_sheets() -> None:
    """As the measurements were, for every engine; 'none' is the bare roofline."""
    llm, gpu, engine = LLMS["llama-3.1-70b"], GPUS["h100"], EngineConfig(tp=4)
    bare = RooflineProfile.of(llm, gpu, engine, reached_with("none")(llm, gpu, engine))
    assert bare.reached == UNCALIBRATED
    for name in ("vllm", "sglang", "trtllm", "any"):
        made = RooflineProfile.of(llm, gpu, engine, reached_with(name)(llm, gpu, engine))
        for _, seconds in made.fitted.decodes:
            assert seconds > 0
        slower = [
            a[1] / b[1] for a, b in zip(made.fitted.decodes, bare.fitted.decodes, strict=True)
        ]
        assert min(slower) > 1.0
        assert made.iteration.prefill_per_token_s > bare.iteration.prefill_per_token_s


def test_gpus_that_nobody_measured_fall_back_and_are_told() -> None:
    llm, engine = LLMS["llama-3.1-70b"], EngineConfig(tp=4)
    assert "a100" not in measured("vllm")
    assert "h100" in measured("vllm")
    reached = reached_with("vllm")
    a100, l40s = (reached(llm, GPUS[name], engine) for name in ("a100", "l40s"))
    assert isinstance(a100, Calibrated)
    assert isinstance(l40s, Calibrated)
    assert a100.seconds == l40s.seconds
    assert "none on a100" in a100.source
    told = caveats("vllm", llm, [GPUS["a100"], GPUS["h100"]])
    assert any("not measured with vllm: a100;" in text for text in told)
    assert len(caveats("vllm", llm, [GPUS["h100"]])) == 1


def test_what_profiles_are_derived_with_is_said() -> None:
    """The engine and the errors to expect stand in the notes and in each profile's source."""

    def derived(**choices: object) -> tuple[str, str, float]:
        found = engines(LLMS["llama-3.1-70b"], (GPUS["h100"],), EngineChoices(tp=(4,), **choices),
                        256, 2048)  # fmt: skip
        return found.notes[0], found.specs[0].source, found.specs[0].base_s

    error = bundled()[1].errors["dense"]
    note, source, _ = derived(name="sglang")
    for text in (note, source):
        assert "measured runs of sglang" in text
        assert f"TPOT is off by {100 * error.tpot:.0f} %" in text
        assert f"TTFT by {100 * error.ttft:.0f} %" in text
    note, source, _ = derived(name="none")
    assert "not calibrated" in note
    assert "fitted to nothing" in source
    assert derived() == derived(name="vllm")


RECORD = Record(
    {"dense": Error(90, 0.1, 0.3), "dense few": Error(50, 0.05, 0.2),
     "dense many": Error(40, 0.2, 0.4), "dense odd": Error(3, 0.9, 0.9)},
    {"one": {"clients": (4.0, 64.0), "prompt_tokens": (100.0, 8000.0), "tp": (1.0, 4.0)},
     "two": {"clients": (1.0, 256.0), "prompt_tokens": (500.0, 9000.0), "tp": (2.0, 8.0)}},
)  # fmt: skip


def test_what_lies_outside_of_the_measurements_is_told_with_its_distance() -> None:
    assert RECORD.beyond("one", clients=64, prompt_tokens=100, tp=4) == []
    (said,) = RECORD.beyond("one", clients=128.0, tp=1)
    assert said == "sequences in a replica: 128 is 2.0 times outside of the measured 4 to 64"
    (said,) = RECORD.beyond("two", tp=1)
    assert "2.0 times outside of the measured 2 to 8" in said
    assert RECORD.beyond("any", clients=200, prompt_tokens=100, tp=1) == []
    assert Record.from_dict(RECORD.to_dict()).to_dict() == RECORD.to_dict()
    assert RECORD.expected("moe") == ""


def test_profiles_of_an_engine_have_what_clients_wait_outside_of_it() -> None:
    """Seconds and iterations of the calibration; a plan's profile keeps them."""
    llm, gpu = LLMS["deepseek-v3"], GPUS["b200"]
    constants, _ = bundled()
    grouped = EngineConfig(tp=1, dp=8, ep=8, weights="fp8")
    for engine in (EngineConfig(tp=8, weights="fp8"), grouped):
        names = first_token_names("trtllm", "moe", llm.name, gpu.spec.name, engine.dp)
        told = constants.first_token_of(names)
        made = RooflineProfile.of(llm, gpu, engine, reached_with("trtllm")(llm, gpu, engine))
        passed_s = made.iteration.first_token_s - told.beyond_s(0.0, engine.mean_context_tokens)
        assert made.iteration.base_s < passed_s / told.iterations < made.fitted.decodes[-1][1]
        assert spec_of(made, "made").first_token_s == made.iteration.first_token_s
    bare = RooflineProfile.of(llm, gpu, grouped)
    assert bare.iteration.first_token_s == 0.0
