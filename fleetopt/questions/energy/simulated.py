"""Energy of fleets by the simulator, all on the same arrivals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from fleetopt.case import Case
from fleetopt.plan import Interval
from fleetopt.problem import FleetSimulation, PoolStatement, validate
from fleetopt.questions.energy.pools import FleetEnergy
from fleetopt.questions.energy.runs import Runs
from fleetopt.questions.fleets import Scenario, scenario_of
from fleetopt.questions.fleets.answer import Standing, answer_of, interval
from fleetopt.questions.fleets.simulating import runs_of, workers
from fleetopt.simulation.fleet_results import paired_difference
from fleetopt.simulation.fleet_run import FleetRun
from fleetopt.simulation.statistics import mean_interval


@dataclass(frozen=True)
class SimulatedEnergy:
    """What the simulator says of a fleet, with 95 % intervals.

    kilowatts: mean draw. tokens_per_watt: output tokens per joule.
    tokens_per_watt_less: by how much it is less than that of the first fleet, on the same
    arrivals; nothing for the first. p99_ttft_ms: of all requests; nothing where a pool is
    unstable. too_short: why the runs say nothing of the steady state; empty if they do.
    """

    kilowatts: Interval
    tokens_per_watt: Interval
    tokens_per_watt_less: Interval
    p99_ttft_ms: Interval
    standing: Standing
    too_short: str


def simulated_energy(
    case: Case,
    fleets: Sequence[FleetEnergy],
    runs: Runs,
    progress: Callable[[str], None] | None = None,
) -> list[SimulatedEnergy]:
    """The fleets of a case on the same arrivals, lengths included. Raises InputError."""
    scenarios = on_one_horizon([scenario(case, statements(case, fleet), runs) for fleet in fleets])
    seen: list[tuple[Scenario, list[FleetRun]]] = []
    with workers(None, progress) as running:
        for fleet, each in zip(fleets, scenarios, strict=True):
            if progress is not None:
                progress(f"simulating {fleet.label}")
            seen.append((each, runs_of(each, running, runs.replications)))
    return [_said(each, measured, seen[0][1]) for each, measured in seen]


def statements(case: Case, fleet: FleetEnergy) -> list[PoolStatement]:
    """The pools of a fleet as the simulator takes them."""
    problem = case.problem
    return [
        PoolStatement(
            id=f"pool-{i}",
            gpu=pool.gpu,
            n_gpus=pool.gpus,
            max_ctx=pool.hi_tokens,
            admission=problem.admission,
            max_num_seqs=problem.max_num_seqs,
        )
        for i, pool in enumerate(fleet.pools, start=1)
    ]


def scenario(case: Case, pools: Sequence[PoolStatement], runs: Runs) -> Scenario:
    """Pools on the traffic of a case. Raises InputError."""
    problem = case.problem
    stated = {
        "pools": tuple(pools),
        "profiles": problem.profiles,
        "cdf": problem.cdf,
        "lam": case.arrival_rate,
        "slo": problem.slo,
        "n_req": runs.requests,
        "replications": runs.replications,
        "seed": runs.seed,
    }
    return scenario_of(validate(FleetSimulation, stated, ""))


def on_one_horizon(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """The scenarios, each watched as long as the longest of them, so that arrivals are the same."""
    longest = max((each.horizon for each in scenarios), key=lambda h: h.arrivals_end_s)
    return [replace(each, horizon=longest) for each in scenarios]


def _said(
    scenario: Scenario, runs: Sequence[FleetRun], first: Sequence[FleetRun]
) -> SimulatedEnergy:
    answer = answer_of(scenario, runs)
    own, theirs = _tokens_per_joule(runs), _tokens_per_joule(first)
    less = interval(paired_difference(theirs, own))
    return SimulatedEnergy(
        kilowatts=kilowatts(runs),
        tokens_per_watt=interval(mean_interval(own), least=0.0),
        tokens_per_watt_less=Interval(None, None, None) if runs is first else less,
        p99_ttft_ms=p99_ttft_ms(answer.fleet.latency_ms),
        standing=answer.standing,
        too_short=scenario.too_short,
    )


def kilowatts(runs: Sequence[FleetRun]) -> Interval:
    """Mean draw of a fleet."""
    drawn = [_joules(run) / run.measured_s / 1000.0 for run in runs]
    return interval(mean_interval(drawn), least=0.0)


def p99_ttft_ms(latency_ms: Mapping[str, Mapping[str, Interval]]) -> Interval:
    """P99 TTFT of simulated requests; nothing where a pool is unstable."""
    return latency_ms["ttft"]["p99"] if latency_ms else Interval(None, None, None)


def _tokens_per_joule(runs: Sequence[FleetRun]) -> list[float]:
    return [run.groups["fleet"].output_tokens / _joules(run) for run in runs]


def _joules(run: FleetRun) -> float:
    return sum(pool.energy_j or 0.0 for pool in run.pools.values())
