"""`fleetopt compare-routers`: several routers on the same arrivals."""

from __future__ import annotations

import click

from fleetopt.cli import fleet_options as options

_REQUESTS = 30_000
_PUBLISHED = ("length", "compress", "random")


@click.command(name="compare-routers")
@options.cdf
@options.lam
@options.bounds
@options.two_pools
@click.option("--router", "routers", multiple=True, metavar="NAME", default=_PUBLISHED,
              help="A router to compare, as `fleetopt simulate` takes it; repeat it for each.  "
                   "[default: length, compress and random]")  # fmt: skip
@options.knowledge
@options.traffic
@options.engine
@options.runs(_REQUESTS)
@options.output
@click.pass_context
def command(
    ctx: click.Context, /, routers: tuple[str, ...], form: str, output: str | None, **_: object
) -> None:
    """Compare routers before two pools, on the same arrivals.

    Differences to the best router are of the same arrivals, run by run, so that they are much
    sharper than the figures themselves.
    """
    from fleetopt.cli.fleet_statement import (
        output_faults,
        routers_of,
        state_fleet,
        two_pool_keys,
    )
    from fleetopt.cli.output import progress, write_answer
    from fleetopt.cli.statement import given_options
    from fleetopt.questions.fleets import compare_scenario
    from fleetopt.report import routers as report

    keys, given, faults = two_pool_keys(given_options(ctx))
    stated, wrong = routers_of(routers, len(keys["pools"]))
    faults += [*wrong, *output_faults({"--output": output})]
    scenario = state_fleet(keys, given, ctx.command.params, least_requests=_REQUESTS, others=faults)
    with progress() as show:
        found = compare_scenario(scenario, stated, progress=show)
    write_answer(
        form,
        output,
        table=lambda width: report.routers_report(found, width),
        data=lambda: report.routers_to_dict(found),
        rows=lambda: report.router_rows(found),
    )
