"""`fleetopt explain`: why a fleet misses its SLO, or what would bind first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetopt.cli import fleet_options as options
from fleetopt.errors import Fault

if TYPE_CHECKING:
    from fleetopt.cli.statement import Given
    from fleetopt.questions.explain import Explanation

_REQUESTS = 30_000


@click.command(name="explain")
@click.argument("fleet", metavar="[PLAN.json|FLEET.json]", required=False)
@options.cdf
@options.lam
@options.bounds
@click.option("--slo-scope", type=click.Choice(["pool", "fleet"]),
              help="Whether each pool keeps the SLO, or all requests together.  "
                   "[default: the plan's, else pool]")  # fmt: skip
@options.two_pools
@options.fleet_option("--gamma", key="gamma", metavar="FACTOR", shown="1.0",
                      help="Compress requests of up to FACTOR times --b-short into the short "
                           "pool.")  # fmt: skip
@options.router
@options.knowledge
@options.traffic
@options.engine
@options.runs(_REQUESTS)
@click.option(
    "--plot", metavar="FILE", help="Draw the causes and lengths into a .png or .svg file."
)
@options.output
@click.pass_context
def command(
    ctx: click.Context, /, fleet: str | None, slo_scope: str | None, plot: str | None, form: str,
    output: str | None, **_: object,
) -> None:  # fmt: skip
    """Say why a fleet misses its SLO, or what would bind first.

    The fleet is that of a saved plan, of a fleet file as simulate-fleet takes it, or of --n-s and
    --n-l. It is simulated as it is, then with one cause removed at a time, on the same requests.
    """
    from fleetopt.cli.fleet_statement import output_faults, state_fleet
    from fleetopt.cli.output import progress
    from fleetopt.cli.plotting import plot_faults
    from fleetopt.cli.statement import given_options
    from fleetopt.questions.explain import explain_scenario

    keys, given, missing, where, scope = _stated(fleet, given_options(ctx))
    scenario = state_fleet(
        keys, given, ctx.command.params, least_requests=_REQUESTS,
        others=[*missing, *output_faults({"--output": output}), *plot_faults(plot)], **where,
    )  # fmt: skip
    with progress() as show:
        chosen: Any = slo_scope or scope
        found = explain_scenario(scenario, scope=chosen, progress=show)
    _write(found, plot, form, output)


def _stated(
    name: str | None, given: Given
) -> tuple[dict[str, Any], Given, list[Fault], dict[str, Any], str]:
    """The keys, the options that are left, what is missing, the file's place, and the scope."""
    from fleetopt.catalog import find_file, read_json
    from fleetopt.cli.fleet_statement import fleet_keys, plan_keys, two_pool_keys

    if name is None:
        return *two_pool_keys(given), {}, "pool"
    data, _ = read_json(find_file(name))
    if isinstance(data, dict) and str(data.get("schema", "")).startswith("fleetopt.plan"):
        scope = data.get("problem", {}).get("slo_scope", "pool")
        return *plan_keys(str(find_file(name)), given), {}, scope
    keys, place, beside = fleet_keys(name)
    own = [option for option in given if option.key.startswith("pools[") or option.key == "gamma"]
    hint = "leave the file or the option out"
    faults = [Fault(option.spelling, "the file states the pools", hint) for option in own]
    left = {option: value for option, value in given.items() if option not in own}
    return keys, left, faults, {"place": place, "beside": Path(beside)}, "pool"


def _write(found: Explanation, plot: str | None, form: str, output: str | None) -> None:
    from fleetopt.cli.output import write_answer
    from fleetopt.report import explanation as report

    if plot is not None:
        from fleetopt.cli.plotting import write_figure
        from fleetopt.report.figures_explanation import explanation_figure

        write_figure(plot, explanation_figure, found)
    write_answer(
        form,
        output,
        table=lambda width: report.explanation_report(found, width),
        data=lambda: report.explanation_to_dict(found),
        rows=lambda: report.explanation_rows(found),
    )
