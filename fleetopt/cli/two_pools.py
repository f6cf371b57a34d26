"""Options of the questions about two pools with given GPUs, and what they state together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from fleetopt.cli.fleet_options import fleet_option
from fleetopt.cli.options import given_options, together

if TYPE_CHECKING:
    from fleetopt.cli.options import ProblemOption
    from fleetopt.errors import Fault, InputError
    from fleetopt.questions.two_pools import TwoPools

_GPUS = ("gpu_short", "gpu_long")

cdf = fleet_option("--cdf", key="cdf", kind="text", metavar="FILE", required=True,
                   help="Length CDF or workload: a file or a bundled name.")  # fmt: skip

two_pools = together(
    fleet_option("--lam", key="arrival_rate", metavar="RATE", default="200", show_default=True,
                 help="Requests per second."),
    fleet_option("--slo", key="slo.ttft", metavar="MS", default="500", show_default=True,
                 help="Bound on P99 TTFT, in ms."),
    fleet_option("--long-max-ctx", key="max_context", metavar="TOKENS", default="65536",
                 show_default=True, help="Largest context, that of the long pool."),
    fleet_option("--gpu-short", key="gpu_short", kind="text", metavar="NAME", default="a100",
                 show_default=True, help="Profile of the short pool."),
    fleet_option("--gpu-long", key="gpu_long", kind="text", metavar="NAME", default="a100",
                 show_default=True, help="Profile of the long pool, and of one pool for all."),
    fleet_option("--p-c", key="compressible_share", kind="share", metavar="SHARE",
                 shown="75%", help="Share of the requests above a split that can be compressed."),
    fleet_option("--availability", key="availability", kind="share", metavar="SHARE",
                 help="Share of the time that a replica is up; buys spare replicas."),
    fleet_option("--method", key="method", kind="text", metavar="fleetopt|published",
                 shown="fleetopt", help="How latencies are predicted."),
)  # fmt: skip

simulation = together(
    fleet_option("--n-sim-req", key="verification.requests", metavar="N",
                 help="Measured requests of a pool and replication; by the length of the "
                      "longest residence if absent."),
    fleet_option("--replications", key="verification.replications", metavar="N", shown="8",
                 help="Replications of the first stage."),
    fleet_option("--seed", key="verification.seed", metavar="N", shown="1",
                 help="Seed of the simulator."),
)  # fmt: skip

plot = click.option("--plot", metavar="FILE", help="Draw the answer into a .png or .svg file.")


@dataclass(frozen=True)
class Stated:
    """A checked question about two pools.

    b_short: the split, in tokens, if one was given. factor: of compression, the largest.
    verification: how it is simulated, as the problem's keys.
    """

    asked: TwoPools
    b_short: int | None
    factor: float
    verification: dict[str, Any]


def state_two_pools(
    ctx: click.Context,
    output: str | None,
    plot: str | None,
    left_out: Sequence[str] = (),
    others: Sequence[Fault] = (),
    *,
    tables_only: bool = False,
) -> Stated:
    """What the options state together. Raises InputError with every fault.

    left_out: keys of options that the command has dealt with.
    others: faults that it found, to be told together with these.
    tables_only: nothing is going to be simulated.
    """
    given = {o: v for o, v in given_options(ctx).items() if o.key not in left_out}
    values = {option.key: value for option, value in given.items()}
    if tables_only and output is None and plot is None and not others:
        from fleetopt.questions.two_pools.plain import plainly_asked

        plain = plainly_asked(values)
        if plain is not None:
            return Stated(plain, *_split_and_factor(values), {})
    from fleetopt.catalog import read_profiles
    from fleetopt.cli.plotting import plot_faults
    from fleetopt.cli.statement import state
    from fleetopt.questions.two_pools import TwoPools

    at, beyond = _beyond_context(values)
    rest = {
        option: [value] if option.key == "gammas" else value
        for option, value in given.items()
        if option.key not in _GPUS and not (at and option.key == "thresholds")
    }
    known = read_profiles()
    faults = [*_gpu_faults(given, known), *plot_faults(plot), *beyond, *others]
    statement = state(None, rest, output, faults)
    problem = statement.problem
    asked = TwoPools(
        statement.inputs.lengths,
        problem.arrival_rate,
        known[values["gpu_short"]],
        known[values["gpu_long"]],
        problem.slo[0].limit_ms,
        int(problem.max_context or 0),
        problem.availability,
        problem.method,
        problem.compressible_share,
    )
    verification = problem.verification.model_dump(exclude_unset=True)
    return Stated(asked, *_split_and_factor(values), verification)


def in_the_users_words(error: InputError, asked: TwoPools) -> InputError:
    """The same faults, that of a GPU under its option."""
    from fleetopt.errors import InputError

    options = {asked.short.name: "--gpu-short", asked.long.name: "--gpu-long"}

    def named(fault: Fault) -> Fault:
        places = [option for gpu, option in options.items() if f" {gpu} " in fault.expected]
        return replace(fault, place=places[0]) if fault.place == "gpu" and places else fault

    return InputError([named(fault) for fault in error.faults])


def _split_and_factor(values: Mapping[str, Any]) -> tuple[int | None, float]:
    """The split, if one was given, and the largest factor of compression."""
    split = values["thresholds"][0] if "thresholds" in values else None
    return split, float(values.get("gammas", 1.0))


def _beyond_context(values: dict[str, Any]) -> tuple[bool, list[Fault]]:
    """Whether the split is at or beyond the largest context, and the fault if it is beyond."""
    from fleetopt.errors import Fault

    (split,), context = values.get("thresholds", [0]), values["max_context"]
    if not (isinstance(split, int) and isinstance(context, int)) or split < context:
        return False, []
    text = f"must be at most the largest context {context}, got {split}"
    return True, [Fault("--b-short", text)] if split > context else []


def count_of(spelling: str, text: str) -> tuple[int, list[Fault]]:
    """A whole number of at least 0, and what is wrong with it."""
    from fleetopt.errors import Fault

    if text.strip().isdecimal():
        return int(text), []
    return 0, [Fault(spelling, f"expected a whole number of at least 0, got {text!r}")]


def _gpu_faults(given: dict[ProblemOption, Any], known: dict[str, Any]) -> list[Fault]:
    from fleetopt.errors import Fault, near

    return [
        Fault(option.spelling, f"unknown GPU {name!r}", near(name, known))
        for option, name in given.items()
        if option.key in _GPUS and name not in known
    ]
