"""The cheapest mix of levers for a depth, and how deep each lever alone goes.

Mixes are ranked by what they cost. Of those that cost the same it is the one that defers least,
then the one with fewest replicas off, then the one with the largest cap: a request that is served
is worth more than one that is not, and a cap comes and goes at once, where a replica that was off
loads its model again. The search takes it that less traffic never breaks the SLO or draws more.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleetopt.performance.power import largest_batch
from fleetopt.questions.energy.levers import STEP, Count, LeverTable, Mix, Terms
from fleetopt.simulation.event import Levers

_ROUNDING = 1.0 + 1e-9


@dataclass(frozen=True)
class LeverDepth:
    """How deep some of the levers go while the SLO is kept, in percent of the two bases.

    at_cap_pct: of the nominal draw of all GPUs, at the cap. shed_pct: of the fleet's real draw.
    None where no setting keeps the SLO.
    """

    levers: str
    at_cap_pct: float | None
    shed_pct: float | None


class Mixing:
    """Mixes of levers of one fleet.

    table: of the fleet. minutes: how long they are pulled.
    """

    def __init__(self, table: LeverTable, terms: Terms, minutes: float) -> None:
        self.table, self.terms, self.minutes = table, terms, minutes
        self.pool = table.pool
        self.refused: list[Levers] = []
        everything = self.pool.replicas
        self.base_kw: dict[Count, float] = {
            "at the cap": self.pool.gpus * table.power.nominal_w / 1000.0,
            "really": table.eased(everything, 0).drawn_kw(self.pool.slots),
        }

    def refuse(self, levers: Levers) -> None:
        """Take out a mix that failed, and all with less to serve no fewer requests."""
        self.refused.append(levers)

    def cheapest(self, flex_pct: float, count: Count) -> Mix | None:
        """The mix that costs least and draws at most (1 - flex / 100) of the base of the count."""
        target_kw = self.base_kw[count] * (1.0 - flex_pct / 100.0) * _ROUNDING
        best: tuple[tuple[float, int, int], int] | None = None
        for replicas in range(self.pool.replicas, 0, -1):
            off = self.pool.replicas - replicas
            if best is not None and (self._usd(off, 0), 0, off) >= best[0]:
                break
            steps = [i for i in range(self.terms.steps + 1)
                     if best is None or (self._usd(off, i), i, off) < best[0]]  # fmt: skip
            if self._cap(replicas, steps[-1], target_kw, count) is None:
                continue
            at = bisect_left(
                steps, True, key=lambda i: self._cap(replicas, i, target_kw, count) is not None
            )
            cap = self._cap(replicas, steps[at], target_kw, count)
            assert cap is not None
            best = (self._usd(off, steps[at]), steps[at], off), cap
        if best is None:
            return None
        (_, step, off), cap = best
        return self.table.mix(self.pool.replicas - off, step, cap, self.terms, self.minutes)

    def depths(self) -> tuple[LeverDepth, ...]:
        """How deep each lever goes by itself, and all of them together."""
        whole, fewer, most = self.pool.replicas, range(1, self.pool.replicas + 1), self.terms.steps
        parts: Sequence[tuple[str, Iterable[int], bool, int]] = (
            ("cap", [whole], True, 0),
            ("replicas off", fewer, False, 0),
            ("deferral", [whole], False, most),
            ("cap and replicas off", fewer, True, 0),
            ("all", fewer, True, most),
        )
        return tuple(
            LeverDepth(
                name,
                self._depth_pct("at the cap", replicas, caps, step),
                self._depth_pct("really", replicas, caps, step),
            )
            for name, replicas, caps, step in parts
        )

    def _usd(self, off: int, step: int) -> float:
        seconds = 60.0 * self.minutes
        deferred = STEP * step * self.table.rate * seconds
        return self.terms.usd_per_deferred * deferred + self.terms.usd_per_switch * off

    def _cap(self, replicas: int, step: int, target_kw: float, count: Count) -> int | None:
        """The largest cap that keeps the SLO and the target; None if there is none."""
        if self._idle_kw(replicas) > target_kw or not self.table.is_large_enough(replicas, step):
            return None
        most, eased = self.pool.slots, self.table.eased(replicas, step)
        if count == "at the cap":
            gpus = replicas * self.pool.profile.gpus_per_replica
            most = largest_batch(self.table.power, 1000.0 * target_kw / gpus, most)
        for cap in eased.downwards(most):
            if (
                self.table.kilowatts(count, replicas, step, cap) <= target_kw
                and not self._is_refused(replicas, step, cap)
                and eased.keeps(cap)
            ):
                return cap
        return None

    def _is_refused(self, replicas: int, step: int, cap: int) -> bool:
        return any(
            replicas <= bad.replicas and cap <= bad.cap and STEP * step <= bad.deferred
            for bad in self.refused
        )

    def _depth_pct(
        self, count: Count, replicas: Iterable[int], caps: bool, step: int
    ) -> float | None:
        least_kw = float("inf")
        for number in replicas:
            if self._idle_kw(number) >= least_kw:
                break
            if not self.table.is_large_enough(number, step):
                continue
            eased = self.table.eased(number, step)
            for cap in eased.upwards() if caps else [self.pool.slots]:
                drawn_kw = self.table.kilowatts(count, number, step, cap)
                if drawn_kw < least_kw and eased.keeps(cap):
                    least_kw = drawn_kw
        if least_kw == float("inf"):
            return None
        return max(0.0, 100.0 * (1.0 - least_kw / self.base_kw[count]))

    def _idle_kw(self, replicas: int) -> float:
        return replicas * self.pool.profile.gpus_per_replica * self.table.power.idle_w / 1000.0
