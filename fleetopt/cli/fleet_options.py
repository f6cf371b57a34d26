"""Options of the commands that simulate fleets; each knows the key that it overrides."""

from __future__ import annotations

from typing import Any

import click

from fleetopt.cli.options import Decorator, ProblemOption, slo, together
from fleetopt.cli.options import output as output


class FleetOption(ProblemOption):
    """An option that overrides one key of a simulation; 'each.KEY' is a key of every pool."""

    def __init__(self, *args: Any, shown: str = "", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.shown = shown

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The help line, with the default that applies."""
        record = click.Option.get_help_record(self, ctx)
        if record is None or not self.shown:
            return record
        return record[0], f"{record[1]}  [default: {self.shown}]"


def fleet_option(*declarations: str, key: str, help: str, **attributes: Any) -> Decorator[Any]:
    """A decorator that adds a FleetOption."""
    return click.option(*declarations, cls=FleetOption, key=key, help=help, **attributes)


cdf = fleet_option("--cdf", key="cdf", kind="text", metavar="FILE",
                   help="Length CDF or workload: a file or a bundled name.")  # fmt: skip

lam = fleet_option("--lam", key="lam", metavar="RATE", shown="200",
                   help="Requests per second.")  # fmt: skip

traffic = together(
    fleet_option("--arrivals", key="arrivals", kind="text", metavar="PROCESS", shown="poisson",
                 help="poisson, gamma:CV2, mmpp:INDEX:SECONDS, or fitted and profile for a "
                      "workload file's own."),
    fleet_option("--trace", key="trace.path", kind="text", metavar="FILE",
                 help="Recorded traffic to replay, instead of --cdf and --lam."),
    fleet_option("--columns", key="trace.columns", kind="counts", metavar="FIELD=NAME,...",
                 help="The trace's own names for time, prompt, output, model, category, session "
                      "and prefix."),
    fleet_option("--skip-bad-lines", key="trace.skip_bad_lines", is_flag=True, default=None,
                 help="Leave bad lines of the trace out, and count them."),
    fleet_option("--overlong", key="overlong", kind="text", metavar="clip|reject", shown="clip",
                 help="What happens to drawn lengths beyond the largest context."),
    fleet_option("--sessions", key="sessions", kind="text", metavar="TURNS:PAUSE",
                 help="Requests come in sessions of TURNS on average, such as 5:30s; each "
                      "repeats what its session has said."),
    fleet_option("--concurrency", key="concurrency", metavar="N",
                 help="N clients that each wait for their last request: alone, or beside the "
                      "arrivals of --lam."),
    fleet_option("--think", key="think_s", metavar="S",
                 help="Mean pause of a client between two requests."),
)  # fmt: skip

two_pools = together(
    fleet_option("--b-short", key="pools[0].max_ctx", metavar="TOKENS", shown="4096",
                 help="Context window of the short pool."),
    fleet_option("--long-max-ctx", key="pools[1].max_ctx", metavar="TOKENS", shown="65536",
                 help="Context window of the long pool."),
    fleet_option("--gpu-short", key="pools[0].gpu", kind="text", metavar="NAME", shown="a100",
                 help="Profile of the short pool."),
    fleet_option("--gpu-long", key="pools[1].gpu", kind="text", metavar="NAME", shown="a100",
                 help="Profile of the long pool."),
    fleet_option("--n-s", key="pools[0].n_gpus", metavar="N",
                 help="GPUs of the short pool; 0 leaves it out."),
    fleet_option("--n-l", key="pools[1].n_gpus", metavar="N",
                 help="GPUs of the long pool; 0 leaves it out."),
)  # fmt: skip

knowledge = fleet_option(
    "--length-knowledge", key="length_knowledge", kind="text", metavar="KIND", shown="oracle",
    help="What the router knows of a length: oracle, prompt or estimate:SIGMA.",
)  # fmt: skip

router = fleet_option(
    "--router", key="router", kind="text", metavar="NAME", shown="length",
    help="length, compress, random, round-robin, fewest, power-of-two, spillover, model, "
         "semantic or prefix, with parameters as in compress:gamma=1.5,success=0.9.",
)  # fmt: skip

engine = together(
    fleet_option("--admission", key="each.admission", kind="text", metavar="reserved|paged",
                 shown="reserved", help="How the engines admit sequences."),
    fleet_option("--growth", key="each.growth", is_flag=True, default=None,
                 help="Paged: sequences take KV blocks as they grow, and may be preempted."),
    fleet_option("--queue-limit", key="each.queue_limit", metavar="N",
                 help="Most requests waiting at a busy replica."),
    fleet_option("--prefix-cache", key="each.prefix_cache_tokens", metavar="TOKENS",
                 help="Prefixes that each replica keeps for later requests; none if absent."),
    fleet_option("--timeout", key="timeout_s", metavar="S",
                 help="Longest wait for admission, after which a request gives up."),
    fleet_option("--failures", key="failures", kind="text", metavar="R:MTTR",
                 help="Failures in a node-day and mean time to repair, such as 0.0065:4h."),
    fleet_option("--gpus-per-node", key="gpus_per_node", metavar="N", shown="8",
                 help="GPUs that fail together."),
)  # fmt: skip


def runs(requests: int) -> Decorator[Any]:
    """Options on replications; requests: the published number of them."""
    return together(
        fleet_option("--n-req", key="n_req", metavar="N",
                     shown=f"{requests}, or more if the longest residence needs it",
                     help="Measured requests of a replication."),
        fleet_option("--replications", key="replications", metavar="N", shown="8",
                     help="Runs with random numbers of their own."),
        fleet_option("--seed", key="seed", metavar="N", shown="42",
                     help="Seed of the simulator."),
    )  # fmt: skip


def repeated(replications: int) -> Decorator[Any]:
    """Options on replications where no statement of a fleet holds them."""
    return together(
        click.option("--replications", type=click.IntRange(2, 1024), default=replications,
                     show_default=True, metavar="N",
                     help="Runs with random numbers of their own."),
        click.option("--seed", type=click.IntRange(min=0), default=42, show_default=True,
                     metavar="N", help="Seed of the simulator."),
    )  # fmt: skip


files = together(
    click.option("--records", metavar="FILE",
                 help="Write every request of the first replication: .csv or .parquet."),
    click.option("--series", metavar="FILE",
                 help="Write waiting and running requests of each pool over time: .csv."),
    click.option("--chrome-trace", metavar="FILE",
                 help="Write waits, prefills and decodes of the first replication, by replica, "
                      "for chrome://tracing or Perfetto: .json."),
)  # fmt: skip

bounds = slo
