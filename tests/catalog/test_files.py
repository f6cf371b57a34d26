"""Files as they are: named, bundled, missing, malformed."""

import json
from pathlib import Path

import pytest

from fleetopt import catalog
from fleetopt.errors import InputError
from fleetopt.problem import FleetProblem

POINTS = [[512, 0.5], [1024, 1.0]]


def fault_of(function, *arguments):
    with pytest.raises(InputError) as caught:
        function(*arguments)
    return str(caught.value)


def test_every_bundled_workload_and_model_can_be_read():
    assert catalog.workload_names() == ["agent_heavy", "azure", "lmsys"]
    for name in catalog.model_names():
        problem, source = catalog.read_problem(name)
        inputs = catalog.read_inputs(problem, source.path.parent)
        assert inputs.lengths.name == problem.cdf
        assert [profile.name for profile in inputs.profiles] == list(problem.gpus)
        assert len(inputs.sources[0].sha256) == 64


@pytest.mark.parametrize("spelling", ["lmsys", "lmsys_cdf.json", "data/lmsys_cdf.json"])
def test_bundled_workloads_answer_to_their_own_spellings(spelling, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert catalog.read_lengths(spelling)[0].name == "lmsys"


@pytest.mark.parametrize("spelling", ["lmsys", "models/lmsys", "models/lmsys/problem.toml"])
def test_bundled_models_answer_to_their_own_spellings(spelling, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert catalog.read_problem(spelling)[0].name == "lmsys"


def test_a_missing_file_elsewhere_is_never_answered_by_a_bundled_one(tmp_path):
    missing = str(tmp_path / "lmsys_cdf.json")
    assert "no such file or bundled workload" in fault_of(catalog.read_lengths, missing)
    missing = str(tmp_path / "lmsys" / "problem.toml")
    assert "no such problem file or bundled model" in fault_of(catalog.read_problem, missing)


def test_a_relative_file_is_looked_up_beside_the_problem_first(tmp_path, monkeypatch):
    folder = tmp_path / "case"
    folder.mkdir()
    (folder / "mine.json").write_text(json.dumps(POINTS))
    monkeypatch.chdir(tmp_path)
    lengths, source = catalog.read_lengths("mine.json", folder)
    assert lengths.name == "mine"
    assert source.path == folder / "mine.json"


@pytest.mark.parametrize("content", [POINTS, {"cdf": POINTS}, {"name": "mine", "cdf": POINTS}])
def test_bare_lists_and_objects_load(content, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content))
    assert catalog.read_lengths(str(path))[0].cdf == ((512, 0.5), (1024, 1.0))


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "mine.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(POINTS).encode())
    assert catalog.read_lengths(str(path))[0].max_tokens == 1024


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # no JSON at all, or half of it
        (b"tokens: 5", "expected JSON: Expecting value: line 1 column 1"),
        (b'{"cdf": [[1, 1.0]', "expected JSON: Expecting"),
        # empty, and only white space
        (b"", "expected JSON, the file is empty"),
        (b" \n", "expected JSON, the file is empty"),
        # another encoding
        (b'{"name": "caf\xe9"}', "expected JSON in UTF-8; byte 13 is not"),
        # a key twice, of which one would be lost
        (b'{"cdf": [], "cdf": [[1, 1.0]]}', "expected JSON: the key 'cdf' appears twice"),
        # nested beyond reason, digits beyond reason
        (b"[" * 100_000, "nested too deeply"),
        (b"[[" + b"9" * 5000 + b", 1.0]]", "expected JSON:"),
        # NaN, which Python's reader lets through
        (b"[[512, NaN], [1024, 1.0]]", "cdf[0] fraction: expected a number in [0, 1], got nan"),
    ],
)
def test_malformed_json(content, expected, tmp_path):
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    message = fault_of(catalog.read_lengths, str(path))
    assert message.startswith(str(path))
    assert expected in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # no TOML; a key twice
        (b"arrival_rate = ", "expected TOML:"),
        (b"max_pools = 1\nmax_pools = 2\n", "expected TOML:"),
        # another encoding
        (b"name = 'caf\xe9'", "expected TOML in UTF-8"),
    ],
)
def test_malformed_toml(content, expected, tmp_path):
    path = tmp_path / "problem.toml"
    path.write_bytes(content)
    assert expected in fault_of(catalog.read_problem, str(path))


def test_what_is_no_file(tmp_path):
    dangling = tmp_path / "dangling.json"
    dangling.symlink_to(tmp_path / "gone.json")
    assert "this is a directory" in fault_of(catalog.read_lengths, str(tmp_path))
    assert "no such file" in fault_of(catalog.read_lengths, str(dangling))
    assert "no such file" in fault_of(catalog.read_lengths, "")
    assert "cannot be read" in fault_of(catalog.read_lengths, "x" * 400)
    assert "cannot be read" in fault_of(catalog.read_json, tmp_path)


def test_near_names_are_suggested():
    assert "did you mean 'lmsys'?" in fault_of(catalog.read_lengths, "lmsis")
    assert "did you mean 'azure'?" in fault_of(catalog.read_problem, "azur")


def test_everything_that_a_problem_names_is_judged_at_once():
    problem = FleetProblem(
        cdf="lmsis", gpus=("h1000", "a100"), max_context=4096, thresholds=(5000,)
    )
    assert fault_of(catalog.read_inputs, problem).splitlines() == [
        "'lmsis': no such file or bundled workload (did you mean 'lmsys'?)",
        "gpus[0]: unknown GPU 'h1000' (did you mean 'h100'?)",
        "thresholds[0]: must be below the largest context 4096, got 5000",
    ]


def test_a_problems_own_profile_replaces_the_bundled_one():
    cheap = catalog.read_profiles()["h100"].model_copy(update={"usd_per_hour": 1.0})
    problem = FleetProblem(gpus=("h100",), profiles=(cheap,))
    assert catalog.read_inputs(problem).profiles == (cheap,)


def test_copied_models_can_be_read_and_nothing_is_overwritten(tmp_path):
    folder = tmp_path / "mine"
    catalog.copy_model("azure", folder)
    assert catalog.read_problem(str(folder))[0] == catalog.read_problem("azure")[0]
    (folder / "problem.toml").write_text("name = 'changed'\n")
    assert "it exists already" in fault_of(catalog.copy_model, "lmsys", folder)
    assert catalog.read_problem(str(folder))[0].name == "changed"
    assert "cannot be made" in fault_of(catalog.copy_model, "lmsys", tmp_path / "no" / "where")
    assert "did you mean 'azure'?" in fault_of(catalog.copy_model, "azur", tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_folders_exist():
    assert Path(catalog.data_folder(), "profiles.json").is_file()
    assert Path(catalog.models_folder(), "lmsys", "problem.toml").is_file()
