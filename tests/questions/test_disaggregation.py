"""Phases apart: the fewest counts against enumeration, and what binds where there are none."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetopt.compat import A10G, A100_80GB, H100_80GB, DisaggFleetOptimizer
from fleetopt.errors import InfeasibleError, InputError
from fleetopt.problem import PhasesApart, ProfileSpec, validate
from fleetopt.questions.disaggregation import Question, costs_over_rates, disaggregate
from fleetopt.questions.disaggregation.designed import design_phases
from fleetopt.questions.disaggregation.ratios import ratios_around

PROFILES = {"a10g": A10G, "a100": A100_80GB, "h100": H100_80GB}
GPUS = st.sampled_from(sorted(PROFILES))


def stated(**keys: object) -> PhasesApart:
    return validate(PhasesApart, {"cdf": "azure", **keys}, "")


@settings(max_examples=60)
@given(
    prefill=GPUS,
    decode=GPUS,
    lam=st.floats(1.0, 400.0),
    isl=st.integers(1, 4000),
    osl=st.integers(1, 4000),
)
def test_counts_are_the_cheapest_of_all(
    prefill: str, decode: str, lam: float, isl: int, osl: int
) -> None:
    """Every count up to the limits, as the published program goes through them."""
    asked = stated(lam=lam, gpu_prefill=prefill, gpu_decode=decode, mean_isl=isl, mean_osl=osl,
                   slo_ttft_ms=1e6, max_prefill=8, max_decode=60)  # fmt: skip
    every = DisaggFleetOptimizer(PROFILES[prefill], PROFILES[decode], isl, osl, 1e6, 100.0, 8192)
    enough = [point for point in every.sweep(8, 60) if point.system_rate >= lam]
    if not enough or not enough[0].slo_met:
        with pytest.raises(InfeasibleError):
            disaggregate(asked)
        return
    found = disaggregate(asked).asked
    best = min(enough, key=lambda point: point.cost_per_hr)
    assert (found.published.n_prefill, found.published.n_decode) == (best.n_prefill, best.n_decode)
    assert found.published.usd_per_year == pytest.approx(8760 * best.cost_per_hr)
    assert found.published.rate == pytest.approx(best.system_rate)
    assert (found.ttft_ms, found.tpot_ms) == pytest.approx((best.ttft_ms, best.tpot_ms))


@settings(max_examples=30)
@given(lam=st.floats(1.0, 1000.0), prefill=GPUS, decode=GPUS)
def test_corrected_counts_carry_the_rate_and_one_fewer_does_not(
    lam: float, prefill: str, decode: str
) -> None:
    apart = QUESTION[prefill, decode].pair(prefill, decode, lam).corrected
    sides = ((apart.n_prefill, apart.prefill_rate), (apart.n_decode, apart.decode_rate))
    for count, each in sides:
        assert count * each >= lam * (1.0 - 1e-12)
        assert count == 1 or (count - 1) * each < lam


QUESTION = {
    pair: Question(stated(gpu_prefill=pair[0], gpu_decode=pair[1]))
    for pair in itertools.product(PROFILES, PROFILES)
}


def test_the_prompts_kv_needs_twice_the_decode_replicas() -> None:
    """On the published workload the rule counts half of what decode takes."""
    for pair in disaggregate(stated(lam=100.0)).pairs:
        assert pair.corrected.n_decode >= 1.8 * pair.published.n_decode


def test_aggregated_pools_keep_both_bounds() -> None:
    """By the table; a tighter TPOT than the first pool has takes more replicas."""
    question = QUESTION["h100", "a100"]
    pool = question.aggregated("a100", 100.0).corrected
    assert pool is not None
    assert pool.tpot_ms is not None
    assert pool.ttft_ms <= 500.0
    tight = Question(stated(slo_tpot_ms=0.9 * pool.tpot_ms)).aggregated("a100", 100.0).corrected
    assert tight is not None
    assert tight.tpot_ms is not None
    assert tight.tpot_ms <= 0.9 * pool.tpot_ms
    assert tight.gpus > pool.gpus
    none = Question(stated(slo_tpot_ms=1.0)).aggregated("a100", 100.0)
    assert none.corrected is None
    assert none.published.gpus == pool.gpus


def test_prefill_on_a_model_competes_with_decodes() -> None:
    """With the compute of prefill in the profiles, a tight TPOT is cheaper apart."""
    keys = {
        "lam": 20, "model": "llama-3.1-70b", "gpu_prefill": "h100", "gpu_decode": "h100",
        "max_pools": 1, "verification": {"enabled": False},
    }  # fmt: skip
    loose, tight = (design_phases(stated(slo_tpot_ms=tpot, **keys)) for tpot in (100, 20))
    for found in (loose, tight):
        assert [fleet.config for fleet in found.fleets] == ["all-h100 aggregated", "h100P+h100D"]
        assert all(fleet.counted is None and fleet.plan for fleet in found.fleets)
    assert (loose.saving(loose.asked) or 0.0) < 0.0 < (tight.saving(tight.asked) or 0.0)
    ratios = ratios_around(tight.question, tight.asked)
    assert [ratio.keeps for ratio in ratios if ratio.is_best] == [True]


def test_a_model_and_its_gpus_are_checked() -> None:
    with pytest.raises(InputError, match="knows calibrated profiles only"):
        stated(model="llama-3.1-70b", method="published")
    with pytest.raises(InputError) as raised:
        Question(stated(model="llama-3.1-70", gpu_decode="h10"))
    assert {fault.place for fault in raised.value.faults} == {"model", "gpu_decode"}


def test_what_binds() -> None:
    cases = [
        ({"slo_tpot_ms": 90.0}, r"the TPOT of a decode replica \(a100\) is 91.2 ms, above 90 ms"),
        ({"slo_ttft_ms": 100.0}, r"the TTFT of a prefill replica \(h100\) is 161.9 ms, above 100"),
        ({"lam": 3000.0}, r"64 decode replicas serve 1206 of 3000 .* 160 are needed"),
        ({"lam": 200.0, "max_decode": 3}, r"--max-decode"),
    ]
    for keys, said in cases:
        with pytest.raises(InfeasibleError, match=said):
            disaggregate(stated(**keys))


def test_faults_come_together() -> None:
    with pytest.raises(InputError) as raised:
        disaggregate(stated(cdf="asure", gpu_prefill="h10", gpu_decode="b10"))
    assert [fault.place for fault in raised.value.faults] == [
        "'asure'",
        "gpu_prefill",
        "gpu_decode",
    ]
    with pytest.raises(InputError, match="above the context of 1,000"):
        disaggregate(stated(max_ctx=1000))
    with pytest.raises(InputError, match="no replica of a10g holds"):
        disaggregate(stated(gpu_prefill="a10g", max_ctx=4_000_000))


def test_replicas_of_several_gpus_cost_what_their_gpus_cost() -> None:
    spec = H100_80GB.spec.model_dump() | {"name": "twins", "gpus_per_replica": 2}
    keys = {"profiles": [validate(ProfileSpec, spec, "")], "gpu_prefill": "twins", "lam": 100.0}
    pair = disaggregate(stated(gpu_decode="a100", **keys)).asked
    assert pair.published.gpus == 2 * pair.published.n_prefill + pair.published.n_decode
    hourly = 2 * 4.02 * pair.published.n_prefill + 2.21 * pair.published.n_decode
    assert pair.published.usd_per_year == pytest.approx(8760 * hourly)


def test_costs_over_rates_are_those_of_the_single_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    from fleetopt.questions.disaggregation import costs

    monkeypatch.setattr(costs, "POINTS", 5)
    question = Question(stated(lam=100.0, gpu_prefill="a100", gpu_decode="h100"))
    seen = costs_over_rates(question)
    assert seen.rates == pytest.approx((10.0, 31.6228, 100.0, 316.228, 1000.0), rel=1e-5)
    found = disaggregate(question.stated)
    assert seen.published_apart[2] == min(p.published.usd_per_year for p in found.pairs)
    assert seen.corrected_apart[2] == min(p.corrected.usd_per_year for p in found.pairs)
    assert seen.published_together[2] == min(p.published.usd_per_year for p in found.aggregated)
    for line in (seen.published_apart, seen.corrected_apart, seen.corrected_together):
        assert list(line) == sorted(line)
