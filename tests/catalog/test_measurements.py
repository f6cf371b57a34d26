"""Files of measured runs: what is read, what is counted as useless, what is refused."""

from pathlib import Path

import pytest

from fleetopt.catalog import read_machines
from fleetopt.catalog.benchmark_results import read_results
from fleetopt.catalog.measurements import Measurements, read_measurements
from fleetopt.errors import InputError

HEAD = (
    "backend,backend_version,model_path,system,precision,isl,osl,concurrency,tp_size,"
    "attention_dp_size,moe_tp_size,moe_ep_size,ttft_ms,tpot_ms\n"
)
LLAMA = "meta-llama/Llama-3.1-70B"
DENSE = "vllm,1,meta-llama/Llama-3.1-70B,h100_sxm,fp8,1024,512,{c},4,1,1,1,{ttft},12.0\n"


def read(tmp_path: Path, text: str) -> Measurements:
    path = tmp_path / "runs.csv"
    path.write_text(text)
    return read_measurements(path, read_machines())


def experts(tmp_path: Path, ways: str, clients: int) -> tuple[int, int, int, float]:
    """GPUs by tensor, data and expert parallelism, and clients of the replica."""
    text = f"trtllm,1,deepseek-ai/DeepSeek-R1,b200_sxm,fp4,1024,512,{clients},{ways},100,9\n"
    (row,) = read(tmp_path, HEAD + text).rows
    return row.engine.tp, row.engine.dp, row.engine.ep, row.concurrency


def test_a_row_names_its_parts(tmp_path: Path) -> None:
    (row,) = read(tmp_path, HEAD + DENSE.format(c=8, ttft=80)).rows
    assert row.group == "h100 vllm llama-3.1-70b"
    assert (row.engine.tp, row.engine.weights, row.engine.kv) == (4, "fp8", "bf16")
    assert (row.ttft_s, row.tpot_s, row.concurrency) == (0.08, 0.012, 8.0)
    assert row.e2e_s == pytest.approx(0.08 + 512 * 0.012)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "llama-3.1-8b"),
        ("nvidia/Llama-3.3-70B-Instruct-FP8", "llama-3.1-70b"),
        ("deepseek-ai/DeepSeek-R1-0528", "deepseek-v3"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "llama-3.1-70b"),
        ("Qwen/Qwen2.5-72B-Instruct", "qwen2.5-72b"),
        ("moonshotai/Kimi-K2.5", "kimi-k2.5"),
        ("openai/gpt-oss-20b", "gpt-oss-20b"),
    ],
)
def test_a_model_is_the_longest_name_that_fits(tmp_path: Path, path: str, name: str) -> None:
    """Names of fine-tunes and quantizations; a distilled model is not the one that taught it."""
    (row,) = read(tmp_path, HEAD + DENSE.format(c=8, ttft=80).replace(LLAMA, path)).rows
    assert row.llm.name == name


def test_a_name_that_only_begins_alike_is_another_model(tmp_path: Path) -> None:
    other = DENSE.format(c=8, ttft=80).replace(LLAMA, "mistralai/Mistral-7B2")
    found = read(tmp_path, HEAD + DENSE.format(c=8, ttft=80) + other)
    assert len(found.rows) == 1
    assert "unknown model 'mistral-7b2'" in str(found.left_out[0])


@pytest.mark.parametrize("name", ["tensorrt-llm", "TRT-LLM", "TensorRT_LLM"])
def test_engines_have_one_name(tmp_path: Path, name: str) -> None:
    (row,) = read(tmp_path, HEAD + DENSE.format(c=8, ttft=80).replace("vllm", name)).rows
    assert row.backend == "trtllm"


def test_useless_latencies_are_counted_with_their_lines(tmp_path: Path) -> None:
    rows = [DENSE.format(c=8, ttft=ttft) for ttft in ("80", "0", "", "nan", "-3")]
    found = read(tmp_path, HEAD + "".join(rows) + DENSE.format(c=8, ttft=1).replace("h100", "h1"))
    assert len(found.rows) == 1
    lines = [fault.place.split("line ")[1].split(",")[0] for fault in found.left_out]
    assert lines == ["3", "4", "5", "6", "7"]
    assert "unknown GPU 'h1'" in str(found.left_out[-1])


def test_missing_columns_and_empty_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected columns backend, model_path"):
        read(tmp_path, "a,b\n1,2\n")
    with pytest.raises(InputError, match="ttft_ms"):
        read(tmp_path, HEAD + DENSE.format(c=8, ttft=0))


def test_counted_twice_means_the_same_replica(tmp_path: Path) -> None:
    """tp, attention groups, tensor and expert ways of the experts, as files state them."""
    assert experts(tmp_path, "8,1,8,1", 64) == (8, 1, 1, 64)
    assert experts(tmp_path, "64,1,8,8", 64) == (8, 1, 8, 64)
    assert experts(tmp_path, "1,8,1,8", 16) == (1, 8, 8, 128)
    assert experts(tmp_path, "1,64,8,8", 2) == experts(tmp_path, "1,8,1,8", 16)
    assert experts(tmp_path, "36,1,36,1", 72) == (1, 32, 32, 64)


VLLM = """{"max_concurrency": 8, "completed": 100, "total_input_tokens": 102400,
 "total_output_tokens": 25600, "mean_ttft_ms": 90.0, "mean_tpot_ms": 11.0}"""
GUIDELLM = """{"benchmarks": [{"metrics": {
 "prompt_token_count": {"successful": {"mean": 1024}},
 "output_token_count": {"successful": {"mean": 256}},
 "request_concurrency": {"successful": {"mean": 8}},
 "time_to_first_token_ms": {"successful": {"mean": 90}},
 "inter_token_latency_ms": {"successful": {"mean": 11}}}},
 {"metrics": {}}]}"""
AIPERF = """{"time_to_first_token": {"unit": "ms", "avg": 90}, "inter_token_latency": {"avg": 11},
 "input_sequence_length": {"avg": 1024}, "output_sequence_length": {"avg": 256},
 "input_config": {"loadgen": {"concurrency": 8}}}"""
CSV = "clients,prompt_tokens,output_tokens,ttft_ms,tpot_ms\n8,1024,256,90,11\n8,1024,256,0,11\n"


@pytest.mark.parametrize(
    ("text", "useless"), [(VLLM, 0), (GUIDELLM, 1), (AIPERF, 0), (CSV, 1)],
    ids=["vllm", "guidellm", "aiperf", "csv"],
)  # fmt: skip
def test_results_of_every_kind_say_the_same(tmp_path: Path, text: str, useless: int) -> None:
    path = tmp_path / "result"
    path.write_text(text)
    found = read_results(str(path))
    (run,) = found.runs
    values = (run.prompt_tokens, run.output_tokens, run.clients, run.ttft_ms, run.tpot_ms)
    assert values == (1024.0, 256.0, 8.0, 90.0, 11.0)
    assert len(found.left_out) == useless
    if text == CSV:
        assert "line 3" in found.left_out[0].place


def test_other_files_are_no_results(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"a": 1}')
    with pytest.raises(InputError, match="no benchmark result of a known kind"):
        read_results(str(path))
    path.write_text("a,b\n1,2\n")
    with pytest.raises(
        InputError, match="expected columns prompt_tokens, output_tokens, clients, ttft_ms"
    ):
        read_results(str(path))
