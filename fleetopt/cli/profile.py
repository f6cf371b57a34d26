"""`fleetopt profile`: what a GPU does with a model, from first principles."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from fleetopt.cli import engine_options, options
from fleetopt.cli.checking import check_all, check_files
from fleetopt.cli.profile_estimated import aiconfigurator
from fleetopt.cli.profile_measured import fit, validate


@click.group(name="profile")
def command() -> None:
    """Derive profiles from data sheets, model files and measurements."""


command.add_command(aiconfigurator)
command.add_command(fit)
command.add_command(validate)


@command.command(name="show")
@engine_options.model
@click.option("--gpu", required=True, metavar="NAME", help="A GPU of the catalogue.")
@engine_options.parallel
@engine_options.numbers
@engine_options.software
@click.option("--batch", type=click.IntRange(min=1), default=32, show_default=True, metavar="N",
              help="Sequences of the decode iteration that is shown.")  # fmt: skip
@click.option("--plot", metavar="FILE", help="Draw it into a .png or .svg file.")
@engine_options.catalogues
@options.output
def show(
    model: str, gpu: str, software: str, batch: int, plot: str | None,
    catalogues: tuple[str, ...], form: str, output: str | None, **engine: Any,
) -> None:  # fmt: skip
    """Show how a profile comes about, step by step.

    Memory of each GPU, every step of a decode and of a prefill iteration with its arithmetic
    intensity and the roof that binds, and the coefficients that tables and simulator take.
    """
    from fleetopt.catalog import read_llm, read_machines
    from fleetopt.cli.output import write_answer
    from fleetopt.performance.calibration.bundled import caveats, reached_with
    from fleetopt.performance.roofline import RooflineProfile
    from fleetopt.questions.profiles import derivation
    from fleetopt.report import profile as report

    with engine_options.in_options():
        check_all(
            lambda: engine_options.engine_of(engine),
            lambda: read_llm(model, read_machines(*catalogues)),
            lambda: read_machines(*catalogues).gpu(gpu, "gpu"),
            lambda: check_files({"--output": output}, plot),
        )
        machines = read_machines(*catalogues)
        config, name = engine_options.engine_of(engine), engine_options.software_of(software)
        llm, card = read_llm(model, machines), machines.gpu(gpu, "gpu")
        made = RooflineProfile.of(llm, card, config, reached_with(name)(llm, card, config))
    found = derivation(made, batch, caveats(name, llm, [card]))
    if plot is not None:
        from fleetopt.cli.plotting import write_figure
        from fleetopt.report.figures_profile import profile_figure

        write_figure(plot, profile_figure, found)
    write_answer(
        form,
        output,
        table=lambda width: report.derivation_report(found, width),
        data=lambda: report.derivation_to_dict(found),
        rows=lambda: report.step_rows(found),
    )


@command.command(name="fits", short_help="Show on which GPUs a model fits.")
@engine_options.model
@click.option("--gpus", metavar="NAMES", help="GPUs, separated by commas; all if absent.")
@click.option("--tp", "ways", default="1,2,4,8", show_default=True, metavar="NUMBERS",
              help="Tensor parallelism to try, separated by commas.")  # fmt: skip
@engine_options.numbers
@engine_options.catalogues
@options.output
def fits(
    model: str, gpus: str | None, ways: str, catalogues: tuple[str, ...],
    form: str, output: str | None, **engine: Any,
) -> None:  # fmt: skip
    """Show on which GPUs a model fits, and how many sequences of a context it then holds."""
    from fleetopt.catalog import read_llm, read_machines
    from fleetopt.cli.output import write_answer
    from fleetopt.questions.profiles import fits as tried
    from fleetopt.report import fits as report

    names = [] if gpus is None else [name.strip() for name in gpus.split(",")]
    stated = [{**engine, "tp": way.strip()} for way in ways.split(",")]
    with engine_options.in_options():
        check_all(
            *(partial(engine_options.engine_of, each) for each in stated),
            lambda: read_llm(model, read_machines(*catalogues)),
            *(partial(_gpu, catalogues, name) for name in names),
            lambda: check_files({"--output": output}),
        )
        machines = read_machines(*catalogues)
        llm = read_llm(model, machines)
        kinds = [machines.gpu(name, "--gpus") for name in names or machines.gpus]
        found = tried(llm, kinds, [engine_options.engine_of(each) for each in stated])
    write_answer(
        form,
        output,
        table=lambda width: report.fits_report(llm, found, width),
        data=lambda: report.fits_to_dict(llm, found),
        rows=lambda: report.fit_rows(found),
    )


def _gpu(catalogues: tuple[str, ...], name: str) -> object:
    from fleetopt.catalog import read_machines

    return read_machines(*catalogues).gpu(name, "--gpus")


@command.command(name="import-hf", short_help="Make a catalogue of a model on Hugging Face.")
@click.argument("config", metavar="CONFIG.json")
@click.option("--name", metavar="NAME", help="Name of the model; that of the folder if absent.")
@click.option("-o", "--output", "--out", "output", metavar="FILE", help="Write the catalogue here.")
def import_hf(config: str, name: str | None, output: str | None) -> None:
    """Make a catalogue of one model from its config.json on Hugging Face.

    Dense models and models with experts, grouped-query and latent attention, sliding windows
    and tied embeddings. Give the catalogue to the other commands as --catalog, or as --model.
    """
    from fleetopt.catalog import find_file, read_config
    from fleetopt.cli.output import write_text
    from fleetopt.report.export import to_json
    from fleetopt.report.profile import imported_line, llm_catalogue

    check_all(
        lambda: read_config(find_file(config), name), lambda: check_files({"--output": output})
    )
    llm, _ = read_config(find_file(config), name)
    write_text(to_json(llm_catalogue(llm)), output)
    click.echo(imported_line(llm), err=True)


@command.command(name="fit-power", short_help="Refit a power curve to measured draws.")
@click.argument("file", metavar="FILE.csv")
@click.option("--gpu", "profile", required=True, metavar="NAME", help="A bundled profile, whose "
              "idle and nominal draw stay.")  # fmt: skip
@options.output
def fit_power(file: str, profile: str, form: str, output: str | None) -> None:
    """Refit a power curve to measured draws: a CSV file with the columns batch and watts.

    Slope and midpoint are those of the least squares. The JSON form has the curve as a profile
    takes it.
    """
    from dataclasses import replace

    from fleetopt.cli.output import write_answer
    from fleetopt.errors import InputError
    from fleetopt.questions.energy.fitting import fitted_power
    from fleetopt.report import power_fit as report

    check_files({"--output": output})
    try:
        found = fitted_power(file, profile)
    except InputError as error:
        raise InputError(
            [replace(f, place="--gpu") if f.place == "profile" else f for f in error.faults]
        ) from None
    write_answer(
        form,
        output,
        table=lambda width: report.fit_report(found, width),
        data=lambda: report.fit_to_dict(found),
        rows=lambda: report.fit_rows(found),
    )
