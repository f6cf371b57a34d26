"""DisaggFleetOptimizer: prefill and decode on replicas of their own, by mean lengths."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fleetopt.compat.profiles import ManualProfile
from fleetopt.errors import Fault, InputError
from fleetopt.queueing import published_phases as phases
from fleetopt.queueing.published_phases import PhaseLoad

ALPHA_PRE = phases.ALPHA_PREFILL
"""Share of its rate that a prefill replica keeps beside the transfer of KV (AIConfigurator)."""
ALPHA_DEC = phases.ALPHA_DECODE
"""The same of a decode replica."""
BETA_TTFT = phases.BETA_TTFT
"""Factor of the TTFT for the transfer of KV."""


@dataclass(frozen=True)
class DisaggSweepPoint:
    """Counts of both phases and what they do by the published rule.

    system_rate: requests per second of the slower phase; thru_per_gpu: for each GPU.
    rate_with_prompt_kv: the same where decode holds the prompt too, which the rule leaves out.
    ttft_ms, tpot_ms: of full batches, not percentiles.
    """

    n_prefill: int
    n_decode: int
    total_gpus: int
    system_rate: float
    thru_per_gpu: float
    ttft_ms: float
    tpot_ms: float
    cost_per_hr: float
    slo_met: bool
    rate_with_prompt_kv: float


@dataclass(frozen=True)
class DisaggResult(DisaggSweepPoint):
    """The counts of the most requests per second and GPU.

    prefill_gpus, decode_gpus: GPUs of one replica. *_name: of the profiles.
    """

    prefill_gpus: int
    decode_gpus: int
    prefill_name: str
    decode_name: str

    def print_report(self) -> None:
        """Print the figures, one a line."""
        counts = f"{self.n_prefill}P x {self.n_decode}D, {self.total_gpus} GPUs"
        print(f"{self.prefill_name} prefill, {self.decode_name} decode: {counts}")
        print(f"  rate               {self.system_rate:.2f} requests/s")
        print(f"  rate, prompt's KV  {self.rate_with_prompt_kv:.2f} requests/s")
        print(f"  rate of a GPU      {self.thru_per_gpu:.4f} requests/s")
        print(f"  TTFT, TPOT         {self.ttft_ms:.1f} ms, {self.tpot_ms:.1f} ms")
        print(f"  cost               {self.cost_per_hr:.2f} $/h")


class DisaggFleetOptimizer:
    """Counts of prefill and decode replicas, by the published rule.

    prefill_profile, decode_profile: of the replicas of each phase.
    mean_isl, mean_osl: mean prompt and output, in tokens.
    slo_ttft_ms, slo_tpot_ms: bounds, in ms. max_ctx: context window of all, in tokens.
    alpha_pre, alpha_dec, beta_ttft: factors for the transfer of KV.
    Wrong values raise InputError when counts are asked for.
    """

    def __init__(
        self,
        prefill_profile: ManualProfile,
        decode_profile: ManualProfile,
        mean_isl: float = 1024,
        mean_osl: float = 256,
        slo_ttft_ms: float = 2000.0,
        slo_tpot_ms: float = 50.0,
        max_ctx: int = 4096,
        alpha_pre: float = ALPHA_PRE,
        alpha_dec: float = ALPHA_DEC,
        beta_ttft: float = BETA_TTFT,
    ) -> None:
        self.prefill_profile = prefill_profile
        self.decode_profile = decode_profile
        self.mean_isl = mean_isl
        self.mean_osl = mean_osl
        self.slo_ttft_ms = slo_ttft_ms
        self.slo_tpot_ms = slo_tpot_ms
        self.max_ctx = max_ctx
        self.alpha_pre = alpha_pre
        self.alpha_dec = alpha_dec
        self.beta_ttft = beta_ttft

    def optimize(
        self,
        max_prefill: int = 32,
        max_decode: int = 64,
        valid_total_gpus: Collection[int] | None = None,
    ) -> DisaggResult | None:
        """The counts of the most requests per second and GPU; None if none keeps the SLO.

        valid_total_gpus: the numbers of GPUs that may be taken; any if absent.
        """
        points = self.sweep(max_prefill, max_decode, valid_total_gpus)
        kept = [point for point in points if point.slo_met]
        if not kept:
            return None
        return DisaggResult(
            **vars(max(kept, key=lambda point: point.thru_per_gpu)),
            prefill_gpus=self.prefill_profile.spec.gpus_per_replica,
            decode_gpus=self.decode_profile.spec.gpus_per_replica,
            prefill_name=self.prefill_profile.name,
            decode_name=self.decode_profile.name,
        )

    def sweep(
        self,
        max_prefill: int = 16,
        max_decode: int = 32,
        valid_total_gpus: Collection[int] | None = None,
    ) -> list[DisaggSweepPoint]:
        """All counts up to these, those of one prefill replica first. Raises InputError."""
        self._check(max_prefill, max_decode)
        rates = self._rates()
        prefill, decode = self.prefill_profile, self.decode_profile
        ttft_s = phases.ttft_s(prefill.calibrated, self.max_ctx, self.mean_isl, self.beta_ttft)
        tpot_s = phases.tpot_s(decode.calibrated, self.max_ctx)
        each = prefill.spec.gpus_per_replica, decode.spec.gpus_per_replica
        points = []
        for n_prefill in range(1, max_prefill + 1):
            for n_decode in range(1, max_decode + 1):
                gpus = n_prefill * each[0] + n_decode * each[1]
                if valid_total_gpus and gpus not in valid_total_gpus:
                    continue
                rate, corrected = (min(n_prefill * rates[0], n_decode * r) for r in rates[1:])
                points.append(DisaggSweepPoint(
                    n_prefill, n_decode, gpus, rate, rate / gpus, 1000.0 * ttft_s, 1000.0 * tpot_s,
                    n_prefill * prefill.cost_per_hr + n_decode * decode.cost_per_hr,
                    1000.0 * ttft_s <= self.slo_ttft_ms and 1000.0 * tpot_s <= self.slo_tpot_ms,
                    corrected,
                ))  # fmt: skip
        return points

    def _rates(self) -> tuple[float, float, float]:
        """Of a prefill replica, of a decode replica, and of one that holds the prompt's KV."""
        prompt, output = int(self.mean_isl), int(self.mean_osl)
        first, second = self.prefill_profile.calibrated, self.decode_profile.calibrated
        slots = first.reserved(self.max_ctx).slots, second.reserved(self.max_ctx).slots
        before = PhaseLoad.published_prefill(prompt, first.iteration.chunk_tokens)
        after = PhaseLoad.published_decode(output)
        held = PhaseLoad(output, output * (prompt + output / 2))
        return (
            before.rate(first.iteration, slots[0], self.alpha_pre),
            after.rate(second.iteration, slots[1], self.alpha_dec),
            held.rate(second.iteration, slots[1], self.alpha_dec),
        )

    def _check(self, max_prefill: int, max_decode: int) -> None:
        """Raise InputError with every wrong value."""
        total = self.mean_isl + self.mean_osl
        wrong = [
            (not self.max_ctx >= 2, "max_ctx", f"must be at least 2, got {self.max_ctx}"),
            (not self.mean_isl >= 1, "mean_isl", f"must be at least 1, got {self.mean_isl}"),
            (not self.mean_osl >= 1, "mean_osl", f"must be at least 1, got {self.mean_osl}"),
            (total > self.max_ctx >= 2, "mean_isl + mean_osl",
             f"must be at most max_ctx = {self.max_ctx}, got {total:g}"),
            (not 0 < self.alpha_pre <= 1, "alpha_pre", f"must be in (0, 1], got {self.alpha_pre}"),
            (not 0 < self.alpha_dec <= 1, "alpha_dec", f"must be in (0, 1], got {self.alpha_dec}"),
            (not self.beta_ttft > 0, "beta_ttft", f"must be above 0, got {self.beta_ttft}"),
            (max_prefill < 1, "max_prefill", f"must be at least 1, got {max_prefill}"),
            (max_decode < 1, "max_decode", f"must be at least 1, got {max_decode}"),
        ]  # fmt: skip
        faults = [Fault(place, said) for bad, place, said in wrong if bad]
        if self.max_ctx >= 2:
            faults += [
                Fault("max_ctx", f"no replica of {profile.name} holds {self.max_ctx:,} tokens")
                for profile in dict.fromkeys((self.prefill_profile, self.decode_profile))
                if profile.n_slots(self.max_ctx) < 1
            ]
        if faults:
            raise InputError(faults)
