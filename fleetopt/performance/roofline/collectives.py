"""Time of the transfers between the GPUs of a replica.

A collective among g GPUs stays on the link of a domain (a node, or a rack) while g fits into
it; beyond, it also crosses the network between domains.
"""

from __future__ import annotations

from fleetopt.catalog import Gpu
from fleetopt.performance.roofline.efficiency import Efficiency


def all_reduce_seconds(volume_bytes: float, gpus: int, gpu: Gpu, reached: Efficiency) -> float:
    """Seconds to sum `volume_bytes` over g GPUs; each moves 2 (g - 1) / g of them (ring).

    Over m domains of d GPUs the ring inside a domain leaves each GPU with a d-th, which it
    sums over the network: 2 (m - 1) / m of it. (Thakur, Rabenseifner, Gropp 2005.)
    """
    if gpus == 1:
        return 0.0
    inside = min(gpus, gpu.spec.gpus_per_link_domain)
    domains = -(-gpus // inside)
    seconds = gpu.link.latency_s
    seconds += _wire(2 * (inside - 1) / inside * volume_bytes, gpu.link.gb_per_s, reached)
    if domains > 1:
        crossing = 2 * (domains - 1) / domains * volume_bytes / inside
        seconds += gpu.network.latency_s + _wire(crossing, gpu.network.gb_per_s, reached)
    return seconds


def all_to_all_seconds(sent_bytes: float, gpus: int, gpu: Gpu, reached: Efficiency) -> float:
    """Seconds in which each of g GPUs sends `sent_bytes`, spread evenly over all of them."""
    if gpus == 1:
        return 0.0
    inside = min(gpus, gpu.spec.gpus_per_link_domain)
    seconds = gpu.link.latency_s
    seconds += _wire(sent_bytes * (inside - 1) / gpus, gpu.link.gb_per_s, reached)
    if gpus > inside:
        seconds += gpu.network.latency_s
        seconds += _wire(sent_bytes * (gpus - inside) / gpus, gpu.network.gb_per_s, reached)
    return seconds


def hop_seconds(sent_bytes: float, gpus: int, gpu: Gpu, reached: Efficiency) -> float:
    """Seconds to hand `sent_bytes` to the next pipeline stage of a replica of g GPUs."""
    link = gpu.link if gpus <= gpu.spec.gpus_per_link_domain else gpu.network
    return link.latency_s + _wire(sent_bytes, link.gb_per_s, reached)


def _wire(volume_bytes: float, gb_per_s: float, reached: Efficiency) -> float:
    return volume_bytes / (gb_per_s * 1e9 * reached.network)
