"""Fleets whose cause of misses is known by construction: it is the one that is named."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import constructed
import pytest

from fleetopt.problem import FleetSimulation
from fleetopt.questions.explain import Cause, Explanation, explain
from fleetopt.questions.fleets import simulate

KNOWN: dict[str, Cause] = {
    "crowded": Cause.WAIT,
    "long_prompts": Cause.PREFILL,
    "large_windows": Cause.ADMISSION,
    "slowed_decodes": Cause.INTERFERENCE,
    "bursts": Cause.BURST,
    "overloaded": Cause.INSTABILITY,
    "failing_nodes": Cause.OUTAGE,
    "misrouted": Cause.WINDOW,
    "long_outputs": Cause.DECODE,
}


def stated(name: str) -> FleetSimulation:
    build: Callable[[], FleetSimulation] = getattr(constructed, name)
    return build()


@cache
def explained(name: str) -> Explanation:
    return explain(stated(name))


@pytest.mark.parametrize("name", KNOWN)
def test_known_cause_is_named_and_wins_most_back(name: str) -> None:
    found = explained(name).answer
    assert found.examined == "misses"
    assert found.cause is KNOWN[name]
    assert found.binding is not None
    won = found.binding.won_back
    assert won.estimate is not None
    assert won.low is not None
    assert won.estimate >= won.low > 0.5


@pytest.mark.parametrize("name", KNOWN)
def test_other_causes_of_these_fleets_win_nothing_back(name: str) -> None:
    """A cause that the construction rules out changes no request, or only a few by chance."""
    found = explained(name).answer
    absent = {
        "crowded": (Cause.PREFILL, Cause.INTERFERENCE, Cause.ADMISSION),
        "long_prompts": (Cause.WAIT, Cause.INTERFERENCE, Cause.ADMISSION),
        "large_windows": (Cause.PREFILL, Cause.INTERFERENCE),
        "slowed_decodes": (Cause.ADMISSION, Cause.DECODE),
        "bursts": (Cause.PREFILL, Cause.INTERFERENCE, Cause.ADMISSION),
        "failing_nodes": (Cause.PREFILL, Cause.INTERFERENCE, Cause.ADMISSION),
        "misrouted": (Cause.WAIT, Cause.PREFILL, Cause.INTERFERENCE),
        "long_outputs": (Cause.WAIT, Cause.PREFILL, Cause.INTERFERENCE, Cause.ADMISSION),
    }.get(name, ())
    for cause in absent:
        removal = found.removal(cause)
        assert removal is None or removal.won_back.estimate == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", ["crowded", "misrouted"])
def test_fleet_as_it_is_fares_as_simulate_says(name: str) -> None:
    """Arrivals, misses and standing are those of the same command on the same seeds."""
    found, simulation = explained(name), simulate(stated(name))
    whole = found.findings[-1]
    assert whole.arrivals == simulation.fleet.arrivals
    share = simulation.fleet.attained[0].estimate
    assert share == pytest.approx(1.0 - whole.missed / whole.arrivals, abs=1e-12)
    assert whole.standing == simulation.standing


def test_bands_add_up_to_all_requests_and_misses() -> None:
    for name in ("long_prompts", "misrouted"):
        for found in explained(name).findings:
            for bands in (found.by_total, found.by_prompt):
                assert sum(band.arrivals for band in bands) == found.arrivals
                assert sum(band.missed for band in bands) == found.examined_count


def test_long_prompts_are_where_they_miss() -> None:
    """20,480 prompt tokens lie in one band, and no number of replicas helps them."""
    found = explained("long_prompts")
    missed = [band for band in found.answer.by_prompt if band.missed]
    assert [(band.lo_tokens, band.hi_tokens) for band in missed] == [(16_384, 32_768)]
    assert found.answer.hopeless == 1.0
    assert found.remedies[0].changed == "1 replica more"
    assert found.remedies[0].gained.estimate == 0.0


def test_remedies_mend_what_they_should() -> None:
    paged = [remedy for remedy in explained("large_windows").remedies if remedy.paged]
    assert [remedy.standing for remedy in paged] == ["pass"]
    assert explained("crowded").remedies[0].standing == "pass"
    assert explained("misrouted").remedies[-1].changed.startswith("the length router")
    assert explained("misrouted").remedies[-1].standing == "pass"


def test_a_fleet_that_passes_says_what_binds_first() -> None:
    """Half the load of `crowded` on two replicas: one fewer is that of M/D/8 at 0.85."""
    roomy = stated("crowded").model_dump(mode="json", exclude_unset=True)
    roomy["pools"][0]["n_gpus"] = 2
    found = explain(FleetSimulation.model_validate(roomy))
    assert found.answer.standing == "pass"
    assert found.answer.examined == "slowest"
    fewer = found.remedies[-1]
    assert fewer.changed == "1 replica fewer"
    assert fewer.standing == "fail"
    assert fewer.cause is Cause.WAIT
    assert fewer.missed == explained("crowded").answer.missed
