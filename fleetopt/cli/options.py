"""Options, each defined once; those of the problem know the key that they override."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
Kind = Literal["number", "share", "text", "single", "counts"]
Decorator = Callable[[Command], Command]


class ProblemOption(click.Option):
    """An option that overrides one key of the problem.

    key: path of the key, such as 'verification.seed'; 'slo.ttft' is the limit of the bound
        on that metric.
    kind: what its text is read as; a share may be written as a percentage, and a single is
        a list of one text; counts are pairs such as 'h100=8,a100=4'.
    many: whether it holds several values, separated by commas.
    A text that cannot be read stays as it is: the problem judges the value, so that the
    faults of several options are reported together. The default is the problem's own.
    """

    def __init__(
        self, *args: Any, key: str, kind: Kind = "number", many: bool = False, **attributes: Any
    ) -> None:
        super().__init__(*args, **attributes)
        self.key = key
        self.kind = kind
        self.many = many

    @property
    def spelling(self) -> str:
        """The option as the user writes it."""
        return self.opts[0]

    def value_of(self, given: Any) -> Any:
        """What the user gave, as the problem takes it."""
        if not isinstance(given, str):
            return given
        read = _READERS[self.kind]
        return [read(part.strip()) for part in given.split(",")] if self.many else read(given)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The help line, with the problem's default."""
        record = super().get_help_record(ctx)
        default = None if self.required else _default(self.key)
        if record is None or default is None:
            return record
        return record[0], f"{record[1]}  [default: {default}]"


def problem_option(*declarations: str, key: str, help: str, **attributes: Any) -> Decorator[Any]:
    """A decorator that adds a ProblemOption."""
    return click.option(*declarations, cls=ProblemOption, key=key, help=help, **attributes)


def given_options(ctx: click.Context) -> dict[ProblemOption, Any]:
    """The problem options that the user gave, with their values as the problem takes them."""
    return {
        option: option.value_of(ctx.params[option.name])
        for option in ctx.command.params
        if isinstance(option, ProblemOption) and ctx.params[option.name or ""] is not None
    }


def together(*decorators: Decorator[Any]) -> Decorator[Any]:
    """One decorator that adds several options in this order."""

    def decorate(command: Any) -> Any:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


cdf = problem_option(
    "--cdf",
    key="cdf",
    kind="text",
    metavar="FILE",
    help="Length CDF or workload: a file or a bundled name.",
)

workload = together(
    cdf,
    problem_option("--lam", key="arrival_rate", metavar="RATE", help="Requests per second."),
    problem_option("--trace", key="trace.path", kind="text", metavar="FILE",
                   help="Recorded traffic to design for, instead of --cdf and --lam."),
    problem_option("--rate", key="trace.rate", kind="text", metavar="mean|peak:5m",
                   help="Rate of the trace to design for: its mean, or its largest over a time."),
    problem_option("--skip-bad-lines", key="trace.skip_bad_lines", is_flag=True, default=None,
                   help="Leave bad lines of the trace out, and count them."),
)  # fmt: skip

slo = together(
    problem_option("--slo", key="slo.ttft", metavar="MS", help="Bound on TTFT, in ms."),
    problem_option("--slo-tpot", key="slo.tpot", metavar="MS", help="Bound on TPOT, in ms."),
    problem_option("--slo-e2e", key="slo.e2e", metavar="MS", help="Bound on E2E latency, in ms."),
    problem_option("--percentile", key="slo.percentile", metavar="P", help="Of all bounds."),
    problem_option("--bound", key="slo", multiple=True,
                   callback=lambda _ctx, _option, given: list(given) or None,
                   metavar="'P METRIC MS'", help="One bound of the SLO, such as 'p99 ttft 500'; "
                   "repeat it to state them all, in place of the four options above."),
)  # fmt: skip

scope = problem_option(
    "--slo-scope", key="slo_scope", kind="text", metavar="pool|fleet",
    help="Whether each pool keeps the bounds, or all requests together.",
)  # fmt: skip

tables = together(
    problem_option(
        "--admission", key="admission", kind="text", metavar="reserved|paged",
        help="How the engine admits sequences.",
    ),
    problem_option(
        "--method", key="method", kind="text", metavar="fleetopt|published",
        help="How latencies are predicted.",
    ),
)  # fmt: skip

fleet = together(
    problem_option("--gpus", key="gpus", kind="text", many=True, metavar="NAMES",
                   help="GPU types to choose from, separated by commas."),
    problem_option("--max-pools", key="max_pools", metavar="N", help="Most pools."),
    problem_option("--long-max-ctx", key="max_context", metavar="TOKENS",
                   help="Largest context of the fleet; the CDF's last point if absent."),
    problem_option("--b-short", key="thresholds", many=True, metavar="TOKENS",
                   help="Fix the split threshold, instead of choosing the best."),
    problem_option("--gammas", key="gammas", many=True, metavar="FACTORS",
                   help="Compression factors to choose from at each split, such as 1.0,1.5,2.0."),
    problem_option("--p-c", key="compressible_share", kind="share", metavar="SHARE",
                   help="Share of the requests above a split that can be compressed."),
    problem_option("--overlong", key="overlong", kind="text", metavar="clip|reject",
                   help="What happens to requests beyond the largest context."),
    problem_option("--headroom", key="headroom", kind="share", metavar="SHARE",
                   help="Extra arrival rate to carry, such as 20% or 0.2."),
)  # fmt: skip

link = problem_option("--link", key="links", multiple=True,
                      callback=lambda _ctx, _option, given: list(given) or None,
                      metavar="NAME[:PREFILL:DECODE]", help="A link that takes KV from prefill to "
                      "decode, by its name or in GB/s, such as ndr400 or 50:h100:a100; repeatable. "
                      "The slower network of the two GPUs if absent.")  # fmt: skip

phases = together(
    problem_option("--phases", key="phases", kind="text", metavar="together|apart|either",
                   help="Whether pools do prefill and decode together, apart in linked pairs, or "
                        "either way."),
    link,
    problem_option("--prefill-batch", key="prefill_batch", metavar="N",
                   help="Prompts that a replica that only prefills takes at a time; 1 for whole "
                        "ones in turn."),
)  # fmt: skip

engines = together(
    problem_option("--model", key="model", kind="text", metavar="NAME",
                   help="Design on one language model: a name of the catalogue, or a config.json "
                   "of Hugging Face; --gpus are then GPUs of the catalogue."),
    problem_option("--catalog", key="catalogs", multiple=True,
                   callback=lambda _ctx, _option, given: list(given) or None, metavar="FILE",
                   help="A catalogue of your own with GPUs, models or prices; repeatable."),
    problem_option("--engine", key="engine.name", kind="text", metavar="NAME",
                   help="Serving engine whose measured runs calibrate the profiles: vllm, sglang, "
                        "trtllm; any for all of them, none for data sheets alone.  "
                        "[default: vllm]"),
    problem_option("--tp", key="engine.tp", many=True, metavar="NUMBERS",
                   help="Tensor parallelism to choose from, such as 1,2,4,8."),
    problem_option("--pp", key="engine.pp", many=True, metavar="NUMBERS",
                   help="Pipeline parallelism to choose from."),
    problem_option("--ep", key="engine.ep", many=True, metavar="NUMBERS",
                   help="Expert parallelism to choose from."),
    problem_option("--dp", key="engine.dp", many=True, metavar="NUMBERS",
                   help="Attention data parallelism to choose from."),
    problem_option("--weights", key="engine.weights", kind="text", many=True, metavar="DTYPES",
                   help="Formats of the weights to choose from: bf16, fp8, fp4, int4."),
    problem_option("--kv", key="engine.kv", kind="text", many=True, metavar="DTYPES",
                   help="Formats of the KV cache to choose from: bf16, fp8."),
    problem_option("--max-num-seqs", key="engine.max_num_seqs", many=True, metavar="NUMBERS",
                   help="Most sequences of a batch to choose from; 256 if absent."),
    problem_option("--token-budget", key="engine.token_budget", many=True, metavar="TOKENS",
                   help="Prompt and output tokens of one iteration to choose from."),
)  # fmt: skip

spares = together(
    problem_option("--availability", key="availability", kind="share", metavar="SHARE",
                   help="Share of the time that a node is up, such as 98.7% or 0.987, or a "
                        "published one, such as H100_AVAIL_5PCT; buys spare replicas for the "
                        "rest."),
    problem_option("--failures", key="failures", kind="text", metavar="R:MTTR",
                   help="Failures in a node-day and mean time to repair, such as 0.0065:48h, "
                        "instead of --availability."),
    problem_option("--availability-rule", key="availability_rule", kind="text",
                   metavar="probability|mean",
                   help="Whether enough replicas of each pool are up nearly always, or only on "
                        "average."),
    problem_option("--availability-target", key="availability_target", kind="share",
                   metavar="SHARE", help="Share of the time that enough are up; 99.9%, or more "
                   "for an SLO beyond P99, if absent."),
    problem_option("--gpus-per-node", key="gpus_per_node", metavar="N",
                   help="GPUs that fail together; those of --node-size, else 8, if absent."),
)  # fmt: skip

prices = together(
    problem_option("--electricity", "--electricity-price", key="electricity_usd_per_kwh",
                   metavar="USD|FILE",
                   help="Price of a kilowatt-hour, or a CSV file hour,value whose mean it is."),
    problem_option("--carbon", "--carbon-intensity", key="carbon_g_per_kwh",
                   metavar="GRAMS|FILE",
                   help="Grams of CO2 of a kilowatt-hour, or a CSV file hour,value whose mean it "
                        "is."),
    problem_option("--pue", key="pue", metavar="FACTOR",
                   help="What the site draws for each watt of its GPUs."),
)  # fmt: skip

side = together(
    problem_option("--inventory", key="inventory", kind="counts", multiple=True,
                   callback=lambda _ctx, _option, given: ",".join(given) or None,
                   metavar="TYPE=N", help="GPUs of a type that can be had; repeat it, or "
                   "separate several by commas."),
    problem_option("--max-gpus", key="max_gpus", metavar="N", help="Most GPUs of all types."),
    problem_option("--power-kw", key="power_kw", metavar="KW",
                   help="Most power of the fleet, every slot busy."),
    problem_option("--power-caps", key="power_caps", kind="share", many=True, metavar="SHARES",
                   help="Caps on a GPU's draw that pools may run under, as shares of its nominal "
                        "power, such as 0.7,0.85; a cap limits the batch."),
    problem_option("--budget", key="budget_usd_per_year", metavar="USD",
                   help="Most cost of the fleet in a year."),
    problem_option("--mean-power-kw", key="mean_power_kw", metavar="KW",
                   help="Most power of the GPUs on average."),
    problem_option("--energy-mwh", key="energy_mwh_per_year", metavar="MWH",
                   help="Most energy in a year."),
    problem_option("--carbon-tonnes", key="carbon_tonnes_per_year", metavar="T",
                   help="Most CO2 in a year; --carbon says what a kilowatt-hour stands for."),
    problem_option("--objective", key="objective", kind="text",
                   metavar="cost|gpus|energy|carbon|cost+energy|rate",
                   help="What the fleet has least of; or rate, the most requests per second "
                        "within the limits."),
    prices,
    problem_option("--node-size", key="node_size", metavar="N",
                   help="Buy the GPUs of each type in whole nodes of N."),
    problem_option("--min-replicas", key="min_replicas", metavar="N",
                   help="Least replicas of each pool."),
    spares,
    problem_option("--alternatives", key="alternatives", metavar="K",
                   help="Show K other good fleets; --verify-top says how many are simulated."),
)  # fmt: skip

solver = together(
    problem_option("--time-limit", key="solver.time_limit_s", metavar="S",
                   help="Seconds for the solver."),
    problem_option("--gap", key="solver.relative_gap", kind="share", metavar="SHARE",
                   help="Relative gap at which the solver may stop."),
    problem_option("--node-limit", key="solver.node_limit", metavar="N",
                   help="Most nodes of the search tree in one solve."),
    problem_option("--threads", key="solver.threads", metavar="N",
                   help="Threads of the solver; 0 leaves the number to it."),
    problem_option("--solver", key="solver.name", kind="text", metavar="NAME",
                   help="HiGHS, or an installed solver by its name in Pyomo, such as cbc."),
    click.option("--solver-log", metavar="FILE",
                 help="Write the solver's own log here; - is standard error."),
    click.option("--save-lp", metavar="FILE",
                 help="Write the program as it was solved last: .lp or .mps."),
)  # fmt: skip

simulation = together(
    problem_option("--requests", key="verification.requests", metavar="N",
                   help="Measured requests of a pool and replication; by the length of the "
                        "longest residence if absent."),
    problem_option("--replications", key="verification.replications", metavar="N",
                   help="Replications of the first stage."),
    problem_option("--seed", key="verification.seed", metavar="N", help="Seed of the simulator."),
)  # fmt: skip

output_file = click.option("-o", "--output", "--out", "output", metavar="FILE",
                           help="Write the answer here, whole or not at all.")  # fmt: skip
output = together(
    click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table",
                 show_default=True, help="Form of the answer."),
    output_file,
)  # fmt: skip


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _share(text: str) -> Any:
    number = _number(text.strip().removesuffix("%"))
    if isinstance(number, str):
        return text
    return number / 100 if text.strip().endswith("%") else number


def _counts(text: str) -> Any:
    """Pairs "type=number" as a table; the text itself if it is something else."""
    pairs = [part.partition("=") for part in text.split(",")]
    counts = {gpu.strip(): _number(number.strip()) for gpu, _, number in pairs}
    whole = all(gpu.strip() and sign for gpu, sign, _ in pairs)
    return counts if whole and len(counts) == len(pairs) else text


_READERS: dict[Kind, Callable[[str], Any]] = {
    "number": _number,
    "share": _share,
    "text": str,
    "single": lambda text: [text],
    "counts": _counts,
}


def _default(key: str) -> str | None:
    """The problem's default for a key, as the user would write it."""
    from fleetopt.problem import EngineChoices, FleetProblem

    value: Any = FleetProblem()
    if key.startswith("slo."):
        bounds = {bound.metric: bound.limit_ms for bound in value.slo}
        named = {**bounds, "percentile": value.slo[0].percentile}
        value = named.get(key.removeprefix("slo."))
    else:
        if key.startswith("engine."):
            value = value.model_copy(update={"engine": EngineChoices()})
        for name in key.split("."):
            value = getattr(value, name, None)
    if isinstance(value, tuple) and value:
        return ",".join(
            f"{part:g}" if isinstance(part, float) else str(getattr(part, "text", part))
            for part in value
        )
    if isinstance(value, dict):
        return ",".join(f"{name}={count}" for name, count in value.items()) or None
    if value is None or value == () or isinstance(value, bool):
        return "on" if value is True else "off" if value is False else None
    return f"{value:g}" if isinstance(value, float) else str(value)
