"""The four coefficients: a bounded fit by a second solver, and what they are worth."""

from __future__ import annotations

import cProfile
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from catalogue_entries import GPUS, LLMS, profile

from fleetopt.errors import InputError
from fleetopt.performance.power import projected_power
from fleetopt.performance.roofline import Load, RooflineProfile, iteration_seconds
from fleetopt.performance.roofline.coefficients import line
from fleetopt.problem import EngineConfig
from fleetopt.queueing.feasibility import OccupancyTable
from fleetopt.queueing.load import LoadTable
from fleetopt.queueing.table import Limits
from fleetopt.simulation.pool import Horizon, PoolModel, replicate
from fleetopt.simulation.statistics import PROBABILITIES
from fleetopt.workload.arrivals import Poisson
from fleetopt.workload.lengths import LengthDistribution

POSITIVE = st.floats(1e-3, 1e3)


@given(
    st.lists(st.tuples(st.integers(0, 1000), POSITIVE), min_size=2, max_size=9),
    st.one_of(st.just(np.inf), POSITIVE),
)
def test_a_fit_is_as_good_as_that_of_a_second_solver(
    points: list[tuple[int, float]], most: float
) -> None:
    """Bounded least squares of the same relative errors, by active sets (BVLS)."""
    x, y = np.array(points, dtype=float).T
    matrix = np.column_stack([1.0 / y, x / y])
    bounds = ([0.0, 0.0], [most, np.inf])
    second = lsq_linear(matrix, np.ones(len(points)), bounds, method="bvls")
    a, b = line(points, most)
    assert 0.0 <= a <= most
    assert b >= 0.0
    found = np.linalg.norm(matrix @ [a, b] - 1.0)
    assert found <= np.linalg.norm(second.fun) * (1 + 1e-5) + 1e-5


@pytest.mark.parametrize("gpu", ["a100", "h100", "b200", "l40s"])
def test_dense_models_follow_the_law_closely(gpu: str) -> None:
    """The A100 is the furthest: from 134 sequences on its products bind."""
    made = profile("llama-3.1-8b", gpu, mean_context_tokens=1024)
    assert made.fitted.decode_departure < 0.15
    assert made.fitted.prefill_departure < 0.03


def test_departures_are_told_where_the_law_is_no_line() -> None:
    """The experts that a batch touches grow and then stop growing."""
    made = profile("deepseek-v3", "h200", tp=8, weights="fp8")
    law, points = made.iteration, made.fitted.decodes
    distances = [
        abs(law.seconds(n * made.deployment.engine.mean_context_tokens) / s - 1) for n, s in points
    ]
    assert made.fitted.decode_departure == pytest.approx(max(distances))
    assert 0.1 < made.fitted.decode_departure < 0.25


def test_replicas_at_work_are_told_better_than_light_loads() -> None:
    """The line is too slow below a sixteenth of the largest batch, never too fast."""
    made = profile("deepseek-v3", "h200", tp=8, weights="fp8")
    context = float(made.deployment.engine.mean_context_tokens)
    batches = [n for n, _ in made.fitted.decodes]
    assert batches[0] == max(1, batches[-1] // 16)
    for n in (1, 2, 4):
        exact = iteration_seconds(made.deployment, Load(n, context), made.reached)
        assert n < batches[0]
        assert made.iteration.seconds(n * context) > exact


@settings(max_examples=40)
@given(
    st.sampled_from(["llama-3.1-8b", "qwen3-30b-a3b", "mistral-7b"]),
    st.sampled_from(sorted(set(GPUS) - {"l4", "a10g"})),
    st.sampled_from([512, 2048, 16384]),
)
def test_coefficients_are_never_negative(llm: str, gpu: str, budget: int) -> None:
    made = profile(llm, gpu, weights="fp8", token_budget=budget).iteration
    assert made.base_s > 0
    assert min(made.per_context_token_s, made.prefill_base_s, made.prefill_per_token_s) >= 0
    assert made.context == "current"
    assert made.token_budget == made.chunk_tokens == budget


@settings(max_examples=150)
@given(
    st.sampled_from(sorted(LLMS)),
    st.sampled_from(sorted(GPUS)),
    st.fixed_dictionaries({
        "tp": st.sampled_from([1, 2, 4, 8, 16]), "pp": st.integers(1, 4),
        "dp": st.sampled_from([1, 1, 4, 8]), "ep": st.sampled_from([1, 1, 4, 8]),
        "weights": st.sampled_from(["bf16", "fp8", "fp4", "int4"]),
        "kv": st.sampled_from(["bf16", "fp8"]), "token_budget": st.integers(1, 40_000),
        "max_num_seqs": st.integers(1, 2000), "mean_context_tokens": st.integers(1, 40_000),
    }),
)  # fmt: skip
def test_any_engine_that_can_run_has_a_usable_profile(
    llm: str, gpu: str, engine: dict[str, object]
) -> None:
    try:
        made = profile(llm, gpu, **engine)
    except InputError:
        return
    time = made.iteration
    assert 0 <= time.prefill_base_s <= time.base_s
    assert time.prefill_per_token_s > 0
    assert made.kv_tokens > 0
    assert made.reserved(1).slots >= 1


def test_a_profile_takes_few_calls() -> None:
    """Dense and with experts: 3000 calls are done within a millisecond."""
    for name, engine in (("llama-3.1-70b", EngineConfig(tp=8)),
                         ("deepseek-v3", EngineConfig(tp=16, weights="fp8"))):  # fmt: skip
        profiler = cProfile.Profile()
        profiler.runcall(RooflineProfile.of, LLMS[name], GPUS["h100"], engine)
        assert 0 < sum(entry.callcount for entry in profiler.getstats()) < 3000


def test_price_and_power_are_those_of_the_gpus() -> None:
    made = profile("llama-3.1-70b", "h100", tp=8)
    assert made.usd_per_hour == pytest.approx(8 * GPUS["h100"].usd_per_hour)
    assert made.gpus_per_replica == 8
    assert made.power == projected_power(700.0)
    assert made.power.watts(2**4.2) == pytest.approx(450.0)


def test_table_and_simulator_take_the_profile() -> None:
    """Long outputs after short prompts, so that prefill hardly counts: the same TPOT."""
    made = profile("llama-3.1-8b", "h100", mean_context_tokens=400)
    total = np.arange(400, 801)
    lengths = LengthDistribution.from_totals(total, np.ones(total.size), 0.02, (600, 800))
    rate, replicas = 6.0, 2
    capacity = made.paged(2048, 256)
    load = LoadTable(lengths, made.iteration).between(0, 2048, rate)
    row = OccupancyTable(load, made, capacity, 0, Limits(())).row(replicas)
    model = PoolModel(made.iteration, capacity, replicas, lengths, Poisson(rate))
    seeds = np.random.SeedSequence().spawn(2)
    with ThreadPoolExecutor(2) as executor:
        runs = replicate(model, Horizon(30.0, 120.0, 30.0, 100.0), (), seeds, executor)
    last = int(np.searchsorted(PROBABILITIES, 0.99))
    measured = np.mean([run.quantiles_s["tpot"][last] for run in runs])
    assert row.percentile_s("tpot", 99.0) == pytest.approx(measured, rel=0.05)
