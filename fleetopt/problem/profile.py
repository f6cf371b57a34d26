"""A calibrated profile as a catalogue or a user states it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fleetopt.problem.faults import Stated


class PowerCurve(Stated):
    """Logistic power draw of one GPU over log2 of its batch."""

    idle_w: float = Field(ge=0)
    nominal_w: float = Field(gt=0)
    steepness: float = Field(gt=0)
    midpoint_log2: float
    quality: Literal["HIGH", "FAIR", "LOW"] = "LOW"
    source: str = ""


class ProfileSpec(Stated):
    """Measured performance of one replica, calibrated at one context length.

    An iteration with n sequences of mean total length L takes
    base_s + per_sequence_s * n * L / calibration_context_tokens seconds.
    """

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_.-]+$")
    gpu: str
    """Short name of the GPU type, such as 'h100'."""
    hardware: str = ""
    """Full name of the GPU."""
    serves: str = ""
    """The model that the measurements were made with."""
    source: str = ""
    gpus_per_replica: int = Field(default=1, ge=1)
    base_s: float = Field(gt=0)
    """Iteration time of an empty batch, in seconds (W)."""
    per_sequence_s: float = Field(ge=0)
    """Seconds added by one sequence of the calibration context (H)."""
    calibration_context_tokens: int = Field(gt=0)
    chunk_tokens: int = Field(gt=0)
    """Prompt tokens prefilled by one sequence in one iteration."""
    block_tokens: int = Field(default=16, gt=0)
    kv_blocks: int = Field(gt=0)
    calibration_slots: int = Field(gt=0)
    """Sequences that fit at the calibration context by compute."""
    usd_per_hour: float = Field(ge=0)
    """Price of one GPU-hour."""
    power: PowerCurve | None = None
