"""Small recordings made on the spot, and the real ones where they are."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def real(name: str) -> Path:
    """A real recording; the test is skipped where it is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def requests(count: int, seed: int = 0) -> list[tuple[float, int, int]]:
    """(time in seconds, prompt tokens, output tokens), ascending from 0."""
    rng = np.random.default_rng(seed)
    times = np.round(np.cumsum(rng.exponential(0.4, count)), 6)
    prompts, outputs = rng.integers(1, 900, count), rng.integers(1, 300, count)
    return [
        (float(t - times[0]), int(p), int(o))
        for t, p, o in zip(times, prompts, outputs, strict=True)
    ]


def as_csv(rows: list[Any], heading: tuple[str, ...] = ()) -> str:
    """CSV text with a heading."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heading or ("arrived_at", "num_prefill_tokens", "num_decode_tokens"))
    writer.writerows(rows)
    return text.getvalue()


def as_azure(rows: list[tuple[float, int, int]]) -> str:
    """The same requests with dates of seven decimals, as Azure publishes them."""
    dated = []
    for time, prompt, output in rows:
        whole, ticks = divmod(round(time * 1e7), 10_000_000)
        minutes, seconds = divmod(46 + whole, 60)
        dated.append(
            (f"2023-11-16 18:{15 + minutes:02d}:{seconds:02d}.{ticks:07d}", prompt, output)
        )
    return as_csv(dated, ("TIMESTAMP", "ContextTokens", "GeneratedTokens"))


def as_jsonl(rows: list[tuple[float, int, int]], start: float = 1.7e9) -> str:
    """The same requests as a semantic router logs them."""
    models, kinds = ("small", "large"), ("math", "code", "other")
    lines = [
        {
            "timestamp": start + time,
            "prompt_tokens": prompt,
            "generated_tokens": output,
            "selected_model": models[i % 2],
            "category": kinds[i % 3],
        }
        for i, (time, prompt, output) in enumerate(rows)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def as_vllm(rows: list[tuple[float, int, int]]) -> dict[str, Any]:
    """The same requests as a detailed result of `vllm bench serve`."""
    return {
        "date": "20260101-000000",
        "model_id": "m",
        "duration": rows[-1][0] + 1.0,
        "input_lens": [prompt for _, prompt, _ in rows],
        "output_lens": [output for *_, output in rows],
        "start_times": [1000.5 + time for time, *_ in rows],
        "errors": [""] * len(rows),
    }


def as_guidellm(rows: list[tuple[float, int, int]], start: str = "request_start_time") -> Any:
    """The same requests as a GuideLLM report, in the order in which they ended."""
    done = [
        {"request_id": str(i), start: 1.7e9 + time, "prompt_tokens": p, "output_tokens": o}
        for i, (time, p, o) in enumerate(rows)
    ]
    return {
        "benchmarks": [{"requests": {"successful": done[::-1], "incomplete": [], "errored": []}}]
    }
