"""Transfers between GPUs, by playing a ring step by step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fleetopt.catalog import read_machines
from fleetopt.performance.roofline import UNCALIBRATED
from fleetopt.performance.roofline.collectives import (
    all_reduce_seconds,
    all_to_all_seconds,
    hop_seconds,
)

GPUS = read_machines().gpus
PERFECT = replace(UNCALIBRATED, network=1.0)


def ring_bytes(gpus: int, chunk_bytes: float) -> float:
    """Bytes that a GPU sends until every GPU holds every chunk's sum; checks that it does."""
    held = np.arange(gpus * gpus, dtype=float).reshape(gpus, gpus)
    total, sent = held.sum(axis=0), 0.0
    for step in range(2 * (gpus - 1)):
        before = held.copy()
        for rank in range(gpus):
            chunk = (rank - step) % gpus
            receiver = (rank + 1) % gpus
            adds = before[receiver, chunk] if step < gpus - 1 else 0.0
            held[receiver, chunk] = before[rank, chunk] + adds
        sent += chunk_bytes
    assert np.allclose(held, total)
    return sent


@pytest.mark.parametrize("gpus", [2, 4, 8])
def test_a_ring_played_step_by_step(gpus: int) -> None:
    gpu, volume = GPUS["h100"], 64e6
    wire_s = ring_bytes(gpus, volume / gpus) / (gpu.link.gb_per_s * 1e9)
    measured = all_reduce_seconds(volume, gpus, gpu, PERFECT)
    assert measured == pytest.approx(wire_s + gpu.link.latency_s)


def test_beyond_a_node_the_network_adds_its_own_ring() -> None:
    """Two nodes of 8: each GPU sums an eighth with its twin on the other node."""
    gpu, volume = GPUS["h100"], 64e6
    inside = all_reduce_seconds(volume, 8, gpu, PERFECT)
    across = ring_bytes(2, volume / 8 / 2) / (gpu.network.gb_per_s * 1e9)
    expected = inside + across + gpu.network.latency_s
    assert all_reduce_seconds(volume, 16, gpu, PERFECT) == pytest.approx(expected)


def test_a_rack_is_one_domain() -> None:
    """72 GPUs of a GB200 rack share NVLink; 16 B200 in two nodes do not."""
    rack, nodes = (all_reduce_seconds(1e6, 16, GPUS[name], PERFECT) for name in ("gb200", "b200"))
    assert rack < nodes


def test_one_gpu_needs_no_transfer() -> None:
    gpu = GPUS["a100"]
    assert all_reduce_seconds(1e9, 1, gpu, PERFECT) == 0.0
    assert all_to_all_seconds(1e9, 1, gpu, PERFECT) == 0.0


def test_all_to_all_keeps_its_own_share_and_sends_the_rest() -> None:
    """Of 16 GPUs in two nodes, 7 / 16 goes over NVLink and 8 / 16 over the network."""
    gpu, sent = GPUS["h100"], 16e6
    expected = 7e6 / (gpu.link.gb_per_s * 1e9) + 8e6 / (gpu.network.gb_per_s * 1e9)
    latency = gpu.link.latency_s + gpu.network.latency_s
    assert all_to_all_seconds(sent, 16, gpu, PERFECT) == pytest.approx(expected + latency)


def test_a_hop_leaves_the_node_only_if_the_replica_does() -> None:
    gpu = GPUS["h100"]
    assert hop_seconds(1e6, 8, gpu, PERFECT) < hop_seconds(1e6, 16, gpu, PERFECT)
