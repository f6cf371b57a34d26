"""A calibrated profile as a catalogue or a user states it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from fleetopt.errors import Fault
from fleetopt.problem.faults import FaultsError, Stated


class PowerCurve(Stated):
    """Power draw of one GPU: logistic over log2 of its batch, or linear up to a full batch."""

    idle_w: float = Field(ge=0)
    """Draw without requests, in watts."""
    nominal_w: float = Field(gt=0)
    """Draw that a growing batch approaches, in watts."""
    steepness: float | None = Field(default=None, gt=0)
    """Logistic: slope of the curve for each doubling of the batch."""
    midpoint_log2: float | None = None
    """Logistic: log2 of the batch that draws half way between idle and nominal."""
    full_batch: int | None = Field(default=None, ge=1)
    """Linear: the batch that draws the nominal power."""
    cap_w: float | None = Field(default=None, gt=0)
    """Most that a GPU may draw: the engine runs no batch that the curve puts above it."""
    quality: Literal["HIGH", "FAIR", "LOW"] = "LOW"
    """How well the curve is measured."""
    source: str = ""
    """Where the figures come from."""

    @model_validator(mode="after")
    def _one_curve(self) -> PowerCurve:
        logistic = {"steepness": self.steepness, "midpoint_log2": self.midpoint_log2}
        missing = [key for key, value in logistic.items() if value is None]
        faults = []
        if self.nominal_w < self.idle_w:
            text = f"expected at least idle_w = {self.idle_w:g}, got {self.nominal_w:g}"
            faults.append(Fault("nominal_w", text))
        if self.full_batch is None:
            hint = "a linear curve has full_batch in the place of both"
            faults += [Fault(key, "a logistic curve needs this key", hint) for key in missing]
        elif len(missing) < 2:
            text = "stands beside the keys of a logistic curve"
            faults.append(Fault("full_batch", text, "leave it or them out"))
        if faults:
            raise FaultsError(faults)
        return self


class ProfileSpec(Stated):
    """Measured performance of one replica, calibrated at one context length.

    An iteration with n sequences of mean total length L takes
    base_s + per_sequence_s * n * L / calibration_context_tokens seconds, and with P prompt tokens
    at least prefill_base_s + prefill_per_token_s * P.
    """

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_.@%-]+$")
    """Name by which a problem chooses the profile."""
    gpu: str
    """Short name of the GPU type, such as 'h100'."""
    hardware: str = ""
    """Full name of the GPU."""
    serves: str = ""
    """The model that the measurements were made with."""
    source: str = ""
    """Where the figures come from."""
    gpus_per_replica: int = Field(default=1, ge=1)
    """GPUs that act together as one replica."""
    base_s: float = Field(gt=0)
    """Iteration time of an empty batch, in seconds (W)."""
    per_sequence_s: float = Field(ge=0)
    """Seconds added by one sequence of the calibration context (H)."""
    calibration_context_tokens: int = Field(gt=0)
    """Context of each sequence in the measurement, in tokens."""
    chunk_tokens: int = Field(gt=0)
    """Prompt tokens prefilled by one sequence in one iteration."""
    context: Literal["total", "current"] = "total"
    """Whether a sequence counts at its total length from admission on, or at what it holds."""
    prefill_base_s: float = Field(default=0.0, ge=0)
    """Least time of an iteration with prompts, in seconds (F0); needs context "current"."""
    prefill_per_token_s: float = Field(default=0.0, ge=0)
    """Seconds for each prompt token of an iteration (F1); needs context "current"."""
    token_budget: int = Field(default=0, ge=0)
    """Prompt and output tokens of one iteration; 0 gives each sequence a chunk of its own."""
    block_tokens: int = Field(default=16, gt=0)
    """Tokens of a KV block."""
    kv_blocks: int = Field(gt=0)
    """KV blocks of one replica."""
    kv_bytes_per_token: float | None = Field(default=None, gt=0, le=1e9)
    """KV of one token, in bytes; what a link carries where prefill and decode are apart."""
    calibration_slots: int = Field(gt=0)
    """Sequences that fit at the calibration context by compute."""
    usd_per_hour: float = Field(ge=0)
    """Price of one GPU-hour."""
    power: PowerCurve | None = None
    """Power draw of one GPU."""

    @model_validator(mode="after")
    def _prompts_count_with_current_context(self) -> ProfileSpec:
        keys = ("prefill_base_s", "prefill_per_token_s", "token_budget")
        given = [key for key in keys if getattr(self, key)]
        if given and self.context == "total":
            raise FaultsError([Fault(key, 'goes with context = "current" only') for key in given])
        return self
