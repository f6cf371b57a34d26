"""Which profiles a link joins, how fast it is, and groups that leave every pair as it was."""

from __future__ import annotations

import random
from itertools import product

import pytest

from fleetopt.case import Case
from fleetopt.performance.phase_links import KvPath, pairs_of, path_of
from fleetopt.problem import FleetProblem, PhaseLink, ProfileSpec


def spec(name: str, gpus: int = 1, kv: float | None = 1000.0, serves: str = "m") -> ProfileSpec:
    return ProfileSpec(
        name=name, gpu=name, serves=serves, gpus_per_replica=gpus, base_s=0.01,
        per_sequence_s=0.001, calibration_context_tokens=8192, chunk_tokens=512, kv_blocks=65536,
        calibration_slots=128, usd_per_hour=1.0, kv_bytes_per_token=kv,
    )  # fmt: skip


def case_of(links: list[str], *specs: ProfileSpec) -> Case:
    names = [one.name for one in specs]
    return Case.of(FleetProblem(phases="either", gpus=names, profiles=specs, links=links))


def paths_of(case: Case) -> dict[tuple[str, str], KvPath]:
    return {
        pair: pairs.path
        for pairs in case.phase_pairs
        for pair in product(pairs.prefill, pairs.decode)
    }


def test_networks_of_the_catalogue() -> None:
    """The slower of two GPUs; A10G serves another model and says nothing of its KV."""
    found = paths_of(Case.of(FleetProblem(phases="either")))
    speeds = {pair: path.bytes_per_s / 1e9 for pair, path in found.items()}
    fast, slow = ("h100", "h100"), ("a100", "h100")
    assert speeds[fast] == 50.0
    assert speeds[slow] == speeds["h100", "a100"] == speeds["a100", "a100"] == 25.0
    assert len(speeds) == 4


def test_the_last_link_that_fits_counts() -> None:
    found = paths_of(case_of(["10", "20:a:b", "ndr400:b:b"], spec("a", 4), spec("b", 2)))
    assert found["a", "a"].bytes_per_s == 4 * 10e9
    assert found["a", "b"].bytes_per_s == 2 * 20e9
    assert found["b", "a"].bytes_per_s == 2 * 10e9
    assert found["b", "b"].bytes_per_s == 2 * 50e9
    assert found["b", "b"].latency_s == pytest.approx(1e-5)


def test_only_replicas_of_one_model_are_joined() -> None:
    case = case_of(["10"], spec("a"), spec("b", serves="other"), spec("c", kv=500.0))
    assert set(paths_of(case)) == {("a", "a"), ("b", "b"), ("c", "c")}


def test_a_case_of_a_resolved_problem_is_the_same() -> None:
    case = case_of(["10", "eth100:a:b"], spec("a"), spec("b"))
    assert Case.of(case.problem).phase_pairs == case.phase_pairs


@pytest.mark.parametrize("seed", range(40))
def test_groups_hold_exactly_the_pairs(seed: int) -> None:
    """Every pair once, with its own path; groups have names of their own."""
    rng = random.Random(seed)
    specs = [spec(name, rng.choice((1, 2, 8))) for name in "abcd"[: rng.randint(1, 4)]]
    links = [
        PhaseLink(gb_per_s=rng.choice((10.0, 25.0)), latency_ms=0.0, kv_bytes_per_token=1000.0,
                  prefill=first.name, decode=second.name, shared=rng.random() < 0.3)
        for first, second in product(specs, specs)
        if rng.random() < 0.7
    ]  # fmt: skip
    groups = pairs_of(links, specs)
    gpus = {one.name: one.gpus_per_replica for one in specs}
    found = [
        (first, second, group.path)
        for group in groups
        for first, second in product(group.prefill, group.decode)
    ]
    stated = [(link.prefill, link.decode, path_of(link, gpus)) for link in links]
    assert sorted(found, key=repr) == sorted(stated, key=repr)
    assert len({group.name for group in groups}) == len(groups)
