"""GPUs, the links between them and their prices, as a catalogue or a user states them."""

from __future__ import annotations

import datetime

from pydantic import Field

from fleetopt.problem.faults import Stated

NAME = r"^[A-Za-z0-9_.-]+$"


class LinkSpec(Stated):
    """A way between GPUs."""

    name: str = Field(min_length=1, pattern=NAME)
    """Name by which a GPU names the link."""
    gb_per_s: float = Field(gt=0)
    """Bandwidth of one GPU in one direction, in 10^9 bytes per second."""
    latency_s: float = Field(ge=0)
    """Seconds of a collective step without data."""
    source: str = Field(min_length=1)
    """Where the figures come from."""


class GpuSpec(Stated):
    """What a GPU can do at most."""

    name: str = Field(min_length=1, pattern=NAME)
    """Short name, such as "h100"."""
    hardware: str = ""
    """Full name."""
    memory_gib: float = Field(gt=0)
    """Memory that a program can have, in 2^30 bytes."""
    memory_gb_per_s: float = Field(gt=0)
    """Peak memory bandwidth, in 10^9 bytes per second."""
    bf16_tflops: float = Field(gt=0)
    """Peak rate of dense products in BF16 or FP16, in 10^12 per second."""
    fp8_tflops: float = Field(default=0.0, ge=0)
    """The same in FP8; 0 if the GPU has none."""
    fp4_tflops: float = Field(default=0.0, ge=0)
    """The same in FP4; 0 if the GPU has none."""
    link: str
    """Link between the GPUs of a domain, by its name."""
    gpus_per_link_domain: int = Field(default=8, ge=1)
    """GPUs that the link joins: those of a node, or of a rack."""
    network: str
    """Link between domains, by its name."""
    tdp_w: float = Field(gt=0)
    """Largest power draw, in watts."""
    source: str = Field(min_length=1)
    """Where the figures come from."""


class PriceSpec(Stated):
    """Price of a GPU on a day."""

    gpu: str
    """Short name of the GPU."""
    usd_per_hour: float = Field(ge=0)
    """Price of one GPU-hour."""
    date: datetime.date
    """Day on which the price was taken."""
    source: str = Field(min_length=1)
    """Where the price comes from."""
