"""DisaggFleetOptimizer: counts by hand, the best of all, and wrong values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from fleetopt.cli.main import cli
from fleetopt.compat import (
    A100_80GB,
    ALPHA_DEC,
    ALPHA_PRE,
    BETA_TTFT,
    H100_80GB,
    DisaggFleetOptimizer,
    ManualProfile,
)
from fleetopt.errors import InputError


def optimizer(**keys: Any) -> DisaggFleetOptimizer:
    stated = {"mean_isl": 1450, "mean_osl": 483, "slo_ttft_ms": 500, "slo_tpot_ms": 100,
              "max_ctx": 8192, **keys}  # fmt: skip
    return DisaggFleetOptimizer(H100_80GB, A100_80GB, **stated)


def test_constants() -> None:
    assert (ALPHA_PRE, ALPHA_DEC, BETA_TTFT) == (0.90, 0.92, 1.80)


def test_most_requests_for_a_gpu() -> None:
    """Prefill is nearly free by this rule, so the most decode replicas win: 64 A100 by hand."""
    best = optimizer().optimize()
    assert best is not None
    a100_s = 0.008 + 0.00065 * 128 * 484 / 8192
    assert (best.n_prefill, best.n_decode, best.total_gpus) == (1, 64, 65)
    assert best.system_rate == pytest.approx(64 * 0.92 * 128 / (484 * a100_s))
    assert best.thru_per_gpu == pytest.approx(best.system_rate / 65)
    assert (best.ttft_ms, best.tpot_ms) == pytest.approx((161.856, 91.2))
    assert best.cost_per_hr == pytest.approx(4.02 + 64 * 2.21)
    assert (best.prefill_name, best.decode_name) == ("H100-80GB", "A100-80GB")


def test_the_best_is_the_best_of_the_sweep() -> None:
    """Also where only some numbers of GPUs are allowed."""
    for allowed in (None, [4, 7], [12]):
        best = optimizer().optimize(5, 9, allowed)
        every = optimizer().sweep(5, 9, allowed)
        assert best is not None
        assert best.thru_per_gpu == max(point.thru_per_gpu for point in every)
        assert {point.total_gpus for point in every} <= set(allowed or range(2, 15))


def test_sweep_goes_through_all_counts() -> None:
    points = optimizer().sweep(3, 4)
    counts = [(point.n_prefill, point.n_decode) for point in points]
    assert counts == [(p, d) for p in (1, 2, 3) for d in (1, 2, 3, 4)]
    assert all(point.slo_met for point in points)


def test_none_keeps_the_slo() -> None:
    strict = optimizer(slo_tpot_ms=50)
    assert strict.optimize() is None
    assert not any(point.slo_met for point in strict.sweep(2, 2))


def test_a_slow_prefill_limits_the_rate() -> None:
    """A chunk of one token makes prefill the slower phase, and its replicas count."""
    slow = ManualProfile("slow", 0.004, 0.00032, 1, 16, 65536, 256, 4.02)
    points = DisaggFleetOptimizer(slow, H100_80GB, 1450, 483, 1e9, 100, 8192).sweep(2, 4)
    rate = {(point.n_prefill, point.n_decode): point.system_rate for point in points}
    assert rate[1, 1] == rate[1, 4]
    assert rate[2, 4] == pytest.approx(2 * rate[1, 4])


def test_the_prompts_kv_halves_the_rate() -> None:
    """By hand: 483 iterations with 1450 + 241.5 tokens held."""
    point = optimizer().sweep(1, 1)[0]
    iteration_s = 0.008 + 0.00065 * 128 * (1450 + 483 / 2) / 8192
    assert point.rate_with_prompt_kv == pytest.approx(0.92 * 128 / (483 * iteration_s))
    assert point.rate_with_prompt_kv < 0.55 * point.system_rate


def test_agrees_with_the_command() -> None:
    """The cheapest of the counts that carry 100 requests per second."""
    line = "disagg --method published --cdf azure --lam 100 --format json"
    done = CliRunner().invoke(cli, line.split())
    row = next(r for r in json.loads(done.stdout)["rows"] if r["config"] == "h100P+a100D")
    enough = [point for point in optimizer().sweep(32, 64) if point.system_rate >= 100]
    best = min(enough, key=lambda point: point.cost_per_hr)
    assert (best.n_prefill, best.n_decode) == (row["n_prefill"], row["n_decode"]) == (1, 6)
    assert row["usd_per_year"] == pytest.approx(8760 * best.cost_per_hr)


def test_wrong_values_come_together() -> None:
    with pytest.raises(InputError) as raised:
        optimizer(max_ctx=1000, alpha_pre=1.5, beta_ttft=0).sweep(0, 1)
    places = [fault.place for fault in raised.value.faults]
    assert places == ["mean_isl + mean_osl", "alpha_pre", "beta_ttft", "max_prefill"]
    with pytest.raises(InputError, match="max_ctx: must be at least 2, got 0"):
        optimizer(max_ctx=0).optimize()


def test_report(capsys: pytest.CaptureFixture[str]) -> None:
    best = optimizer().optimize(1, 6)
    assert best is not None
    best.print_report()
    assert "1P x 6D, 7 GPUs" in capsys.readouterr().out
