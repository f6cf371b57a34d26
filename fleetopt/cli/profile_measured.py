"""`fleetopt profile fit` and `validate`: profiles from measurements, and how far they are off."""

from __future__ import annotations

import click

from fleetopt.cli import engine_options, options
from fleetopt.cli.checking import check_all, check_files


@click.command(name="validate")
@click.argument("data", metavar="DATA.csv")
@click.option("--plot", metavar="FILE", help="Draw it into a .png or .svg file.")
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
    from fleetopt.catalog.measurements import read_measurements
    from fleetopt.cli.output import progress, write_answer
    from fleetopt.performance.calibration.bundled import bundled
    from fleetopt.questions.validation import validation
    from fleetopt.report import validation as report
    from fleetopt.report.export import to_json, write_whole

    check_all(
        lambda: read_measurements(find_file(data), read_machines(*catalogues)),
        lambda: check_files({"--output": output, "--save-constants": save_constants}, plot),
    )
    measured = read_measurements(find_file(data), read_machines(*catalogues))
    with progress(quiet=quiet) as say:
        constants, record = bundled()
        clients = {engine: spans["clients"] for engine, spans in record.spans.items()}
        found = validation(measured, constants, clients, say)
    if save_constants is not None:
        saved = {**found.constants.to_dict(), **found.record().to_dict()}
        saved["source"] = constants_source or data
        write_whole(save_constants, to_json(saved))
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


@click.command(name="fit")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--name", required=True, metavar="NAME", help="Name of the profile.")
@click.option("--gpu", required=True, metavar="NAME",
              help="A GPU of the catalogue, which also has the price.")  # fmt: skip
@click.option("--gpus-per-replica", type=click.IntRange(min=1), default=1, show_default=True,
              metavar="N", help="GPUs of the replica that was measured.")  # fmt: skip
@click.option("--kv-tokens", type=click.IntRange(min=16), required=True, metavar="TOKENS",
              help="Tokens in the KV cache of the replica; engines log them.")  # fmt: skip
@click.option("--max-num-seqs", type=click.IntRange(min=1), default=256, show_default=True,
              metavar="N", help="Most sequences of the running batch.")  # fmt: skip
@click.option("--token-budget", type=click.IntRange(min=1), default=8192, show_default=True,
              metavar="TOKENS", help="Most prompt tokens of an iteration.")  # fmt: skip
@click.option("--for-clients", type=click.FloatRange(min=1), metavar="N",
              help="Say how far this many sequences lie outside of the measurements.")  # fmt: skip
@click.option("--for-prompt", type=click.FloatRange(min=1), metavar="TOKENS",
              help="Say how far prompts of this length do.")  # fmt: skip
@click.option("--where", "conditions", multiple=True, metavar="COLUMN=VALUE",
              help="Take only these rows of a CSV; repeatable.")  # fmt: skip
@click.option("--profile", "profile_file", metavar="FILE",
              help="Write the [[profiles]] table of a problem file here.")  # fmt: skip
@click.option("--plot", metavar="FILE", help="Draw the errors into a .png or .svg file.")
@engine_options.catalogues
@options.output
def fit(
    files: tuple[str, ...], name: str, gpu: str, gpus_per_replica: int, kv_tokens: int,
    max_num_seqs: int, token_budget: int, for_clients: float | None, for_prompt: float | None,
    conditions: tuple[str, ...], profile_file: str | None, plot: str | None,
    catalogues: tuple[str, ...], form: str, output: str | None,
) -> None:  # fmt: skip
    """Fit a profile to benchmark results of one replica.

    FILE is a result of vllm bench serve, GuideLLM or AIPerf, or a CSV with columns clients,
    prompt_tokens, output_tokens, ttft_ms, tpot_ms. Each run has clients in a closed loop. A CSV
    with batch_size, prompt_size, token_size, prompt_time and token_time has batches that start
    together, as Splitwise measured them.
    """
    from fleetopt.catalog import read_machines
    from fleetopt.catalog.benchmark_results import read_results
    from fleetopt.cli.output import write_answer
    from fleetopt.performance.fit import Point
    from fleetopt.performance.fit import fit as fitted
    from fleetopt.problem import CoefficientSpec
    from fleetopt.problem import validate as checked
    from fleetopt.report import fit as report
    from fleetopt.report.export import write_whole

    check_all(
        lambda: read_machines(*catalogues).gpu(gpu, "--gpu"),
        lambda: read_results(*files, where=_where(conditions)),
        lambda: check_files({"--output": output, "--profile": profile_file}, plot),
    )
    kind = read_machines(*catalogues).gpu(gpu, "--gpu")
    read = read_results(*files, where=_where(conditions))
    points = [
        Point(run.place, run.prompt_tokens, run.output_tokens, run.clients,
              run.ttft_ms / 1e3, run.tpot_ms / 1e3, run.at_once)
        for run in read.runs
    ]  # fmt: skip
    found = fitted(points, token_budget)
    asked = {"sequences": for_clients, "prompt_tokens": for_prompt}
    warnings = found.beyond(**{key: value for key, value in asked.items() if value is not None})
    keys = report.profile_keys(found, {
        "name": name, "gpu": gpu, "gpus_per_replica": gpus_per_replica, "kv_tokens": kv_tokens,
        "max_num_seqs": max_num_seqs, "usd_per_hour": kind.usd_per_hour,
    })  # fmt: skip
    checked(CoefficientSpec, keys, "profile")
    if profile_file is not None:
        write_whole(profile_file, report.profile_toml(keys))
    if plot is not None:
        from fleetopt.report.figures_fit import fit_figure

        write_whole(plot, fit_figure(found, plot.lower().rsplit(".", 1)[1]))
    write_answer(
        form,
        output,
        table=lambda width: report.fit_report(found, read.left_out, warnings, width),
        data=lambda: report.fit_to_dict(found, read.left_out, warnings),
        rows=lambda: report.fit_rows(found),
    )


def _where(conditions: tuple[str, ...]) -> dict[str, str]:
    """Columns and values of COLUMN=VALUE. Raises InputError."""
    from fleetopt.errors import Fault, InputError

    wrong = [text for text in conditions if "=" not in text.strip("=")]
    if wrong:
        hint = "such as --where hardware=h100-80gb"
        raise InputError(
            [Fault("--where", f"expected COLUMN=VALUE, got {text!r}", hint) for text in wrong]
        )
    return {key: value for key, _, value in (text.partition("=") for text in conditions)}
