"""The report of an optimization: the published lines, and why figures are not the published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fleetopt.compat.results import SweepResult

SAME = 0.1
"""Relative difference up to which two percentiles count as the same."""
WHY_COUNTS = (
    "the published method counts every slot as a server of its own and is content if the wait "
    "for a slot keeps the bound; fleetopt holds the whole TTFT to it"
)
WHY_PERCENTILES = (
    "its TTFT is the mean prefill of a sequence that is alone in its replica, and a wait for a "
    "slot; in a running batch prefill is slower, and P99 is that of the long prompts"
)


@dataclass(frozen=True)
class OptimizationReport:
    """What `FleetOptimizer.optimize` found.

    analytical: every factor of compression by the tables, the cheapest first.
    simulated: the best of them, with the pools that the simulator accepts.
    published: every factor by the published formulas, in exact arithmetic.
    """

    B_short: int
    t_slo_ms: float
    lam: float
    analytical: list[SweepResult]
    simulated: list[SweepResult]
    published: tuple[SweepResult, ...]
    method: str = "fleetopt"

    @property
    def best_analytical(self) -> SweepResult:
        """The cheapest that meets the SLO by the tables; else the cheapest of all."""
        return best(self.analytical)

    @property
    def best_simulated(self) -> SweepResult | None:
        """The cheapest that the simulator accepts; else the first; None without simulation."""
        return best(self.simulated) if self.simulated else None

    @property
    def as_published(self) -> SweepResult:
        """The best by the published formulas, whether or not it can carry its requests."""
        return best(self.published)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the published formulas leave out, and where the answer differs from theirs."""
        differences = self._differences() if self.method == "fleetopt" else ()
        return (*differences, *self._left_out())

    def print_report(self) -> None:
        """Write the report to standard output."""
        print("\n".join(self._lines()))

    def _lines(self) -> Iterator[str]:
        yield "Fleet optimization"
        asked = f"{self.lam:g} req/s, P99 TTFT within {self.t_slo_ms:g} ms"
        yield f"  split at {self.B_short:,} tokens, {asked}"
        yield f"  best by the tables:   {with_factor(self.best_analytical)}"
        if self.best_simulated:
            yield f"  best by simulation:   {with_factor(self.best_simulated)}"
        yield f"  by published formula: {with_factor(self.as_published)}"
        if len(self.analytical) > 1:
            yield "  by factor of compression:"
            for result in sorted(self.analytical, key=lambda result: result.gamma):
                yield f"    {result.gamma:4.2f}: {described(result)}"
        for note in self.notes:
            yield f"  note: {note}"

    def _differences(self) -> Iterator[str]:
        theirs, ours = self.as_published, self.best_simulated or self.best_analytical
        if not ours.slo_met:
            yield (
                f"no number of these replicas keeps P99 TTFT within {self.t_slo_ms:g} ms with "
                f"this split; {ours.n_s} + {ours.n_l} carry the load and miss it"
            )
        if theirs.slo_met and (theirs.n_s, theirs.n_l) != (ours.n_s, ours.n_l):
            yield f"published {counts(theirs)}, here {counts(ours)}: {WHY_COUNTS}"
        pairs = (
            (theirs.p99_ttft_short_ms, ours.p99_ttft_short_ms),
            (theirs.p99_ttft_long_ms, ours.p99_ttft_long_ms),
        )
        apart = any(abs(published - here) > SAME * here for published, here in pairs)
        if theirs.total_gpus and apart:
            published = " and ".join(f"{published:.0f}" for published, _ in pairs)
            here = " and ".join(f"{here:.0f}" for _, here in pairs)
            yield f"published P99 TTFT {published} ms, here {here} ms: {WHY_PERCENTILES}"

    def _left_out(self) -> Iterator[str]:
        """The true utilization of the short pools that the published method sizes too small."""
        by_factor = sorted(self.published, key=lambda result: result.gamma)
        compressing = [r for r in by_factor if r.gamma > 1.0 and r.n_s]
        if not compressing:
            return
        busy = ", ".join(
            f"{100.0 * r.utilization_short:.0f} % (gamma {r.gamma:g})" for r in compressing
        )
        overloaded = any(r.utilization_short >= 1.0 for r in compressing)
        yield (
            "the published method sizes the short pool without the work of the requests that are "
            f"compressed into it; with that work its utilization is {busy}"
            f"{', and above 100 % it cannot keep up' if overloaded else ''}"
        )


def described(result: SweepResult) -> str:
    """One result on one line."""
    if not result.total_gpus:
        return f"no fleet; {result.note}"
    verdict = "meets" if result.slo_met else "misses"
    return (
        f"{result.n_s} + {result.n_l} replicas, {result.annualised_cost_kusd:,.1f} K$ a year, "
        f"P99 TTFT {result.p99_ttft_short_ms:,.1f} and {result.p99_ttft_long_ms:,.1f} ms, "
        f"{verdict} the SLO"
    )


def counts(result: SweepResult) -> str:
    """The replicas of both pools, and the factor of compression if there is one."""
    factor = f" at gamma {result.gamma:g}" if result.gamma > 1.0 else ""
    return f"{result.n_s} + {result.n_l} replicas{factor}"


def with_factor(result: SweepResult) -> str:
    """One result on one line, behind its factor of compression if there is one."""
    factor = f"gamma {result.gamma:g}, " if result.gamma > 1.0 else ""
    return f"{factor}{described(result)}"


def progress_line(result: SweepResult) -> str:
    """What a verbose run says of each result."""
    return f"[{result.source}] gamma {result.gamma:g}: {described(result)}"


def best(results: Sequence[SweepResult]) -> SweepResult:
    """The cheapest that meets the SLO; else the first."""
    meeting = [result for result in results if result.slo_met] or results[:1]
    return min(meeting, key=lambda result: result.cost_per_hr)
