"""`fleetopt simulate-fleet`: a fleet from a file, each model with its own traffic."""

from __future__ import annotations

import click

from fleetopt.cli import fleet_options as options

_REQUESTS = 30_000


@click.command(name="simulate-fleet")
@click.argument("fleet", metavar="FLEET.json")
@options.cdf
@options.lam
@options.bounds
@options.router
@options.knowledge
@options.traffic
@options.engine
@options.runs(_REQUESTS)
@options.files
@options.output
@click.pass_context
def command(
    ctx: click.Context, /, fleet: str, records: str | None, series: str | None,
    chrome_trace: str | None, form: str, output: str | None, **_: object,
) -> None:  # fmt: skip
    """Simulate the fleet of a file.

    FLEET.json states pools, the router and the traffic; options override its keys, and --cdf
    or --trace its workloads.
    """
    from fleetopt.cli.fleet_statement import fleet_keys, output_faults, state_fleet
    from fleetopt.cli.simulating import answer
    from fleetopt.cli.statement import given_options

    files = {"--records": records, "--series": series, "--chrome-trace": chrome_trace}
    keys, place, beside = fleet_keys(fleet)
    scenario = state_fleet(
        keys, given_options(ctx), ctx.command.params,
        place=place, beside=beside, least_requests=_REQUESTS,
        others=output_faults({**files, "--output": output}),
    )  # fmt: skip
    answer(scenario, form, output, files)
