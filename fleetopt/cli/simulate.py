"""`fleetopt simulate`: how two pools, or the fleet of a plan, fare on their traffic."""

from __future__ import annotations

import click

from fleetopt.cli import fleet_options as options

_REQUESTS = 50_000


@click.command(name="simulate")
@click.argument("plan", metavar="[PLAN.json]", required=False)
@options.cdf
@options.lam
@options.bounds
@options.two_pools
@options.fleet_option("--gamma", key="gamma", metavar="FACTOR", shown="1.0",
                      help="Compress requests of up to FACTOR times --b-short into the short "
                           "pool.")  # fmt: skip
@options.router
@options.knowledge
@options.traffic
@options.engine
@options.runs(_REQUESTS)
@options.files
@options.output
@click.pass_context
def command(
    ctx: click.Context, /, plan: str | None, records: str | None, series: str | None,
    chrome_trace: str | None, form: str, output: str | None, **_: object,
) -> None:  # fmt: skip
    """Simulate two pools behind a router, or the fleet of a plan.

    PLAN.json is what `fleetopt solve --format json` wrote; it states the pools, and options
    override its traffic. Without it, --cdf (or --trace), --n-s and --n-l are needed.
    An unstable fleet is an answer, with the growth of its line.
    """
    from fleetopt.cli.fleet_statement import output_faults, plan_keys, state_fleet, two_pool_keys
    from fleetopt.cli.simulating import answer
    from fleetopt.cli.statement import given_options

    files = {"--records": records, "--series": series, "--chrome-trace": chrome_trace}
    faults = output_faults({**files, "--output": output})
    options_given = given_options(ctx)
    keys, given, missing = (
        two_pool_keys(options_given) if plan is None else plan_keys(plan, options_given)
    )
    scenario = state_fleet(
        keys, given, ctx.command.params, least_requests=_REQUESTS, others=[*missing, *faults]
    )
    answer(scenario, form, output, files)
