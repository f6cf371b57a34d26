"""Wrong pools and links of prefill and decode apart: every fault, with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fleetopt.cli.main import cli
from fleetopt.errors import InputError
from fleetopt.problem import FleetSimulation, validate

PREFILL = {"id": "p", "gpu": "h100", "n_gpus": 1, "max_ctx": 8192, "role": "prefill"}
DECODE = {"id": "d", "gpu": "a100", "n_gpus": 2, "max_ctx": 8192, "role": "decode"}
MIXED = {"id": "m", "gpu": "a100", "n_gpus": 2, "max_ctx": 8192}
LINK = {"source": "p", "target": "d", "gb_per_s": 50, "kv_bytes_per_token": 327_680}
LINKS_HINT = " (state links with source, target and gb_per_s)"


def stated(pools: Any, links: Any, **keys: Any) -> dict[str, Any]:
    """A fleet file."""
    return {"pools": pools, "links": links, "cdf": "azure", "lam": 10, **keys}


def faults(data: dict[str, Any]) -> list[str]:
    """What a statement is refused for."""
    with pytest.raises(InputError) as refused:
        validate(FleetSimulation, data, "")
    return [str(fault) for fault in refused.value.faults]


@pytest.mark.parametrize("pools", [[PREFILL, DECODE], [DECODE, PREFILL], [PREFILL, DECODE, MIXED]])
def test_sound_fleets(pools: list[dict[str, Any]]) -> None:
    assert len(validate(FleetSimulation, stated(pools, [LINK]), "").pools) == len(pools)


@pytest.mark.parametrize(
    ("pools", "links", "expected"),
    [
        # a phase without its other half
        (
            [PREFILL, DECODE],
            [],
            [
                "pools[0].role: no link takes the KV of p to a pool that decodes" + LINKS_HINT,
                "pools[1].role: no link brings KV from a prefill pool to d" + LINKS_HINT,
            ],
        ),
        (
            [PREFILL, MIXED],
            [],
            ["pools[0].role: no link takes the KV of p to a pool that decodes" + LINKS_HINT],
        ),
        (
            [DECODE],
            [],
            [
                "pools: all of them only decode (give one the role prefill or mixed)",
                "pools[0].role: no link brings KV from a prefill pool to d" + LINKS_HINT,
            ],
        ),
        # a phase with no replica
        (
            [PREFILL, {**DECODE, "n_gpus": 0}],
            [LINK],
            ["pools[1].n_gpus: must be at least 1, got 0"],
        ),
        # links that join nothing, or the wrong pools
        (
            [PREFILL, DECODE],
            [LINK, {**LINK, "target": "dd"}],
            ["links[1].target: no pool is called 'dd' (did you mean 'd'?)"],
        ),
        (
            [PREFILL, DECODE, MIXED],
            [LINK, {**LINK, "source": "m"}, {**LINK, "target": "p"}],
            [
                "links[1].source: the role of m must be prefill",
                "links[2].target: the role of p must be decode or mixed",
            ],
        ),
        ([PREFILL, DECODE], [LINK, LINK], ["links[1]: p to d is stated twice"]),
        (
            [PREFILL, {**DECODE, "max_ctx": 4096}],
            [LINK],
            [
                "links[0].target: d has a context window of 4,096, p of 8,192 "
                "(prompts could arrive that do not fit)"
            ],
        ),
        # figures without a meaning
        (
            [PREFILL, DECODE],
            [{**LINK, "gb_per_s": 0, "latency_ms": -1}],
            [
                "links[0].gb_per_s: must be greater than 0, got 0",
                "links[0].latency_ms: must be at least 0, got -1",
            ],
        ),
        (
            [{**PREFILL, "role": "prefil"}, DECODE],
            [LINK],
            [
                "pools[0].role: expected 'mixed', 'prefill' or 'decode', got 'prefil' "
                "(did you mean 'prefill'?)"
            ],
        ),
    ],
)  # fmt: skip
def test_faulty_fleets(pools: Any, links: Any, expected: list[str]) -> None:
    assert sorted(faults(stated(pools, links))) == sorted(expected)


def test_routers_know_only_pools_that_prefill() -> None:
    """A threshold splits prefill and mixed pools; a decode pool is no place to send to."""
    pools = [PREFILL, DECODE, {**MIXED, "max_ctx": 16_384}]
    validate(FleetSimulation, stated(pools, [LINK], router="length:thresholds=4096"), "")
    router = {"name": "model", "fallback": "d"}
    assert faults(stated(pools, [LINK], router=router)) == [
        "router.fallback: d only decodes (known: m, p)"
    ]


def test_the_command_refuses_with_every_fault(tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps(stated([PREFILL, DECODE], [{**LINK, "source": "q"}])))
    result = CliRunner().invoke(cli, ["simulate-fleet", str(path)])
    assert result.exit_code == 2
    for said in ("links[0].source: no pool is called 'q'", "no link takes the KV of p"):
        assert said in result.stderr
