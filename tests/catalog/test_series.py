"""Values by the hour: their time-weighted mean, and every bad row by its line."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fleetopt.case import Case
from fleetopt.catalog.series import read_series
from fleetopt.cli.main import cli
from fleetopt.errors import InputError
from fleetopt.problem import FleetProblem, HourlySeries

STEPS = st.lists(st.tuples(st.integers(1, 12), st.floats(0.0, 1000.0)), min_size=1, max_size=40)


def written(folder: Path, text: str) -> str:
    path = folder / "grid.csv"
    path.write_text(text)
    return str(path)


@given(STEPS)
def test_the_mean_is_that_of_every_single_hour(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, float]]
) -> None:
    """Each value written out for each of its hours; the last as long as the one before it."""
    hour, rows, hours = 0, [], list[float]()
    for lasts, value in steps:
        rows.append(f"{hour},{value!r}")
        hours += lasts * [value]
        hour += lasts
    last, value = steps[-1]
    kept = steps[-2][0] if len(steps) > 1 else 1
    hours = hours[: len(hours) - last] + kept * [value]
    file = written(tmp_path_factory.mktemp("series"), "hour,value\n" + "\n".join(rows))
    series, source = read_series(file)
    assert series.hours == len(hours)
    assert series.mean == pytest.approx(math.fsum(hours) / len(hours))
    assert (series.least, series.most) == (min(hours), max(hours))
    assert series.sha256 == source.sha256 != ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hour,value\n0,300\n6,-1\n", "line 3: expected a value from 0 to 1e\\+06, got -1"),
        ("hour,value\n0,300\n0,1\n", "line 3: expected an hour after 0, got 0"),
        ("hour,value\n0,x\n", "line 2: expected an hour and a value, two numbers, got '0,x'"),
        ("hour,value\n0,1,2\n", "line 2: expected an hour and a value"),
        ("hour,value\n0,nan\n", "line 2: expected an hour and a value"),
        ("hour,value\n\n", "expected at least one row"),
        ("time,price\n0,1\n", "line 1: expected the columns hour,value, got time,price"),
        ("", "line 1: expected the columns hour,value, got nothing"),
    ],
)
def test_bad_rows_are_named_by_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_series(written(tmp_path, text))


def test_all_bad_rows_are_told_at_once_and_many_are_counted(tmp_path: Path) -> None:
    text = "hour,value\n" + "".join(f"{hour},-1\n" for hour in range(30))
    with pytest.raises(InputError) as caught:
        read_series(written(tmp_path, text))
    assert len(caught.value.faults) == 11
    assert "20 more rows" in str(caught.value.faults[-1])


def test_a_file_stands_where_a_number_does(tmp_path: Path) -> None:
    """The number is its mean, the case says so, and the problem stands alone afterwards."""
    written(tmp_path, "hour,value\n0,100\n6,400\n18,100\n24,100\n")
    stated = {"cdf": "azure", "carbon_g_per_kwh": "grid.csv", "objective": "carbon"}
    case = Case.of(FleetProblem.model_validate(stated), tmp_path)
    assert case.problem.carbon_g_per_kwh == pytest.approx((24 * 100 + 12 * 300 + 6 * 100) / 30)
    assert any("220, the time-weighted mean of 30 hours in grid.csv" in n for n in case.notes)
    assert any(source.path.name == "grid.csv" for source in case.sources)
    (tmp_path / "grid.csv").unlink()
    again = Case.of(FleetProblem.model_validate(case.problem.model_dump(mode="json")))
    assert again.problem.carbon_series == case.problem.carbon_series
    number = case.problem.model_copy(update={"carbon_g_per_kwh": 5.0})
    assert not any("time-weighted" in note for note in Case.of(number).notes)


def test_a_file_can_be_stated_as_what_it_is(tmp_path: Path) -> None:
    file = written(tmp_path, "hour,value\n0,0.1\n12,0.2\n")
    problem = FleetProblem(cdf="azure", electricity_series=HourlySeries(path=file))
    assert Case.of(problem).problem.electricity_usd_per_kwh == pytest.approx(0.15)


@pytest.mark.parametrize("command", ["solve", "tok-per-watt"])
def test_faults_of_files_are_told_with_all_others(tmp_path: Path, command: str) -> None:
    file = written(tmp_path, "hour,value\n0,1\n1,-2\n")
    words = ["--cdf", "azure", "--carbon-intensity", file, "--electricity-price", "none.csv"]
    done = CliRunner().invoke(cli, [command, *words, "--slo", "x"])
    assert done.exit_code == 2
    assert "line 3: expected a value from 0" in done.output
    assert "--electricity: expected a number, or a CSV file" in done.output
    assert "--slo: expected a number" in done.output


def test_a_year_of_tokens_per_watt_has_the_mean_price(tmp_path: Path) -> None:
    file = written(tmp_path, "hour,value\n0,0.1\n1,0.3\n")
    words = ["tok-per-watt", "--cdf", "azure", "--lam", "50", "--gpus", "h100"]
    words += ["--electricity-price", file, "--pue", "1.5"]
    done = CliRunner().invoke(cli, [*words, "--format", "csv"])
    assert done.exit_code == 0, done.output
    (row,) = csv.DictReader(done.stdout.splitlines())
    kwh = 8760.0 * 1.5 * float(row["fleet_kw"])
    assert float(row["kwh_per_year"]) == pytest.approx(kwh)
    assert float(row["electricity_usd_per_year"]) == pytest.approx(0.2 * kwh)
