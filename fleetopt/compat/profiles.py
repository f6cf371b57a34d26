"""Profiles under their published names and fields, over fleetopt's calibrated profiles."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from fleetopt.catalog import read_profiles
from fleetopt.performance.power import PowerModel, largest_batch
from fleetopt.performance.profile import CalibratedProfile
from fleetopt.problem import ProfileSpec, validate

_NAMES = {"A10G": "a10g", "A100-80GB": "a100", "H100-80GB": "h100"}
"""Bundled profile behind each published name."""


@dataclass(frozen=True)
class ManualProfile:
    """A calibrated profile as the published tool states it.

    W, H: seconds of an iteration, and seconds that a sequence of `calibration_ctx` tokens adds.
    chunk, blk_size: tokens of a prefill chunk and of a KV block.
    total_kv_blks: KV blocks of a replica. max_slots: sequences of `calibration_ctx` tokens.
    cost_per_hr: USD of a replica-hour.
    power_*: logistic power curve in watts over log2 of the batch; linear up to `max_slots`
        if `power_logistic_k` is 0; not known if the first two are 0.
    power_quality, power_source: how well the curve is measured, and where.
    """

    name: str
    W: float
    H: float
    chunk: int
    blk_size: int
    total_kv_blks: int
    max_slots: int
    cost_per_hr: float
    calibration_ctx: int = 8192
    power_idle_w: float = 0.0
    power_nominal_w: float = 0.0
    power_logistic_k: float = 0.0
    power_logistic_x0: float = 0.0
    power_quality: Literal["HIGH", "FAIR", "LOW"] = "LOW"
    power_source: str = ""

    @classmethod
    def bundled(cls, name: str) -> ManualProfile:
        """A bundled profile by its published name. Raises KeyError."""
        spec = read_profiles()[_NAMES[name]]
        curve = spec.power
        return cls(
            name=name,
            W=spec.base_s,
            H=spec.per_sequence_s,
            chunk=spec.chunk_tokens,
            blk_size=spec.block_tokens,
            total_kv_blks=spec.kv_blocks,
            max_slots=spec.calibration_slots,
            cost_per_hr=spec.usd_per_hour,
            calibration_ctx=spec.calibration_context_tokens,
            power_idle_w=curve.idle_w if curve else 0.0,
            power_nominal_w=curve.nominal_w if curve else 0.0,
            power_logistic_k=(curve.steepness if curve else None) or 0.0,
            power_logistic_x0=(curve.midpoint_log2 if curve else None) or 0.0,
            power_quality=curve.quality if curve else "LOW",
            power_source=curve.source if curve else "",
        )

    @cached_property
    def spec(self) -> ProfileSpec:
        """The profile as a problem of fleetopt states it. Raises InputError."""
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", self.name)
        stated = {
            "name": name,
            "gpu": name,
            "base_s": self.W,
            "per_sequence_s": self.H,
            "calibration_context_tokens": self.calibration_ctx,
            "chunk_tokens": self.chunk,
            "block_tokens": self.blk_size,
            "kv_blocks": self.total_kv_blks,
            "calibration_slots": self.max_slots,
            "usd_per_hour": self.cost_per_hr,
        }
        if self._knows_power:
            stated["power"] = {
                "idle_w": self.power_idle_w,
                "nominal_w": self.power_nominal_w,
                **self._curve,
                "quality": self.power_quality,
                "source": self.power_source,
            }
        return validate(ProfileSpec, stated, f"ManualProfile {self.name!r}")

    @cached_property
    def calibrated(self) -> CalibratedProfile:
        """The profile that tables and simulator work with. Raises InputError."""
        return CalibratedProfile(self.spec)

    def iter_latency(self, n_active: float, mean_seq_len: float | None = None) -> float:
        """Seconds of an iteration with n sequences, of the calibration's length if not given."""
        length = self.calibration_ctx if mean_seq_len is None else mean_seq_len
        return self.calibrated.iteration.seconds(n_active * length)

    def n_slots(self, max_ctx: int) -> int:
        """Slots that each reserve `max_ctx` tokens."""
        return self.calibrated.reserved(max_ctx).slots

    def service_time(self, l_in: int, l_out: int, max_ctx: int) -> float:
        """Seconds of a request in a full batch of its own length: the published estimate."""
        iterations = -(-l_in // self.chunk) + l_out
        return iterations * self.iter_latency(self.n_slots(max_ctx), l_in + l_out)

    def throughput(self, max_ctx: int, mean_l_in: float, mean_l_out: float) -> float:
        """Requests per second of a full replica, by the published estimate."""
        return self.n_slots(max_ctx) / self.service_time(int(mean_l_in), int(mean_l_out), max_ctx)

    def power_at_concurrency(self, n_active: float) -> float:
        """Watts with n sequences. Raises ValueError if the profile does not know its power."""
        return self.power_idle_w if n_active <= 0 else self._power.watts(n_active)

    def invert_power(self, target_w: float) -> int:
        """Most sequences within `target_w` watts, from 1 to `max_slots`. Raises ValueError."""
        return max(1, largest_batch(self._power, target_w, self.max_slots))

    @property
    def _knows_power(self) -> bool:
        return self.power_idle_w > 0 and self.power_nominal_w > 0

    @property
    def _curve(self) -> dict[str, float]:
        """What makes the power curve logistic or linear, as a problem of fleetopt states it."""
        if self.power_logistic_k > 0:
            slope = self.power_logistic_k
            return {"steepness": slope, "midpoint_log2": self.power_logistic_x0}
        return {"full_batch": self.max_slots}

    @property
    def _power(self) -> PowerModel:
        power = self.calibrated.power
        if power is None:
            raise ValueError(
                f"the power of profile {self.name!r} is not known: "
                "set power_idle_w and power_nominal_w"
            )
        return power


A10G = ManualProfile.bundled("A10G")
A100_80GB = ManualProfile.bundled("A100-80GB")
H100_80GB = ManualProfile.bundled("H100-80GB")
