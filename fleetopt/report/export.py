"""Answers as JSON and CSV, and files that are written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetopt.errors import InputError

if TYPE_CHECKING:
    from fleetopt.plan import Plan, Pool, PoolPrediction, PoolVerification

_NUMBERS = re.compile(r"\[\n\s*([-+.\deE]+(?:,\n\s*[-+.\deE]+){1,2})\n\s*\]")
"""Two or three numbers that fill a list; a line break never stands inside a JSON string."""


def to_json(data: Any) -> str:
    """JSON text of plain data, pairs and triples of numbers on one line.

    Infinite and undefined numbers become null.
    """
    text = json.dumps(_finite(data), indent=2, ensure_ascii=False, allow_nan=False)
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def to_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV text of rows with the same keys, these as the header; None is an empty cell."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows([{key: _cell(value) for key, value in row.items()} for row in rows])
    return text.getvalue()


def plan_rows(plan: Plan) -> list[dict[str, Any]]:
    """One flat row for each pool: the pool, its prediction and its verification."""
    pools = plan.verification.pools if plan.verification else (None,) * len(plan.fleet.pools)
    rows = zip(plan.fleet.pools, plan.prediction.pools, pools, strict=True)
    return [_pool_row(*row) for row in rows]


def check_writable(path: str) -> None:
    """Raise InputError unless a file can be written at `path`; leaves nothing behind."""
    if path == "-":
        return
    target = Path(os.path.realpath(path))
    try:
        if not path or target.is_dir():
            raise InputError.single(repr(path), "expected a file, this is a directory")
        if _is_regular_or_absent(target):
            _check_replaceable(target)
    except OSError as error:
        raise InputError.single(path, f"cannot be written: {error.strerror}") from None


def write_whole(path: str, content: str | bytes) -> None:
    """Write a file whole or not at all. Raises InputError if it cannot be written."""
    target = Path(os.path.realpath(path))
    written = content.encode("utf-8") if isinstance(content, str) else content
    try:
        if _is_regular_or_absent(target):
            _replace(target, written)
        else:
            target.write_bytes(written)
    except OSError as error:
        raise InputError.single(path, f"cannot be written: {error.strerror}") from None


def _pool_row(
    pool: Pool, predicted: PoolPrediction, verified: PoolVerification | None
) -> dict[str, Any]:
    row: dict[str, Any] = {**vars(pool)}
    row |= {key: value for key, value in vars(predicted).items() if key != "bounds"}
    row["verdict"] = verified.verdict if verified else None
    for key in ("p99_ttft_ms", "p99_tpot_ms", "p99_e2e_ms", "slo_attainment"):
        interval = getattr(verified, key) if verified else None
        for end, name in (("estimate", ""), ("low", "_low"), ("high", "_high")):
            row[f"simulated_{key}{name}"] = getattr(interval, end, None)
    for key in ("arrivals", "completed", "rejected", "unfinished", "backlog_per_s"):
        row[key] = getattr(verified, key) if verified else None
    return row


def _cell(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _finite(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return _cell(data)


def _is_regular_or_absent(target: Path) -> bool:
    try:
        return stat.S_ISREG(target.stat().st_mode)
    except FileNotFoundError:
        return True


def _check_replaceable(target: Path) -> None:
    if not target.parent.exists():
        raise FileNotFoundError(None, f"there is no folder {target.parent}")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(None, "the file is read-only")
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".fleetopt-"):
        pass


def _replace(target: Path, content: bytes) -> None:
    """Write a file beside the target and move it over the target."""
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".fleetopt-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), _mode_for(target))
        os.replace(temporary, target)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def _mode_for(target: Path) -> int:
    """The permissions of the file that is replaced, or those of a new file."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
