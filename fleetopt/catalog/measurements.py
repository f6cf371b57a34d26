"""Measured runs of serving engines: a CSV with one row for each deployment and concurrency."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fleetopt.catalog.files import SourceFile, read_text
from fleetopt.catalog.machines import Gpu, Machines
from fleetopt.errors import Fault, InputError
from fleetopt.problem import EngineConfig, LlmSpec, validate

REQUIRED = (
    "backend", "model_path", "system", "isl", "osl", "concurrency", "tp_size", "ttft_ms", "tpot_ms",
)  # fmt: skip
_BACKENDS = {
    "tensorrt-llm": "trtllm", "tensorrt_llm": "trtllm", "trt-llm": "trtllm", "sgl": "sglang",
}  # fmt: skip
"""Engines by other names that are in use."""
_QUALIFIED = "-_:@"
"""What may follow a model's name, before the names of fine-tunes and quantizations."""
_NODE_GPUS = 8
_LARGEST_BATCH, _BUDGET_TOKENS = 1024, 8192
"""Sequences and tokens of an iteration, of each attention group."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run in a closed loop.

    line: of the file. backend, version: the engine. concurrency: clients of the replica.
    ttft_s, tpot_s: means over the run, in seconds.
    """

    line: int
    backend: str
    version: str
    gpu: Gpu
    llm: LlmSpec
    engine: EngineConfig
    prompt_tokens: int
    output_tokens: int
    concurrency: float
    ttft_s: float
    tpot_s: float

    @property
    def kind(self) -> str:
        """Whether the model has experts: 'moe' or 'dense'."""
        return "moe" if self.llm.experts else "dense"

    @property
    def group(self) -> str:
        """GPU, engine and model, such as 'h100 vllm qwen3-32b'."""
        return f"{self.gpu.spec.name} {self.backend} {self.llm.name}"

    @property
    def configuration(self) -> tuple[object, ...]:
        """Everything but the concurrency and the result."""
        ways = (self.engine.tp, self.engine.dp, self.engine.ep, self.engine.weights)
        return (self.group, self.version, *ways, self.prompt_tokens, self.output_tokens)

    @property
    def e2e_s(self) -> float:
        """Mean seconds of a request."""
        return self.ttft_s + self.output_tokens * self.tpot_s


@dataclass(frozen=True, slots=True)
class Measurements:
    """Usable rows of a file, and the lines that were left out with the reason."""

    rows: tuple[Measurement, ...]
    left_out: tuple[Fault, ...]
    source: SourceFile


def read_measurements(path: Path, machines: Machines) -> Measurements:
    """The rows of a CSV. Raises InputError for missing columns or if no row is usable.

    Rows without usable latencies, with unknown names or with deployments that do not exist are
    left out, each with its line number.
    """
    text, source = read_text(path)
    reader = csv.DictReader(io.StringIO(text))
    missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
    if missing:
        hint = "a row is one run: engine, model, GPU, lengths, clients and mean latencies"
        raise InputError.single(str(path), f"expected columns {', '.join(missing)}", hint)
    rows: list[Measurement] = []
    left_out: list[Fault] = []
    for record in reader:
        place = f"{path}, line {reader.line_num}"
        try:
            rows.append(_measurement(record, reader.line_num, machines))
        except InputError as error:
            left_out += [Fault(f"{place}, {f.place}", f.expected) for f in error.faults[:1]]
    if not rows:
        raise InputError(left_out[:10] or [Fault(str(path), "no row is in it")])
    return Measurements(tuple(rows), tuple(left_out), source)


def _measurement(record: Mapping[str, str | None], line: int, machines: Machines) -> Measurement:
    llm = machines.llm(_model(record["model_path"] or "", machines), "model_path")
    gpu = machines.gpu((record["system"] or "").lower().removesuffix("_sxm"), "system")
    backend = (record["backend"] or "").lower()
    backend = _BACKENDS.get(backend, backend)
    concurrency = _positive(record, "concurrency")
    prompt, output = int(_positive(record, "isl")), int(_positive(record, "osl"))
    ttft_s, tpot_s = _positive(record, "ttft_ms") / 1e3, _positive(record, "tpot_ms") / 1e3
    ways, clients = _deployed(record, llm, concurrency)
    weights = _weights(record, llm)
    engine = validate(EngineConfig, {
        **ways, "weights": weights, "kv": _kv(backend, weights, gpu),
        "max_num_seqs": ways.get("dp", 1) * _LARGEST_BATCH,
        "token_budget": ways.get("dp", 1) * _BUDGET_TOKENS,
        "mean_context_tokens": prompt + output // 2,
    }, "")  # fmt: skip
    version = record.get("backend_version") or ""
    return Measurement(
        line, backend, version, gpu, llm, engine, prompt, output, clients, ttft_s, tpot_s
    )


def _model(path: str, machines: Machines) -> str:
    """The longest known name that the path's last part begins with; that part if there is none."""
    name = path.rsplit("/", 1)[-1].lower()
    fitting = [
        known
        for known in (*machines.llms, *machines.aliases)
        if name == known or name.startswith(tuple(known + mark for mark in _QUALIFIED))
    ]
    return max(fitting, key=len, default=name)


def _deployed(
    record: Mapping[str, str | None], llm: LlmSpec, concurrency: float
) -> tuple[dict[str, int], float]:
    """Parallelism and the clients of one replica.

    Where attention runs in groups, such files count the clients of one group; where experts are
    spread, they count some GPUs twice: `tp_size` or `attention_dp_size` is then the product.
    Beyond a node attention runs in as many groups as a power of two allows, with the clients
    that they would have.
    """
    keys = ("tp_size", "moe_tp_size", "moe_ep_size", "attention_dp_size")
    tp, moe_tp, ep, groups = (_whole(record.get(key)) for key in keys)
    if not llm.experts:
        return {"tp": tp}, concurrency
    clients = concurrency * groups
    gpus = moe_tp if moe_tp == ep and moe_tp > 1 else moe_tp * ep
    if groups > 1 and tp > 1:
        gpus = tp
    if gpus > _NODE_GPUS:
        power = 1 << (gpus.bit_length() - 1)
        return {"dp": power, "ep": power}, clients * power / gpus
    apart = (groups > 1 and tp == 1) or (not record.get("attention_dp_size") and tp < gpus)
    spread = gpus if ep > 1 else 1
    dp = gpus // tp if apart else 1
    return {"tp": gpus // dp, "dp": dp, "ep": spread}, clients


def _weights(record: Mapping[str, str | None], llm: LlmSpec) -> str:
    """Format of the weights; gpt-oss has FP4 experts in every release."""
    return "fp4" if llm.name.startswith("gpt-oss") else record.get("precision") or "bf16"


def _kv(backend: str, weights: str, gpu: Gpu) -> str:
    """FP8 where weights are narrow and the engine or the GPU has it as its usual choice."""
    usual = backend == "trtllm" or gpu.spec.fp4_tflops > 0
    return "fp8" if weights != "bf16" and usual else "bf16"


def _whole(text: str | None) -> int:
    """A degree of parallelism; 1 where it is 0 or not stated."""
    try:
        return max(1, int(float(text or 1)))
    except (ValueError, OverflowError):
        return 1


def _positive(record: Mapping[str, str | None], key: str) -> float:
    try:
        value = float(record[key] or "")
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise InputError.single(key, f"expected a number above 0, got {record[key]!r}")
    return value
