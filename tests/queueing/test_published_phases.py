"""The published rule for phases apart, by hand, and rates of full replicas by running them."""

from __future__ import annotations

import numpy as np
import pytest

from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.queueing.published_phases import (
    ALPHA_DECODE,
    ALPHA_PREFILL,
    PhaseLoad,
    mean_lengths,
    tpot_s,
    ttft_s,
)
from fleetopt.workload.lengths import LengthDistribution

CONTEXT = 8192
SLOTS = 128
ISL, OSL = 1450, 483


def profile(name: str) -> CalibratedProfile:
    return CalibratedProfile(read_profiles()[name])


def azure() -> LengthDistribution:
    return LengthDistribution.from_cdf(read_lengths("azure")[0]).clipped(CONTEXT)


def test_means_of_upper_bin_edges() -> None:
    """Two bins: 1000 tokens with 60 %, 3000 with 40 %: 1800, of which three quarters are prompt."""
    assert mean_lengths(((1000, 0.6), (3000, 1.0))) == (1350, 450)
    assert mean_lengths(tuple(read_lengths("azure")[0].cdf)) == (ISL, OSL)


def test_rates_by_hand() -> None:
    """H100: W 4 ms, H 0.32 ms at 8192 tokens, chunks of 1024, 128 slots of 8192 tokens."""
    h100 = profile("h100")
    prefill_s = 3 * (0.004 + 0.00032 * SLOTS * 1451 / 8192)
    decode_s = 484 * (0.004 + 0.00032 * SLOTS * 484 / 8192)
    prefill = PhaseLoad.published_prefill(ISL, 1024).rate(h100.iteration, SLOTS, ALPHA_PREFILL)
    decode = PhaseLoad.published_decode(OSL).rate(h100.iteration, SLOTS, ALPHA_DECODE)
    assert h100.reserved(CONTEXT).slots == SLOTS
    assert prefill == pytest.approx(0.90 * SLOTS / prefill_s, rel=1e-12)
    assert decode == pytest.approx(0.92 * SLOTS / decode_s, rel=1e-12)


def test_latencies_by_hand() -> None:
    """Two chunks on an H100, three on an A100, in a batch of 128 sequences of 8192 tokens."""
    iteration_s = {"h100": 0.004 + 0.00032 * 128, "a100": 0.008 + 0.00065 * 128}
    for name, chunks in (("h100", 2), ("a100", 3)):
        assert tpot_s(profile(name), CONTEXT) == pytest.approx(iteration_s[name], rel=1e-12)
        expected_s = 1.8 * chunks * iteration_s[name]
        assert ttft_s(profile(name), CONTEXT, ISL) == pytest.approx(expected_s, rel=1e-12)


def test_exact_sums_of_two_requests() -> None:
    """(100, 10) and (300, 30) tokens, chunks of 128."""
    pairs = (np.array([100, 300]), np.array([10, 30]), np.array([1, 3]))
    lengths = LengthDistribution.from_pairs(*pairs, (0, 330))
    prefill, decode = PhaseLoad.prefill(lengths, 128), PhaseLoad.decode(lengths)
    assert prefill.work == pytest.approx(0.25 * 1 + 0.75 * 3)
    assert prefill.context_work == pytest.approx(0.25 * 100 + 0.75 * 900)
    assert decode.work == pytest.approx(0.25 * 10 + 0.75 * 30)
    assert decode.context_work == pytest.approx(0.25 * 10 * 105 + 0.75 * 30 * 315)


@pytest.mark.parametrize("name", ["a100", "h100"])
def test_a_full_decode_replica_runs_at_the_corrected_rate(name: str) -> None:
    """A batch that is always full, token by token, holding prompts and outputs so far."""
    replica, lengths = profile(name), azure()
    rng = np.random.default_rng()
    rates = [full_batch_rate(replica, lengths, rng) for _ in range(24)]
    error = 6.0 * np.std(rates, ddof=1) / len(rates) ** 0.5
    expected = PhaseLoad.decode(lengths).rate(replica.iteration, SLOTS, 1.0)
    assert np.mean(rates) == pytest.approx(expected, abs=error + 0.005 * expected)
    assert error < 0.1 * expected


def full_batch_rate(
    replica: CalibratedProfile, lengths: LengthDistribution, rng: np.random.Generator
) -> float:
    """Requests per second of one replica whose freed slots are filled at once."""
    time, iterations = replica.iteration, 6000

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        taken = lengths.sample(rng, count)
        return lengths.prompt_tokens[taken].copy(), lengths.output_tokens[taken].copy()

    prompt, output = drawn(SLOTS)
    done = np.zeros(SLOTS, dtype=np.int64)
    clock_s, ended, start_s = 0.0, 0, 0.0
    for step in range(2 * iterations):
        if step == iterations:
            start_s, ended = clock_s, 0
        clock_s += time.base_s + time.per_context_token_s * float((prompt + done).sum())
        done += 1
        over = np.flatnonzero(done >= output)
        if over.size:
            prompt[over], output[over] = drawn(over.size)
            done[over] = 0
            ended += over.size
    return ended / (clock_s - start_s)
