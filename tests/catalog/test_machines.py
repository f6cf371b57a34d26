"""The catalogues of GPUs and language models: complete, sourced, extensible."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleetopt.catalog import read_llm, read_machines
from fleetopt.catalog.folders import data_folder
from fleetopt.errors import InputError
from fleetopt.performance.roofline import RooflineProfile
from fleetopt.problem import EngineConfig

FIGURES = Path(__file__).resolve().parents[3] / "shared" / "reference" / "hardware.json"
MACHINES = read_machines()

GPU = {
    "name": "mi300x", "memory_gib": 191.9, "memory_gb_per_s": 5300, "bf16_tflops": 1307,
    "fp8_tflops": 2615, "link": "xgmi", "network": "ndr400", "tdp_w": 750, "source": "mine",
}  # fmt: skip
LINK = {"name": "xgmi", "gb_per_s": 448, "latency_s": 1e-5, "source": "mine"}


def written(folder: Path, **entries: object) -> str:
    path = folder / "mine.json"
    path.write_text(json.dumps({"schema": "fleetopt.catalogue/1", **entries}))
    return str(path)


def fault_of(function: object, *arguments: object) -> str:
    with pytest.raises(InputError) as caught:
        function(*arguments)  # type: ignore[operator]
    return str(caught.value)


def test_the_catalogues_hold_what_the_manual_promises() -> None:
    assert list(MACHINES.gpus) == [
        "a100", "h100", "h200", "b200", "b300", "gb200", "gb300", "l40s", "a10g", "l4",
    ]  # fmt: skip
    assert len(MACHINES.llms) == 40
    assert [source.path.name for source in MACHINES.sources] == [
        "gpus.json", "llms.json", "prices.json",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["gpus.json", "llms.json", "prices.json"])
def test_every_entry_names_its_source_and_every_price_its_day(name: str) -> None:
    data = json.loads((data_folder() / name).read_text())
    for kind in set(data) - {"schema", "aliases"}:
        for entry in data[kind]:
            assert len(entry["source"]) > 10
            assert kind != "prices" or entry["date"] >= "2026"


def test_every_gpu_has_a_price_and_links_that_are_known() -> None:
    for gpu in MACHINES.gpus.values():
        assert gpu.price is not None
        assert gpu.link.gb_per_s >= gpu.network.gb_per_s
        assert gpu.spec.fp8_tflops in (0.0, pytest.approx(2 * gpu.spec.bf16_tflops, rel=0.02))


def test_figures_of_the_reference() -> None:
    """Rates, bandwidths and prices as stated there; memory as the driver reports it."""
    if not FIGURES.is_file():
        pytest.skip(f"the reference figures are not at {FIGURES}")
    by_hardware = {gpu.spec.hardware.split("-")[0]: gpu for gpu in MACHINES.gpus.values()}
    for stated in json.loads(FIGURES.read_text())["gpus"]:
        gpu = by_hardware[stated["name"].split("-")[0]]
        assert gpu.spec.memory_gb_per_s == stated["memory_bandwidth_gbps"]
        assert gpu.spec.bf16_tflops == stated["fp16_tflops"]
        assert gpu.spec.fp8_tflops == stated["fp8_tflops"]
        assert gpu.spec.tdp_w == stated["tdp_w"]
        assert gpu.link.gb_per_s == stated["nvlink_gbps"]
        assert gpu.usd_per_hour == stated["usd_per_hour"]
        assert 0.93 * stated["memory_gib"] < gpu.spec.memory_gib <= 1.003 * stated["memory_gib"]


def test_a_file_of_the_users_own_extends_the_catalogue(tmp_path: Path) -> None:
    machines = read_machines(written(tmp_path, gpus=[GPU], links=[LINK]))
    assert machines.gpus["mi300x"].price is None
    made = RooflineProfile.of(machines.llms["qwen3-8b"], machines.gpus["mi300x"], EngineConfig())
    assert made.usd_per_hour == 0.0
    assert len(machines.gpus) == len(MACHINES.gpus) + 1


def test_a_file_of_the_users_own_replaces_a_price(tmp_path: Path) -> None:
    price = {"gpu": "h100", "usd_per_hour": 1.5, "date": "2026-01-31", "source": "my contract"}
    machines = read_machines(written(tmp_path, prices=[price]))
    assert machines.gpus["h100"].usd_per_hour == 1.5
    assert machines.gpus["h100"].spec == MACHINES.gpus["h100"].spec
    assert machines.gpus["a100"].usd_per_hour == MACHINES.gpus["a100"].usd_per_hour


def test_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    broken = {**GPU, "memory_gib": 0, "tdp": 5}
    path = written(tmp_path, gpus=[broken], llms=[{"name": "x", "source": "mine", "layers": 2}])
    lines = fault_of(read_machines, path).splitlines()
    assert f"{path}, gpus[0].memory_gib: must be greater than 0, got 0" in lines
    assert f"{path}, gpus[0].tdp: unknown key 'tdp' (did you mean 'tdp_w'?)" in lines
    assert f"{path}, llms[0].hidden: this key is required" in lines


def test_a_gpu_needs_links_that_are_known(tmp_path: Path) -> None:
    message = fault_of(read_machines, written(tmp_path, gpus=[{**GPU, "link": "nvlink"}]))
    assert message.startswith("GPU 'mi300x', link: unknown link 'nvlink' (did you mean 'nvlink")


def test_a_price_needs_a_gpu_that_is_known(tmp_path: Path) -> None:
    price = {"gpu": "h1000", "usd_per_hour": 1.5, "date": "2026-01-31", "source": "mine"}
    message = fault_of(read_machines, written(tmp_path, prices=[price]))
    assert message == "prices: unknown GPU 'h1000' (did you mean 'h100'?)"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"kv_heads": 3}, "kv_heads: must divide heads = 32, got 3"),
        ({"kv_heads": 0}, "kv_heads: this key is required for such a model, and above 0"),
        ({"intermediate": 0}, "intermediate: this key is required for such a model"),
        ({"experts": 8}, "experts_per_token: this key is required for such a model"),
        ({"attention": "mla"}, "kv_lora_rank: this key is required for such a model"),
        ({"sliding_layers": 40}, "sliding_layers: must be at most layers = 32, got 40"),
        ({"sliding_window": 10}, "sliding_window: goes together with sliding_layers"),
    ],
)
def test_models_that_are_none(change: dict[str, object], expected: str, tmp_path: Path) -> None:
    stated = MACHINES.llms["llama-3.1-8b"].model_dump() | change
    assert expected in fault_of(read_machines, written(tmp_path, llms=[stated]))


def test_a_catalogue_with_one_model_can_be_named_as_the_model(tmp_path: Path) -> None:
    stated = MACHINES.llms["llama-3.1-8b"].model_dump() | {"name": "mine"}
    assert read_llm(written(tmp_path, llms=[stated]), MACHINES).name == "mine"
    message = fault_of(read_llm, written(tmp_path), MACHINES)
    assert "expected a catalogue with one model, this has 0" in message


def test_names_that_are_not_known() -> None:
    assert "unknown model 'llama-70b' (did you mean" in fault_of(read_llm, "llama-70b", MACHINES)
    assert "no such file" in fault_of(read_llm, "nowhere.json", MACHINES)
    assert "gpu: unknown GPU 'h101' (did you mean" in fault_of(MACHINES.gpu, "h101", "gpu")


def test_other_names_lead_to_the_model(tmp_path: Path) -> None:
    """Bundled ones and the user's own; a name that leads nowhere is refused."""
    assert MACHINES.llm("llama-3.3-70b", "model") is MACHINES.llms["llama-3.1-70b"]
    assert not set(MACHINES.aliases) & set(MACHINES.llms)
    mine = read_machines(written(tmp_path, aliases={"house-70b": "llama-3.1-70b"}))
    assert mine.llm("house-70b", "model").name == "llama-3.1-70b"
    lost = written(tmp_path, aliases={"house-70b": "llama-3.1-7b"})
    text = fault_of(read_machines, lost)
    assert "aliases, house-70b: unknown model 'llama-3.1-7b'" in text
    assert "did you mean" in text
