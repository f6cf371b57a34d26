"""How the commands that end with a plan print it, and leave."""

from __future__ import annotations

import click

from fleetopt.cli.output import write_answer, write_text
from fleetopt.errors import FleetoptError
from fleetopt.plan import Plan
from fleetopt.report.export import plan_rows
from fleetopt.report.plan_report import plan_report

NOT_VERIFIED = 3


def write_refusal(error: FleetoptError, form: str, output: str | None) -> None:
    """Write why there is no plan, where data was asked for; the message goes its own way."""
    if form != "json":
        return
    from fleetopt.report.export import to_json
    from fleetopt.study.refusal import Refusal

    write_text(to_json(Refusal.of(error).to_dict()), output)


def finish(ctx: click.Context, plan: Plan, form: str, output: str | None) -> None:
    """Write a plan, and leave with the exit code of its verdict."""
    write_answer(
        form,
        output,
        table=lambda width: plan_report(plan, width),
        data=plan.to_dict,
        rows=lambda: plan_rows(plan),
    )
    if plan.verification is not None and plan.verification.verdict not in ("pass", "not verified"):
        ctx.exit(NOT_VERIFIED)
