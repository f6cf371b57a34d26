"""The causes of an iteration's time against the roofline that they take apart."""

import numpy as np
import pytest

from fleetopt.catalog import read_machines
from fleetopt.performance.calibration import CAUSES, decode_units, prompt_units
from fleetopt.performance.calibration.seconds import NOMINAL
from fleetopt.performance.deployment import Deployment
from fleetopt.performance.roofline import Efficiency, Load, iteration_seconds
from fleetopt.problem import EngineConfig

MACHINES = read_machines()
NOMINAL_ROOFLINE = Efficiency(0.8, 0.7, 0.5, 0.8, 3e-6, 5e-4, "")
SEQUENCES, PROMPTS = CAUSES.index("sequences"), CAUSES.index("prompts")


def deployed(llm: str, gpu: str, **engine: object) -> Deployment:
    return Deployment.of(
        MACHINES.llms[llm], MACHINES.gpus[gpu], EngineConfig.model_validate(engine)
    )


@pytest.mark.parametrize(
    "deployment",
    [
        deployed("llama-3.1-8b", "h100"),
        deployed("llama-3.1-70b", "b200", tp=8, weights="fp8", kv="fp8"),
        deployed("deepseek-v3", "h200", tp=8, weights="fp8"),
        deployed("deepseek-v3", "b200", dp=8, ep=8, weights="fp4"),
        deployed("gpt-oss-120b", "b200", tp=2, weights="fp4"),
    ],
    ids=lambda each: each.name,
)
@pytest.mark.parametrize("batch", [1, 40, 500])
def test_nominal_seconds_give_the_uncalibrated_roofline(deployment: Deployment, batch: int) -> None:
    """Causes times their nominal seconds are the roofline's iteration and no more."""
    decode = NOMINAL * decode_units(deployment, batch, 3000.0)
    decode[SEQUENCES] = 0.0
    expected = iteration_seconds(deployment, Load(batch, 3000.0), NOMINAL_ROOFLINE)
    assert decode.sum() == pytest.approx(expected, rel=1e-9)
    prompt = NOMINAL * prompt_units(deployment, 4096)
    prompt[PROMPTS] = 0.0
    alone = Load(0.0, 0.0, 4096.0, 2048.0)
    expected = iteration_seconds(deployment, alone, NOMINAL_ROOFLINE)
    assert prompt.sum() == pytest.approx(expected, rel=1e-9)


def test_short_prompts_share_an_iteration() -> None:
    deployment = deployed("llama-3.1-8b", "h100")
    short, long = prompt_units(deployment, 512), prompt_units(deployment, 2048)
    kernels = CAUSES.index("kernels")
    assert short[kernels] == pytest.approx(long[kernels] / 4)
    assert short[PROMPTS] == long[PROMPTS] == 1.0
    assert np.all(short <= long + 1e-12)
