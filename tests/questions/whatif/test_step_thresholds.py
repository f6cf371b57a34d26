"""Step thresholds against a second method, and the fleets between them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from fleetopt.problem import WhatIf
from fleetopt.questions.two_pools import Sizes
from fleetopt.questions.whatif import GrowingFleet, when_to_add
from fleetopt.questions.whatif.asked import pools_over_rates

FIGURES = Path(__file__).resolve().parents[4] / "shared" / "reference" / "published_scenarios.json"
H100 = {"gpu_short": "h100", "gpu_long": "h100"}
A10G = {"gpu_short": "a10g", "gpu_long": "a10g"}
PUZZLE = WhatIf(cdf="azure", long_max_ctx=8192, lam_range=(25, 50, 100, 150, 200, 300, 400), **H100)
QUESTIONS = {
    "azure on h100, held by the cap": PUZZLE,
    "azure on a10g, held by prefill": WhatIf(
        cdf="azure", long_max_ctx=8192, lam_range=(25, 120), **A10G
    ),
    "lmsys, a mix": WhatIf(cdf="lmsys", gpu_short="a10g", gpu_long="h100", lam_range=(20, 150)),
    "published": PUZZLE.model_copy(update={"method": "published"}),
    "one pool": WhatIf(cdf="azure", b_short=8192, long_max_ctx=8192, lam_range=(10, 90), **H100),
}


@pytest.fixture(scope="module", params=QUESTIONS, ids=list(QUESTIONS))
def growing(request: pytest.FixtureRequest) -> GrowingFleet:
    """An answer."""
    return when_to_add(QUESTIONS[request.param])


def by_bisection(sizes: Sizes, stated: WhatIf, name: str, replicas: int, lo: float) -> float:
    """The largest rate of all requests whose least pool has so many replicas."""

    def needed(lam: float) -> int:
        short, long = sizes.at(lam).split(stated.b_short)
        pool = short if name == "short" else long
        assert pool is not None
        return pool.replicas

    hi = 2.0 * lo
    while needed(hi) <= replicas:
        hi *= 2.0
    while hi - lo > 1e-5 * hi:
        middle = 0.5 * (lo + hi)
        lo, hi = (middle, hi) if needed(middle) <= replicas else (lo, middle)
    return lo


def test_thresholds_are_where_the_least_pool_grows(growing: GrowingFleet) -> None:
    """Lambda(n) over the share is where the search for the least replicas first gives n + 1."""
    _, sizes = pools_over_rates(growing.stated)
    for step in growing.steps[:: max(1, len(growing.steps) // 4)]:
        for name in step.grows:
            expected = by_bisection(
                sizes, growing.stated, name, step.replicas[name], step.from_lam * (1 - 1e-4)
            )
            assert step.until_lam == pytest.approx(expected, rel=5e-5)


def test_every_rate_has_the_least_fleet_of_its_step(growing: GrowingFleet) -> None:
    """Between two thresholds the tables ask for exactly the fleet of the step."""
    _, sizes = pools_over_rates(growing.stated)
    for step in growing.steps:
        lam = 0.5 * (step.from_lam + step.until_lam)
        if step.until_lam < step.from_lam * (1 + 1e-4):
            continue
        short, long = sizes.at(lam).split(growing.stated.b_short)
        named = {"short": short, "long": long}
        assert {k: p.replicas for k, p in named.items() if p} == dict(step.replicas)


def test_steps_follow_one_another(growing: GrowingFleet) -> None:
    """Each begins where the one before it ends, and has one replica more where that grew."""
    rates = growing.stated.rates
    assert growing.steps[0].from_lam == min(rates)
    assert growing.steps[-1].until_lam >= max(rates)
    for before, after in zip(growing.steps, growing.steps[1:], strict=False):
        assert after.from_lam == before.until_lam < after.until_lam
        assert sum(after.replicas.values()) > sum(before.replicas.values())
        assert all(after.replicas[name] > before.replicas[name] for name in before.grows)


def test_rows_say_what_the_steps_say(growing: GrowingFleet) -> None:
    """A rate that was asked for has the threshold of the step that it lies in."""
    for fleet in growing.fleets:
        step = next(s for s in growing.steps if s.from_lam <= fleet.lam <= s.until_lam)
        assert fleet.add_before_lam == pytest.approx(step.until_lam)
        assert fleet.split.gpus == step.gpus
        assert fleet.split.usd_per_year == pytest.approx(step.usd_per_year)


def test_published_counts() -> None:
    """The published method has the published counts, and with them the factor 5.75."""
    if not FIGURES.exists():
        pytest.skip("the published figures are not beside the checkout")
    rows = json.loads(FIGURES.read_text())["puzzle_4"]["rows"]
    growing = when_to_add(QUESTIONS["published"])
    for fleet, row in zip(growing.fleets, rows, strict=True):
        assert fleet.lam == row["lam"]
        assert abs(fleet.split.gpus - row["gpus"]) <= max(1, 0.06 * row["gpus"])
        assert fleet.split.usd_per_year == pytest.approx(row["usd_per_year"], rel=0.01)
    assert growing.factors == pytest.approx((16.0, rows[-1]["gpus"] / rows[0]["gpus"]))


def test_growth_factor_is_that_of_pools_with_two_gpus_at_least() -> None:
    """Where a pool may have one GPU, 16 times the requests take more than 5.75 times the GPUs."""
    ours, published = when_to_add(PUZZLE), when_to_add(QUESTIONS["published"])
    least = ours.fleets[0].split, published.fleets[0].split
    assert (least[0].n_short, least[0].n_long) == (1, 1)
    assert (least[1].n_short, least[1].n_long) == (2, 2)
    assert ours.fleets[-1].split.gpus == published.fleets[-1].split.gpus
    assert ours.factors[1] == 2 * published.factors[1]


def test_a_pool_without_any_number_that_does() -> None:
    """Prompts of 65k tokens take an A100 longer than the bound, however many there are."""
    growing = when_to_add(WhatIf(cdf="lmsys", lam_range=(50, 100)))
    assert growing.hopeless == ("long",)
    assert growing.steps == ()
    assert all(fleet.add_before_lam is None for fleet in growing.fleets)
    assert not any(fleet.split.meets for fleet in growing.fleets)


def test_limits_are_named() -> None:
    """The cap holds H100 back, the prefill of long prompts A10G."""
    assert {fleet.limit for fleet in when_to_add(PUZZLE).fleets} == {"utilization cap"}
    held = when_to_add(QUESTIONS["azure on a10g, held by prefill"]).fleets[0]
    assert held.limit == "prefill of long prompts"


def test_ranges_with_too_many_steps_keep_their_thresholds() -> None:
    """A rate of a million has its threshold; the steps up to it are not listed."""
    growing = when_to_add(PUZZLE.model_copy(update={"lam_range": (10.0, 1e6)}))
    assert growing.steps == ()
    last = growing.fleets[-1].add_before_lam
    assert last is not None
    assert math.isclose(last, 1e6, rel_tol=1e-3)
    assert last >= 1e6
