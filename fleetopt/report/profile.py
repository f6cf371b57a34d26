"""How a profile comes about, as text, JSON and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fleetopt.performance.deployment import kv_bytes_per_token
from fleetopt.performance.memory import GIB, Memory
from fleetopt.performance.parameters import active_parameters, total_parameters
from fleetopt.performance.roofline import UNCALIBRATED, RooflineProfile, Step
from fleetopt.problem import CATALOGUE_SCHEMA, LlmSpec
from fleetopt.questions.profiles import Derivation
from fleetopt.report import wording
from fleetopt.report.console import columns, line, section
from fleetopt.report.layout import Group, Table

SCHEMA = "fleetopt.profile/1"


def derivation_report(found: Derivation, width: int) -> Group:
    """The derivation as readable text."""
    profile = found.profile
    engine = profile.deployment.engine
    context = engine.mean_context_tokens
    decode = f"Decode iteration, {found.batch} sequences of {context:,} tokens"
    prefill = f"Prefill iteration, {engine.token_budget:,} prompt tokens"
    return Group(
        line(_headline(profile), width, "bold"),
        *(line(text, width) for text in _facts(profile)),
        section("Memory of a GPU (GiB)", _memory_table(profile.memory)),
        section(decode, _step_table(found.decode)),
        section(prefill, _step_table(found.prefill)),
        section("Iteration time: max(W + h C, F0 + F1 P)", *_laws(profile, width)),
        section("Largest concurrency", _slots_table(found)),
        section(
            "Sources",
            line(f"GPU: {profile.deployment.gpu.spec.source}", width),
            line(f"model: {profile.deployment.llm.source}", width),
            line(f"constants: {profile.reached.source}", width),
        ),
        section("How far to trust it", *(line(text, width) for text in found.caveats)),
    )


def derivation_to_dict(found: Derivation) -> dict[str, Any]:
    """The JSON form."""
    profile = found.profile
    deployment, held = profile.deployment, profile.memory
    iteration = profile.iteration
    return {
        "schema": SCHEMA,
        "name": profile.name,
        "model": deployment.llm.name,
        "gpu": profile.gpu,
        "gpus_per_replica": profile.gpus_per_replica,
        "usd_per_hour": profile.usd_per_hour,
        "engine": deployment.engine.model_dump() | {"compute": deployment.compute},
        "parameters": total_parameters(deployment.llm),
        "active_parameters": active_parameters(deployment.llm),
        "kv_bytes_per_token": kv_bytes_per_token(deployment.llm, deployment.engine.kv),
        "memory_gib": {key: value / GIB for key, value in _memory_rows(held)},
        "kv_tokens": profile.kv_tokens,
        "slots": [{"context_tokens": c, "slots": n} for c, n in found.slots],
        "iteration": {
            key: getattr(iteration, key) for key in ("base_s", "per_context_token_s",
            "prefill_base_s", "prefill_per_token_s", "first_token_s", "context", "chunk_tokens",
            "token_budget")
        },
        "decode_departure": profile.fitted.decode_departure,
        "prefill_departure": profile.fitted.prefill_departure,
        "steps": step_rows(found),
        "caveats": list(found.caveats),
        "sources": {
            "gpu": deployment.gpu.spec.source,
            "model": deployment.llm.source,
            "constants": profile.reached.source,
        },
    }  # fmt: skip


def step_rows(found: Derivation) -> list[dict[str, Any]]:
    """One row for each step of both iterations."""
    return [
        {
            "iteration": kind,
            "step": step.name,
            "times": step.times,
            "flops": step.flops,
            "bytes": step.bytes,
            "intensity": step.intensity,
            "total_ms": 1e3 * step.total_s,
            "bound": step.bound,
        }
        for kind, done in (("decode", found.decode), ("prefill", found.prefill))
        for step in done
    ]


def llm_catalogue(llm: LlmSpec) -> dict[str, Any]:
    """A catalogue of one model."""
    return {"schema": CATALOGUE_SCHEMA, "llms": [llm.model_dump(exclude_defaults=True)]}


def imported_line(llm: LlmSpec) -> str:
    """What was imported, in a line."""
    return (
        f"{llm.name}: {_billions(total_parameters(llm))} parameters, "
        f"{_billions(active_parameters(llm))} for each token, "
        f"{kv_bytes_per_token(llm, 'bf16'):,.0f} bytes of KV for each token in bf16"
    )


def _headline(profile: RooflineProfile) -> str:
    gpus = profile.gpus_per_replica
    return f"{profile.serves} on {gpus} x {profile.deployment.gpu.spec.hardware or profile.gpu}"


def _facts(profile: RooflineProfile) -> list[str]:
    deployment = profile.deployment
    llm, engine = deployment.llm, deployment.engine
    price = f"{profile.usd_per_hour:.2f} $/h" if deployment.gpu.price else "price not known"
    raw = profile.reached == UNCALIBRATED
    constants = "no constant is calibrated" if raw else "with calibrated constants"
    ways = ", ".join(f"{key} {getattr(engine, key)}" for key in ("tp", "pp", "dp", "ep"))
    return [
        f"{_billions(total_parameters(llm))} parameters, {_billions(active_parameters(llm))} for "
        f"each token; {kv_bytes_per_token(llm, engine.kv):,.0f} bytes of KV for each token",
        f"{ways}; weights {engine.weights}, KV {engine.kv}, products {deployment.compute}; {price}",
        f"computed and not measured: {constants}",
    ]  # fmt: skip


def _memory_rows(held: Memory) -> list[tuple[str, float]]:
    return [
        ("available", held.available),
        ("weights", held.weights),
        ("activations", held.activations),
        ("engine", held.engine),
        ("kv", held.kv),
    ]


def _memory_table(held: Memory) -> Table:
    table = columns("", "GiB")
    words = {"available": "the engine may use", "engine": "the engine itself", "kv": "left for KV"}
    for key, value in _memory_rows(held):
        table.add_row(words.get(key, key), f"{value / GIB:.1f}")
    return table


def _step_table(done: Sequence[Step]) -> Table:
    table = columns("step", "binds", "times", "GFLOP", "MB", "FLOP/B", "ms", left=2)
    for step in done:
        table.add_row(
            step.name, step.bound, f"{step.times:,.0f}", _number(step.flops / 1e9),
            _number(step.bytes / 1e6), _number(step.intensity), f"{1e3 * step.total_s:.2f}",
        )  # fmt: skip
    table.add_row("together", "", "", "", "", "", f"{1e3 * sum(s.total_s for s in done):.2f}")
    return table


def _laws(profile: RooflineProfile, width: int) -> list[Any]:
    time, fitted = profile.iteration, profile.fitted
    first, last = int(fitted.decodes[0][0]), int(fitted.decodes[-1][0])
    return [
        line(f"W  {1e3 * time.base_s:.3f} ms", width),
        line(f"h  {1e9 * time.per_context_token_s:.3f} ns for each context token", width),
        line(f"F0 {1e3 * time.prefill_base_s:.3f} ms", width),
        line(f"F1 {1e6 * time.prefill_per_token_s:.3f} us for each prompt token", width),
        line(
            f"Clients wait {1e3 * time.first_token_s:.0f} ms longer for a first token: outside of "
            f"the engine, and until it takes a prompt.",
            width,
            indent=0,
        ),
        line(
            f"The steps are at most {wording.share(fitted.decode_departure)} from W + h C for "
            f"{first} to {last} sequences, and {wording.share(fitted.prefill_departure)} from "
            f"F0 + F1 P for a quarter to the whole of the token budget.",
            width,
            indent=0,
        ),
    ]


def _slots_table(found: Derivation) -> Table:
    table = columns("tokens of each sequence", "sequences", left=0)
    for context, slots in found.slots:
        table.add_row(f"{context:,}", f"{slots:,}")
    return table


def _billions(count: int) -> str:
    return f"{count / 1e9:,.1f} B"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value else ""
