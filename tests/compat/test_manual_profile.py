"""ManualProfile: the published formulas, written down a second time, and its named profiles."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetopt.compat import A10G, A100_80GB, H100_80GB, ManualProfile
from fleetopt.errors import InputError

FIGURES = Path(__file__).resolve().parents[3] / "shared" / "reference" / "profiles.json"
NAMED = [A10G, A100_80GB, H100_80GB]
PROFILES = st.builds(
    ManualProfile,
    name=st.just("mine"),
    W=st.floats(1e-4, 0.1),
    H=st.floats(0.0, 0.01),
    chunk=st.integers(16, 4096),
    blk_size=st.integers(1, 64),
    total_kv_blks=st.integers(1, 200_000),
    max_slots=st.integers(1, 512),
    cost_per_hr=st.floats(0.0, 20.0),
    calibration_ctx=st.integers(512, 65_536),
    power_idle_w=st.floats(10.0, 300.0),
    power_nominal_w=st.floats(310.0, 900.0),
    power_logistic_k=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    power_logistic_x0=st.floats(0.0, 6.0),
)


@given(PROFILES, st.integers(1, 500), st.integers(1, 100_000))
def test_iterations_and_slots(profile: ManualProfile, n: int, length: int) -> None:
    """tau = W + H n L / L_cal, and the smaller of two counts of slots."""
    stretch = profile.H / profile.calibration_ctx
    assert profile.iter_latency(n, length) == pytest.approx(profile.W + stretch * n * length)
    assert profile.iter_latency(n) == pytest.approx(profile.W + profile.H * n)
    by_compute = profile.max_slots * profile.calibration_ctx // length
    by_memory = profile.total_kv_blks // math.ceil(length / profile.blk_size)
    assert profile.n_slots(length) == min(by_compute, by_memory)


@given(PROFILES, st.integers(1, 50_000), st.integers(1, 10_000))
def test_service_time_and_throughput(profile: ManualProfile, l_in: int, l_out: int) -> None:
    """A request takes its iterations in a batch full of its own length."""
    slots = profile.n_slots(65_536)
    tau = profile.W + profile.H * slots * (l_in + l_out) / profile.calibration_ctx
    expected = (math.ceil(l_in / profile.chunk) + l_out) * tau
    assert profile.service_time(l_in, l_out, 65_536) == pytest.approx(expected)
    throughput = profile.throughput(65_536, float(l_in), float(l_out))
    assert throughput == pytest.approx(slots / expected)


@given(PROFILES, st.integers(1, 2000))
def test_power_of_a_batch(profile: ManualProfile, n: int) -> None:
    """Logistic over log2 n, or linear up to the slots."""
    span = profile.power_nominal_w - profile.power_idle_w
    k, x0 = profile.power_logistic_k, profile.power_logistic_x0
    share = 1.0 / (1.0 + math.exp(-k * (math.log2(n) - x0))) if k else n / profile.max_slots
    expected = profile.power_idle_w + span * min(1.0, share)
    assert profile.power_at_concurrency(n) == pytest.approx(expected)
    assert profile.power_at_concurrency(0) == profile.power_idle_w


@given(PROFILES, st.floats(0.0, 1000.0))
def test_inverted_power_is_the_largest_batch_within_it(
    profile: ManualProfile, watts: float
) -> None:
    """By trying every batch; at least 1 and at most the slots."""
    fitting = (
        n for n in range(1, profile.max_slots + 1) if profile.power_at_concurrency(n) <= watts
    )
    assert profile.invert_power(watts) == max(fitting, default=1)


def test_exact_inversion_where_the_published_table_is_one_off() -> None:
    """A quarter and two fifths of power less: 18 and 7 sequences, not 17 and 6."""
    nominal = H100_80GB.power_nominal_w
    assert [H100_80GB.invert_power(nominal * (1 - flex)) for flex in (0.25, 0.40)] == [18, 7]


@pytest.mark.parametrize("ask", ["power_at_concurrency", "invert_power"])
def test_unknown_power_is_said(ask: str) -> None:
    """Not taken for zero."""
    dark = ManualProfile("dark", 0.004, 0.0003, 1024, 16, 65536, 256, 4.0)
    with pytest.raises(ValueError, match="'dark' is not known: set power_idle_w"):
        getattr(dark, ask)(100)


@pytest.mark.parametrize(("field", "value"), [("W", 0.0), ("chunk", 0), ("max_slots", -1)])
def test_impossible_profiles_are_refused_with_their_name(field: str, value: float) -> None:
    """As profiles of a problem are."""
    stated = {**vars(A10G), field: value, "name": "my GPU"}
    wrong = ManualProfile(**{key: stated[key] for key in ManualProfile.__dataclass_fields__})
    with pytest.raises(InputError, match="ManualProfile 'my GPU'"):
        wrong.n_slots(8192)


def test_named_profiles_are_the_published_ones() -> None:
    """Every constant, and the slots and watts that go with them."""
    if not FIGURES.is_file():
        pytest.skip(f"the published figures are not at {FIGURES}")
    figures = json.loads(FIGURES.read_text())
    for item, ours in zip(figures["profiles"], [A100_80GB, H100_80GB, A10G], strict=True):
        fields = (
            "W_s", "H_s", "L_cal", "chunk_tokens", "block_tokens", "kv_blocks", "slots_cal",
            "usd_per_hour", "power_idle_w", "power_nominal_w", "power_k", "power_x0",
        )  # fmt: skip
        assert [item[field] for field in fields] == [
            ours.W, ours.H, ours.calibration_ctx, ours.chunk, ours.blk_size, ours.total_kv_blks,
            ours.max_slots, ours.cost_per_hr, ours.power_idle_w, ours.power_nominal_w,
            ours.power_logistic_k, ours.power_logistic_x0,
        ]  # fmt: skip
    by_name = {"a100": A100_80GB, "h100": H100_80GB, "a10g": A10G}
    for name, slots in figures["slots_check"].items():
        for context, expected in slots.items():
            assert by_name[name].n_slots(int(context)) == expected
    for name, watts in figures["power_check"].items():
        for batch, expected in watts.items():
            assert round(by_name[name].power_at_concurrency(int(batch))) == expected
