"""Slots, memory and power of the bundled profiles."""

from __future__ import annotations

import pytest

from fleetopt.catalog import read_profiles
from fleetopt.performance.power import LogisticPower
from fleetopt.performance.profile import CalibratedProfile

PROFILES = {name: CalibratedProfile(spec) for name, spec in read_profiles().items()}


@pytest.mark.parametrize("name", sorted(PROFILES))
@pytest.mark.parametrize("hi", [512, 4096, 8192, 12288, 65536])
def test_reserved_slots_share_compute_and_memory(name: str, hi: int) -> None:
    """min(floor(slots L_cal / hi), floor(blocks / ceil(hi / block)))."""
    profile, spec = PROFILES[name], PROFILES[name].spec
    capacity = profile.reserved(hi)
    by_compute = spec.calibration_slots * spec.calibration_context_tokens // hi
    assert capacity.slots == min(by_compute, spec.kv_blocks // (hi // spec.block_tokens))
    assert capacity.kv_blocks == 0
    assert capacity.slots * hi <= profile.kv_tokens


def test_slots_of_the_published_pools() -> None:
    """128 slots at 8192 on A100 and H100, 64 on A10G; 16 at 65536."""
    assert {n: p.reserved(8192).slots for n, p in PROFILES.items()} == {
        "a100": 128,
        "h100": 128,
        "a10g": 64,
    }
    assert PROFILES["h100"].reserved(65536).slots == 16


def test_contexts_that_cannot_fit_have_no_slots() -> None:
    """Neither admission rule serves what the memory cannot hold."""
    for profile in PROFILES.values():
        too_long = profile.kv_tokens + 1
        assert profile.reserved(too_long).slots == 0
        assert profile.paged(too_long, 256).slots == 0
        assert profile.paged(profile.kv_tokens, 256).slots == 256


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_iteration_time_at_calibration(name: str) -> None:
    """One sequence of L_cal tokens adds H to W."""
    spec, time = PROFILES[name].spec, PROFILES[name].iteration
    added = time.per_context_token_s * spec.calibration_context_tokens
    assert added == pytest.approx(spec.per_sequence_s)
    assert time.base_s == spec.base_s
    assert time.context == "total"


def test_power_rises_from_idle_to_nominal() -> None:
    """Logistic in log2 of the batch; the published H100 draws 583 W at 128 sequences."""
    for profile in PROFILES.values():
        power = profile.power
        assert isinstance(power, LogisticPower)
        watts = [power.watts(batch) for batch in (0, 1, 8, 64, 512, 10**9)]
        assert watts == sorted(watts)
        assert power.idle_w < watts[0] == watts[1]
        assert watts[-1] == pytest.approx(power.nominal_w, rel=1e-3)
    h100 = PROFILES["h100"].power
    assert h100 is not None
    assert round(h100.watts(128)) == 583
