"""JSON, CSV, and files that are written whole or not at all."""

import csv
import io
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from fleetopt.errors import InputError
from fleetopt.plan import Plan
from fleetopt.report.export import check_writable, plan_rows, to_csv, to_json, write_whole

STORED = Path(__file__).parents[1] / "data" / "plan.json"


@pytest.fixture
def plan():
    """A verified plan with two pools."""
    return Plan.from_dict(json.loads(STORED.read_text()))


def test_json_is_strict_where_numbers_are_not_finite():
    data = {"a": [1.5, float("inf")], "b": {"c": float("nan")}, "d": "é"}
    text = to_json(data)
    assert json.loads(text) == {"a": [1.5, None], "b": {"c": None}, "d": "é"}
    assert text.endswith("\n")


def test_a_plan_exports_to_its_stored_form(plan):
    assert to_json(plan.to_dict()) == STORED.read_text()


def test_csv_has_one_flat_line_for_each_pool(plan):
    rows = list(csv.DictReader(io.StringIO(to_csv(plan_rows(plan)))))
    assert [row["name"] for row in rows] == ["short", "long"]
    assert rows[1]["simulated_p99_ttft_ms"] == "381.2"
    assert (rows[1]["simulated_p99_ttft_ms_low"], rows[1]["simulated_p99_ttft_ms_high"]) == (
        "371.4",
        "392.0",
    )
    assert rows[1]["p99_ttft_ms"] == "378.3"
    assert all(not cell.startswith(("[", "{", "(")) for row in rows for cell in row.values())


def test_csv_of_a_plan_without_verification_has_the_same_columns(plan):
    verified = to_csv(plan_rows(plan)).splitlines()
    unverified = to_csv(plan_rows(replace(plan, verification=None))).splitlines()
    assert unverified[0] == verified[0]
    assert len(unverified) == len(verified) == 3


def test_a_new_file_has_the_usual_permissions_and_nothing_stays_beside_it(tmp_path):
    path = tmp_path / "answer.txt"
    write_whole(str(path), "é\n")
    mask = os.umask(0)
    os.umask(mask)
    assert path.read_text(encoding="utf-8") == "é\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    assert list(tmp_path.iterdir()) == [path]


def test_an_old_file_is_replaced_and_keeps_its_permissions(tmp_path):
    path = tmp_path / "answer.txt"
    path.write_text("old")
    path.chmod(0o640)
    write_whole(str(path), "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    target.write_text("old")
    link.symlink_to(target)
    write_whole(str(link), "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_text_that_cannot_be_written_leaves_the_old_file(tmp_path):
    """A lone surrogate has no UTF-8 form, so that writing stops halfway."""
    path = tmp_path / "answer.txt"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(str(path), "x" * 100_000 + "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_devices_are_written_to_and_stay_devices():
    check_writable(os.devnull)
    write_whole(os.devnull, "gone")
    assert not stat.S_ISREG(os.stat(os.devnull).st_mode)


@pytest.mark.parametrize("name", ["", "sub", "no/where", "file/below", "x" * 400])
def test_paths_that_cannot_be_written(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("sub").mkdir()
    Path("file").write_text("")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError):
        check_writable(name)
    with pytest.raises(InputError):
        write_whole(name, "text")
    assert sorted(tmp_path.rglob("*")) == before


def test_checking_leaves_nothing_behind(tmp_path):
    check_writable(str(tmp_path / "answer.txt"))
    check_writable("-")
    assert list(tmp_path.iterdir()) == []
