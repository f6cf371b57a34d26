"""`fleetopt profile aiconfigurator`: a profile from the estimates of AIConfigurator."""

from __future__ import annotations

from typing import Any

import click

from fleetopt.cli import engine_options, options
from fleetopt.cli.checking import check_all, check_files


@click.command(name="aiconfigurator", short_help="Fit a profile to estimates of AIConfigurator.")
@engine_options.model
@click.option("--gpu", required=True, metavar="NAME", help="A GPU of the catalogue.")
@engine_options.parallel
@engine_options.numbers
@click.option("--engine", "software", metavar="NAME", default="vllm", show_default=True,
              help="Serving engine that is estimated: vllm, sglang or trtllm.")  # fmt: skip
@click.option("--name", metavar="NAME", help="Name of the profile, in place of the deployment's.")
@click.option("--profile", "profile_file", metavar="FILE",
              help="Write the [[profiles]] table of a problem file here.")  # fmt: skip
@engine_options.catalogues
@options.output
def aiconfigurator(
    model: str, gpu: str, software: str, name: str | None, profile_file: str | None,
    catalogues: tuple[str, ...], form: str, output: str | None, **engine: Any,
) -> None:  # fmt: skip
    """Fit a profile to iterations that AIConfigurator estimates from measured kernels.

    It needs the package of that name: pip install 'fleetopt[aiconfigurator]'. The report has
    every iteration beside what the coefficients give for it.
    """
    from fleetopt.catalog import read_llm, read_machines
    from fleetopt.cli.output import write_answer
    from fleetopt.performance.aiconfigurator import estimate
    from fleetopt.problem import CoefficientSpec, validate
    from fleetopt.report import estimate as report
    from fleetopt.report.export import write_whole
    from fleetopt.report.fit import profile_toml

    with engine_options.in_options():
        check_all(
            lambda: engine_options.engine_of(engine),
            lambda: read_llm(model, read_machines(*catalogues)),
            lambda: read_machines(*catalogues).gpu(gpu, "gpu"),
            lambda: engine_options.software_of(software),
            lambda: check_files({"--output": output, "--profile": profile_file}),
        )
        machines = read_machines(*catalogues)
        llm, card = read_llm(model, machines), machines.gpu(gpu, "gpu")
        found = estimate(llm, card, engine_options.engine_of(engine), software)
    name = name or found.deployment.name
    keys = report.profile_keys(found, name)
    validate(CoefficientSpec, keys, "profile")
    if profile_file is not None:
        write_whole(profile_file, profile_toml(keys))
    write_answer(
        form,
        output,
        table=lambda width: report.estimate_report(found, width),
        data=lambda: report.estimate_to_dict(found, name),
        rows=lambda: report.estimate_rows(found),
    )
