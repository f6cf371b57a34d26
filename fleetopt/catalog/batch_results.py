"""Measured batches that start together: the CSV of Splitwise (Patel et al., arXiv:2311.18677).

A row is a batch of `batch_size` prompts of `prompt_size` tokens, prefilled in one go in
`prompt_time`, after which each output token takes `token_time`; both in milliseconds. Rows of
the same sizes are repetitions, and become one run with the mean times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fleetopt.errors import InputError

COLUMNS = ("prompt_size", "batch_size", "token_size", "prompt_time", "token_time")
_SIZES = COLUMNS[:3]
_APART = ("model", "hardware", "tensor_parallel")
"""Columns that tell deployments apart; one fit is for one of them."""
_SHORT = 0.1
"""A whole run that is shorter than its parts by more than this share made fewer tokens."""

Row = tuple[int, Mapping[str, str]]


def is_of_batches(columns: Sequence[str]) -> bool:
    """Whether a CSV with these columns is of this kind."""
    return set(COLUMNS) <= set(columns)


def runs_of(rows: Sequence[Row], path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Place and fields of each run; rows are (line, record). Raises InputError.

    Repetitions that ended before their tokens were made do not count. Where all of them did, the
    run has no output tokens, which leaves it out.
    """
    _check_one_deployment([record for _, record in rows], path)
    repeated: dict[tuple[str, ...], list[Row]] = {}
    for line, record in rows:
        repeated.setdefault(tuple(record[size] for size in _SIZES), []).append((line, record))
    for (prompt, batch, tokens), found in repeated.items():
        whole = [row for row in found if _made_every_token(row[1])]
        used = whole or found
        more = f" and {len(used) - 1} more" if len(used) > 1 else ""
        fields = {
            "prompt_tokens": prompt,
            "output_tokens": tokens if whole else "fewer than asked for",
            "clients": batch,
            "ttft_ms": _mean(used, "prompt_time"),
            "tpot_ms": _mean(used, "token_time"),
        }
        yield f"{path}, line {used[0][0]}{more}", fields


def _check_one_deployment(records: Sequence[Mapping[str, str]], path: Path) -> None:
    several = {
        key: sorted({record[key] for record in records})
        for key in _APART
        if len({record.get(key) for record in records}) > 1
    }
    if several:
        found = "; ".join(f"{key}: {', '.join(values)}" for key, values in several.items())
        hint = " ".join(f"--where {key}={values[0]}" for key, values in several.items())
        raise InputError.single(str(path), f"several deployments ({found})", hint)


def _made_every_token(record: Mapping[str, str]) -> bool:
    """Whether the whole run took as long as prompt and tokens together, where it is stated."""
    try:
        parts = float(record["prompt_time"])
        parts += float(record["token_time"]) * (float(record["token_size"]) - 1.0)
        return float(record["e2e_time"]) >= (1.0 - _SHORT) * parts
    except (KeyError, TypeError, ValueError):
        return True


def _mean(rows: Sequence[Row], column: str) -> float | str:
    """The mean, or the first value that is no number."""
    values = [record[column] for _, record in rows]
    try:
        return sum(map(float, values)) / len(values)
    except (TypeError, ValueError):
        return str(values[0])
