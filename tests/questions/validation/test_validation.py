"""Groups left out: synthetic runs that follow other constants, and the shared measurements."""

from pathlib import Path

import numpy as np
import pytest

from fleetopt.catalog import read_machines
from fleetopt.catalog.calibration import bundled_calibration
from fleetopt.catalog.measurements import Measurements, read_measurements
from fleetopt.performance.calibration import NONE, Constants, Factors
from fleetopt.performance.calibration.seconds import CAUSES
from fleetopt.performance.profile import Capacity, IterationTime
from fleetopt.questions.validation import Validation, validation
from fleetopt.questions.validation.cases import Case
from fleetopt.questions.validation.flags import is_flagged
from fleetopt.questions.validation.ladders import saturated
from fleetopt.questions.validation.loop import IN_STEP, Habit, Played, habit, play

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
MEASURED = SHARED / "silicon_serving_measurements.csv"
HEAD = (
    "backend,backend_version,model_path,system,precision,isl,osl,concurrency,tp_size,ttft_ms,"
    "tpot_ms\n"
)
GROUPS = [
    ("vllm", "meta-llama/Llama-3.1-70B", "h100_sxm", 4),
    ("vllm", "meta-llama/Llama-3.1-8B", "h100_sxm", 1),
    ("vllm", "Qwen/Qwen3-32B", "h200_sxm", 2),
    ("trtllm", "meta-llama/Llama-3.1-8B", "b200_sxm", 1),
    ("trtllm", "Qwen/Qwen3-32B", "h100_sxm", 2),
]
SLOWER = 1.3
CLIENTS = (4, 8, 16, 32, 64)


def runs(tmp_path: Path, groups: list[tuple[str, str, str, int]]) -> Measurements:
    """Runs of engines that take 1.3 times as long as the roofline for everything."""
    every = {"any": np.full(len(CAUSES), np.log(SLOWER))}
    slower = Constants(Factors(every), Factors(), (), "")
    path = tmp_path / "runs.csv"

    def read(latencies: list[str]) -> Measurements:
        lines = [
            f"{e},1,{m},{g},fp8,{p},1024,{c},{tp},{latency}\n"
            for (e, m, g, tp, p, c), latency in zip(designs, latencies, strict=True)
        ]
        path.write_text(HEAD + "".join(lines))
        return read_measurements(path, read_machines())

    designs = [(e, m, g, tp, p, c) for e, m, g, tp in groups for p in (512, 4096) for c in CLIENTS]
    empty = [Case.of(row) for row in read(["1,1"] * len(designs)).rows]
    played = [case.played(slower.seconds(case.levels)) for case in empty]
    return read([f"{1e3 * (0.02 + run.ttft_s)},{1e3 * run.tpot_s}" for run in played])


def test_runs_that_follow_constants_are_predicted_from_other_groups(tmp_path: Path) -> None:
    found = validation(runs(tmp_path, GROUPS))
    errors = found.overall()["dense"]
    assert errors.n == len(GROUPS) * 2 * len(CLIENTS)
    assert errors.tpot is not None
    assert errors.tpot < 0.06
    assert errors.ttft is not None
    assert errors.ttft < 0.15
    assert found.overall()["saturated"].n == 0
    assert not found.prior
    record = found.record()
    assert record.errors["dense"].tpot == errors.tpot
    assert sum(e.n for name, e in record.errors.items() if name.startswith("dense ")) == errors.n
    assert record.span("any", "clients") == (4.0, 64.0)
    assert record.span("any", "prompt_tokens") == (512.0, 4096.0)


def test_bundled_constants_help_groups_that_they_do_not_know(tmp_path: Path) -> None:
    """One group alone has nothing to be predicted from but the bundled constants."""
    bundled = validation(runs(tmp_path, GROUPS[:4])).constants
    alone = runs(tmp_path, GROUPS[4:])
    blind, told = validation(alone), validation(alone, bundled)
    assert told.prior
    assert told.overall()["dense"].tpot < 0.06 < blind.overall()["dense"].tpot  # type: ignore[operator]


def test_what_other_measurements_span_is_no_extrapolation(tmp_path: Path) -> None:
    """By the clients of an engine in the bundled groups, but not where none of them is left."""
    bundled = validation(runs(tmp_path, GROUPS[:4])).constants
    alone, clients = runs(tmp_path, GROUPS[4:]), {"trtllm": (4.0, 32.0)}
    assert {each.outside for each in validation(alone, bundled).rows} == {np.inf}
    found = validation(alone, bundled, clients).rows
    assert {each.outside for each in found} == {1.0, 2.0}
    known = runs(tmp_path, GROUPS[:4])
    told, blind = validation(known, bundled, clients), validation(known)
    assert [each.outside for each in told.rows] == [each.outside for each in blind.rows]


def predicted(found: Validation) -> list[float]:
    return [value for each in found.rows for value in (each.tpot_s, each.ttft_s)]


def test_a_group_that_the_bundled_constants_know_is_left_out_still(tmp_path: Path) -> None:
    """What they say of its groups changes nothing, what they say of others does."""
    known = runs(tmp_path, GROUPS[:2])
    bundled = validation(runs(tmp_path, GROUPS)).constants
    told = validation(known, bundled)
    assert told.prior
    assert predicted(told) != pytest.approx(predicted(validation(known)), rel=1e-3)
    for one in (0, 1):
        alone = validation(runs(tmp_path, GROUPS[one : one + 1]), bundled)
        others = validation(runs(tmp_path, [g for g in GROUPS if g != GROUPS[one]])).constants
        again = validation(runs(tmp_path, GROUPS[one : one + 1]), others)
        assert predicted(alone) == pytest.approx(predicted(again), rel=0.03)
    same = validation(known, validation(known).constants)
    assert not same.prior
    assert predicted(same) == pytest.approx(predicted(validation(known)), rel=0.02)


def test_new_groups_are_predicted_as_if_all_had_been_measured_together(tmp_path: Path) -> None:
    """Two groups beside the summaries of three others, and the rows of all five."""
    bundled = validation(runs(tmp_path, GROUPS[:3])).constants
    told = validation(runs(tmp_path, GROUPS[3:]), bundled)
    names = {each.row.group for each in told.rows}
    together = [each for each in validation(runs(tmp_path, GROUPS)).rows if each.row.group in names]
    for one, other in zip(told.rows, together, strict=True):
        assert one.tpot_s == pytest.approx(other.tpot_s, rel=0.03)
        assert one.ttft_s == pytest.approx(other.ttft_s, rel=0.10)


def test_names_that_nobody_measured_are_predicted_from_all_others(tmp_path: Path) -> None:
    """Another engine, another GPU and another model, one run each."""
    cells = [
        "other,1,meta-llama/Llama-3.1-70B,h100_sxm,fp8,1024,256,16,4,{},{}",
        "vllm,1,meta-llama/Llama-3.1-8B,l40s,fp8,1024,256,16,1,{},{}",
        "vllm,1,mistralai/Mistral-7B-v0.1,h100_sxm,fp8,1024,256,16,1,{},{}",
    ]
    path = tmp_path / "other.csv"
    bundled = Constants.from_dict(bundled_calibration())
    for each in cells:
        path.write_text(HEAD + each.format(100, 10) + "\n")
        (found,) = validation(read_measurements(path, read_machines()), bundled).rows
        assert 0.002 < found.tpot_s < 0.05
        assert 0.02 < found.ttft_s < 0.5
        blind = validation(read_measurements(path, read_machines()), NONE).rows[0]
        assert found.tpot_s != pytest.approx(blind.tpot_s, rel=1e-3)


def test_clients_that_start_together_wait_for_one_another() -> None:
    """One round of n prompts, each an iteration of its own: the mean of 1, ..., n of them."""
    engine = IterationTime(1e-3, 0.0, 1e-3, 1e-4, "current", 1000, 1008)
    run = play(engine, Capacity(64, 0, 16, 1100), (1000, 100), 8, IN_STEP)
    assert run.ttft_s == pytest.approx(0.101 * 9 / 2, rel=0.03)
    assert run.wait_s < 0.102, "admitted when the first iteration ends"


def test_clients_beyond_the_slots_wait_as_littles_law_says() -> None:
    """In a closed loop of n clients and s slots a share 1 - s / n of the time is waiting."""
    engine = IterationTime(1e-2, 0.0, 1e-2, 1e-6, "current", 8192, 8192)
    run = play(engine, Capacity(8, 0, 16, 700), (100, 500), 32, Habit(20, 0.8))
    e2e_s = run.ttft_s + 450 * run.tpot_s
    assert run.wait_s / e2e_s == pytest.approx(0.75, abs=0.03)


def test_sequences_that_grow_wait_less_than_those_that_reserve() -> None:
    """KV of 10 sequences at their end, but of 20 when they start: prompts of half the tokens."""
    engine = IterationTime(1e-2, 0.0, 1e-2, 1e-6, "current", 8192, 8192)
    capacity = Capacity(64, 10 * 1024 // 16, 16, 1024)
    reserving, growing = (
        play(engine, capacity, (512, 512), 16, Habit(10, 0.8), grows) for grows in (False, True)
    )
    assert growing.wait_s < 0.5 * reserving.wait_s
    assert growing.tpot_s >= reserving.tpot_s, "preempted ones begin again"


def row(tmp_path: Path, cells: str) -> Case:
    path = tmp_path / "row.csv"
    path.write_text(HEAD + cells + "\n")
    (measured,) = read_measurements(path, read_machines()).rows
    return Case.of(measured)


def test_lengths_are_those_of_the_benchmark_that_they_tell() -> None:
    assert habit("vllm", (8192, 1024)).shortest == habit("sglang", (1024, 8192)).shortest == 0.8
    assert habit("sglang", (4096, 512)) == IN_STEP
    assert habit("sglang", (1024, 1024)) == habit("vllm", (1024, 1024))
    assert habit("vllm", (1024, 1024)).mean == pytest.approx(0.9)


def test_a_row_is_flagged_for_waiting_for_full_memory_and_for_a_long_ttft(tmp_path: Path) -> None:
    """Each of three reasons alone, and none."""
    tight = row(tmp_path, "vllm,1,Qwen/Qwen3-32B,h100_sxm,,4096,1024,64,2,1,1")
    roomy = row(tmp_path, "vllm,1,Qwen/Qwen3-32B,h100_sxm,,4096,1024,8,2,1,1")
    assert roomy.fullness == pytest.approx(tight.fullness / 8)
    assert roomy.least_kv_tokens < 0.85 * roomy.kv_tokens
    assert is_flagged(tight, Played(1.0, 0.02, 0.0), 1.0)
    assert not is_flagged(roomy, Played(1.0, 0.02, 0.0), 1.0)
    assert is_flagged(roomy, Played(3.0, 0.02, 2.0), 3.0)
    assert is_flagged(roomy, Played(2.6, 0.02, 0.1), 2.6)
    assert not is_flagged(roomy, Played(2.4, 0.02, 0.1), 2.4)


def test_reserved_outputs_fill_the_memory_sooner(tmp_path: Path) -> None:
    """TensorRT-LLM holds whole outputs, vLLM half of them on average: 1024 + 4096 tokens."""
    cells = "{},1,Qwen/Qwen3-32B,h100_sxm,bf16,1024,4096,64,2,1,1"
    reserving, growing = (row(tmp_path, cells.format(name)) for name in ("trtllm", "vllm"))
    assert reserving.fullness / growing.fullness == pytest.approx(5 / 3)


def test_every_attention_group_has_slots_of_its_own(tmp_path: Path) -> None:
    head = HEAD.strip() + ",attention_dp_size,moe_tp_size,moe_ep_size\n"
    path = tmp_path / "groups.csv"
    path.write_text(
        head + "trtllm,1,deepseek-ai/DeepSeek-R1,b200_sxm,fp4,1024,1024,256,1,1,1,8,1,8\n"
    )
    (measured,) = read_measurements(path, read_machines()).rows
    case = Case.of(measured)
    assert measured.engine.dp == 8
    assert case.capacity.slots == 8 * 1024
    found = case.iteration(np.ones(len(CAUSES)))
    assert found.token_budget == 8 * found.chunk_tokens + case.clients


def ladder(tmp_path: Path, latencies: dict[int, float], tpot_ms: float = 20) -> list[bool]:
    rows = [f"vllm,1,Qwen/Qwen3-32B,h100_sxm,,4096,1024,{c},2,{t},{tpot_ms}\n"
            for c, t in latencies.items()]  # fmt: skip
    path = tmp_path / "ladder.csv"
    path.write_text(HEAD + "".join(rows))
    return [bool(each) for each in saturated(read_measurements(path, read_machines()).rows)]


def test_a_cliff_is_saturated_and_proportional_growth_is_not(tmp_path: Path) -> None:
    cliff = {8: 749, 16: 840, 32: 979, 64: 4376, 128: 58753}
    assert ladder(tmp_path, cliff) == [False, False, False, True, True]
    assert ladder(tmp_path, {16: 838, 64: 3000, 128: 6100}) == [False] * 3


def test_a_stall_that_more_clients_do_not_feel_is_no_saturation(tmp_path: Path) -> None:
    """8 s of TTFT at 32, 64 and 128 clients: a full replica would make them wait longer."""
    assert ladder(tmp_path, {16: 590, 32: 8620, 64: 8790, 128: 7840}) == [False] * 4


@pytest.mark.slow
@pytest.mark.skipif(not MEASURED.is_file(), reason=f"the measurements {MEASURED} are not here")
def test_measured_groups_are_predicted_within_the_stated_errors() -> None:
    found = validation(read_measurements(MEASURED, read_machines()))
    overall = found.overall()
    assert len(found.rows) == 2050
    for kind, tpot, ttft in (("dense", 0.10, 0.30), ("moe", 0.25, 0.45)):
        assert (overall[kind].tpot or 1.0) <= tpot
        assert (overall[kind].ttft or 1.0) <= ttft
    assert (found.unsaturated().flagged or 0.0) <= 0.10
    assert (overall["saturated"].flagged or 0.0) >= 0.90
    assert overall["saturated"].n > 40
    told = [each for each in found.rows if each.saturated and each.row.gpu.spec.name != "gb200"]
    assert np.median([abs(each.ttft_error) for each in told]) < 0.40
