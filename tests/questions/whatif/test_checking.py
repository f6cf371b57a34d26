"""Step thresholds in the simulator: pools pass at 0.98 Lambda(n), and not at 1.05."""

from __future__ import annotations

import pytest

from fleetopt.problem import WhatIf
from fleetopt.questions.whatif import when_to_add
from fleetopt.questions.whatif.checking import check_steps, sizes_of

A10G = {"gpu_short": "a10g", "gpu_long": "a10g", "long_max_ctx": 8192}
H100 = {"gpu_short": "h100", "gpu_long": "h100"}
HANDFUL = {
    "held by the cap": (WhatIf(cdf="azure", lam=25, long_max_ctx=8192, **H100), True),
    "held by prefill": (WhatIf(cdf="azure", lam=25, **A10G), False),
    "held by waits": (WhatIf(cdf="lmsys", lam=40, gpu_short="a10g", gpu_long="h100"), False),
}
MANY = {
    "azure on h100": WhatIf(
        cdf="azure", long_max_ctx=8192, lam_range=(25, 50, 100, 150, 200, 300, 400), **H100
    ),
    "azure on a10g": WhatIf(cdf="azure", lam_range=(25, 50, 100), **A10G),
    "lmsys on both": WhatIf(
        cdf="lmsys", gpu_short="a10g", gpu_long="h100", lam_range=(25, 50, 100, 200)
    ),
    "agents on h100": WhatIf(cdf="agent_heavy", slo=1000, lam_range=(2, 5, 10, 20), **H100),
}


@pytest.mark.parametrize("name", HANDFUL)
def test_a_handful_of_sizes(name: str) -> None:
    stated, by_cap = HANDFUL[name]
    checked = check_steps(when_to_add(stated))
    assert len(checked) >= 2
    for size in checked:
        assert size.below.verdict == "pass"
        assert size.holds
    weakest = checked[-1]
    assert weakest.runs_into_cap is by_cap
    assert (weakest.limit == "utilization cap") is by_cap


@pytest.mark.slow
@pytest.mark.parametrize("name", MANY)
def test_every_size(name: str) -> None:
    growing = when_to_add(MANY[name])
    checked = check_steps(growing)
    assert [(size.pool, size.replicas) for size in checked] == sizes_of(growing)
    assert [size for size in checked if not size.holds] == []


def test_many_sizes_are_those_of_the_rates() -> None:
    """Of hundreds of sizes only those of the rates that were asked for are simulated."""
    growing = when_to_add(WhatIf(cdf="azure", lam_range=(50, 1000), **A10G))
    assert len(growing.steps) > 60
    assert len(sizes_of(growing)) == 4
