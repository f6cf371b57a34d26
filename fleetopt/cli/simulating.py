"""How the commands that simulate a fleet run it, and write what was asked for."""

from __future__ import annotations

from collections.abc import Mapping

from fleetopt.cli.output import progress, write_answer
from fleetopt.questions.fleets import Scenario, simulate_scenario
from fleetopt.questions.fleets.simulating import first_outcome
from fleetopt.report import simulation as report
from fleetopt.report.export import write_whole
from fleetopt.report.fleet_records import chrome_trace, records_file, series_file


def answer(
    scenario: Scenario, form: str, output: str | None, files: Mapping[str, str | None]
) -> None:
    """Simulate, write the files, then the answer."""
    with progress() as show:
        found = simulate_scenario(scenario, progress=show)
        outcome = None
        if files["--records"] or files["--chrome-trace"]:
            outcome = first_outcome(scenario)
    if outcome is not None and (path := files["--chrome-trace"]):
        write_whole(path, chrome_trace(outcome))
    if outcome is not None and (path := files["--records"]):
        write_whole(path, records_file(outcome, path))
    if path := files["--series"]:
        write_whole(path, series_file(found))
    write_answer(
        form,
        output,
        table=lambda width: report.simulation_report(found, width),
        data=lambda: report.simulation_to_dict(found),
        rows=lambda: report.simulation_rows(found),
    )
