"""`fleetopt profile validate`: how far simulated latencies are from measured ones."""

from __future__ import annotations

import click

from fleetopt.cli import engine_options, options


@click.command(name="validate")
@click.argument("data", metavar="DATA.csv")
@click.option("--plot", metavar="IMAGE", help="Draw it too, as PNG or SVG by the file's name.")
@click.option("--save-constants", metavar="FILE",
              help="Write the constants fitted to all groups here.")  # fmt: skip
@click.option("--constants-source", metavar="TEXT", default="",
              help="What these constants say of their source.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Do not show progress.")
@engine_options.catalogues
@options.output
def validate(
    data: str, plot: str | None, save_constants: str | None, constants_source: str, quiet: bool,
    catalogues: tuple[str, ...], form: str, output: str | None,
) -> None:  # fmt: skip
    """Compare simulated with measured TTFT and TPOT.

    A row of DATA.csv is one run: backend, model_path, system, isl, osl, concurrency, tp_size,
    ttft_ms, tpot_ms, and where it applies precision, moe_tp_size, moe_ep_size and
    attention_dp_size. Each group of GPU, engine and model is predicted by a roofline that is
    calibrated to all the other groups, and simulated with clients that start together.
    """
    from fleetopt.catalog import find_file, read_machines
    from fleetopt.catalog.calibration import bundled_calibration
    from fleetopt.catalog.measurements import read_measurements
    from fleetopt.cli.output import progress, write_answer
    from fleetopt.performance.calibration import Constants
    from fleetopt.questions.validation import validation
    from fleetopt.report import validation as report
    from fleetopt.report.export import check_writable, to_json, write_whole

    for path in (output, plot, save_constants):
        if path is not None:
            check_writable(path)
    if plot is not None:
        from fleetopt.report.figures import check_plot

        check_plot(plot)
    measured = read_measurements(find_file(data), read_machines(*catalogues))
    with progress(quiet=quiet) as say:
        found = validation(measured, Constants.from_dict(bundled_calibration()), say)
    if save_constants is not None:
        constants = {**found.constants.to_dict(), "source": constants_source or data}
        write_whole(save_constants, to_json(constants))
    if plot is not None:
        from fleetopt.report.figures_validation import validation_figure

        write_whole(plot, validation_figure(found, plot.lower().rsplit(".", 1)[1]))
    write_answer(
        form,
        output,
        table=lambda width: report.validation_report(found, width),
        data=lambda: report.validation_to_dict(found),
        rows=lambda: report.validation_rows(found),
    )
