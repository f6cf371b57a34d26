"""What happened in a simulation: each request, pools over time, and phases by replica."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fleetopt.errors import Fault, InputError
from fleetopt.questions.fleets import Simulation
from fleetopt.simulation.fleet import FleetOutcome
from fleetopt.simulation.fleet_iterations import first_iterations
from fleetopt.simulation.fleet_records import Status
from fleetopt.simulation.fleet_run import counted, latencies_s

_SUFFIXES = {
    "--records": (".csv", ".parquet"),
    "--series": (".csv",),
    "--chrome-trace": (".json",),
}
MOST_TRACED = 50_000
"""Requests beyond which a Chrome trace is too large to be opened."""


def record_faults(option: str, path: str) -> list[Fault]:
    """What is wrong with a file's name, or missing to write it."""
    suffixes = _SUFFIXES.get(option)
    if suffixes is None or path == "-":
        return []
    if not path.lower().endswith(suffixes):
        return [Fault(option, f"expected a name that ends in {' or '.join(suffixes)}")]
    if path.lower().endswith(".parquet"):
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError:
            return [
                Fault(
                    option,
                    "Parquet needs pyarrow",
                    "pip install 'fleetopt[parquet]', or a .csv file",
                )
            ]
    return []


def records(outcome: FleetOutcome) -> dict[str, np.ndarray]:
    """Columns of the requests in the order of their arrival; NaN and empty where nothing was.

    Times are seconds from the start. status is what became of a request, replica counts in
    its pool, measured tells whether the request is part of the answer.
    """
    traffic = outcome.traffic
    arrival_s, pool = outcome.arrival_s, outcome.column("pool")
    names = [spec.name for spec in outcome.fleet.pools]
    prompts = traffic.prompt_tokens
    if outcome.routing.prompt_tokens is not None:
        prompts = outcome.routing.prompt_tokens
    columns: dict[str, np.ndarray] = {
        "request": np.arange(len(traffic)),
        "arrival_s": arrival_s,
        "measured": counted(outcome),
        "pool": _named(pool, names),
        "replica": _within_pool(outcome),
        "prompt_tokens": prompts,
        "output_tokens": traffic.output_tokens,
        "status": np.array([status.name.lower() for status in Status])[outcome.column("status")],
    }
    for name in ("admitted_s", "prefill_end_s", "end_s", "served_tokens", "hit_tokens",
                 "preemptions", "restarts"):  # fmt: skip
        columns[name] = outcome.column(name)
    if outcome.setting.links:
        columns["prefill_pool"] = _named(outcome.column("entered"), names)
        columns["landed_s"] = outcome.column("landed_s")
    for metric, values in latencies_s(outcome).items():
        columns[f"{metric}_s"] = values
    if outcome.loop.is_beside:
        columns["client"] = outcome.column("client") == 1
    for kind in ("model", "category"):
        codes = getattr(traffic, kind)
        if codes is not None:
            columns[kind] = _named(codes, getattr(traffic, f"{kind}_names"))
    return columns


def records_file(outcome: FleetOutcome, path: str) -> bytes | str:
    """The requests as CSV or Parquet, by the file's name."""
    columns = records(outcome)
    if path.lower().endswith(".parquet"):
        import pyarrow
        import pyarrow.parquet

        sink = pyarrow.BufferOutputStream()
        pyarrow.parquet.write_table(pyarrow.table(columns), sink)
        return bytes(sink.getvalue().to_pybytes())
    return _csv(columns)


def series_file(simulation: Simulation) -> str:
    """Waiting and running requests and replicas up, by replication, pool and time, as CSV."""
    parts: list[dict[str, np.ndarray]] = []
    for i, run in enumerate(simulation.runs, 1):
        for name, pool in run.pools.items():
            size = run.checkpoint_s.size
            parts.append({
                "replication": np.full(size, i), "pool": np.full(size, name),
                "time_s": run.checkpoint_s, "waiting": pool.waiting, "running": pool.active,
                "replicas_up": pool.replicas_up,
            })  # fmt: skip
    return _csv({key: np.concatenate([part[key] for part in parts]) for key in parts[0]})


def chrome_trace(outcome: FleetOutcome) -> str:
    """Waits, prefills and decodes of every request as a Chrome trace: a process for each pool,
    a thread for each replica, nested asynchronous events for each request, and slices for the
    iterations of the first requests, with batch and prefill.

    Raises InputError for a run that is too long to be looked at.
    """
    served = ~np.isnan(outcome.column("end_s"))
    if np.count_nonzero(served) > MOST_TRACED:
        text = f"{np.count_nonzero(served):,} requests are more than {MOST_TRACED:,}"
        raise InputError.single("--chrome-trace", text, "simulate less: --n-req")
    events = [*_places(outcome), *_phases(outcome, np.flatnonzero(served)), *_slices(outcome)]
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}) + "\n"


def _places(outcome: FleetOutcome) -> Iterator[dict[str, Any]]:
    for p, pool in enumerate(outcome.fleet.pools):
        yield {"ph": "M", "name": "process_name", "pid": p, "args": {"name": pool.name}}
        for r in range(pool.replicas):
            name = {"name": f"replica {r}"}
            yield {"ph": "M", "name": "thread_name", "pid": p, "tid": r, "args": name}


def _phases(
    outcome: FleetOutcome, requests: Sequence[int] | np.ndarray
) -> Iterator[dict[str, Any]]:
    pool, replica = outcome.column("pool"), _within_pool(outcome)
    landed_s = outcome.column("prefill_end_s")
    if outcome.setting.links:
        landed_s = np.where(pool == outcome.column("entered"), landed_s, outcome.column("landed_s"))
    times = [outcome.arrival_s, *(outcome.column(name) for name in
             ("admitted_s", "prefill_end_s")), landed_s, outcome.column("end_s")]  # fmt: skip
    for q in requests:
        place = {"cat": "request", "id": int(q), "pid": int(pool[q]), "tid": int(replica[q])}
        stamps = [1e6 * float(column[q]) for column in times]
        phases = [
            phase
            for phase in zip(("wait", "prefill", "transfer", "decode"), stamps, stamps[1:],
                             strict=False)
            if phase[0] != "transfer" or phase[1] < phase[2]
        ]  # fmt: skip
        for name, begin, end in (("request", stamps[0], stamps[-1]), *phases):
            yield {**place, "ph": "b", "name": name, "ts": begin}
            yield {**place, "ph": "e", "name": name, "ts": end}


def _slices(outcome: FleetOutcome) -> Iterator[dict[str, Any]]:
    sizes = [pool.replicas for pool in outcome.fleet.pools]
    places = [(p, r) for p, size in enumerate(sizes) for r in range(size)]
    for one in first_iterations(outcome):
        p, r = places[one.replica]
        batch = {
            "sequences": one.sequences,
            "prefilling": one.prefilling,
            "prefill_tokens": one.prefill_tokens,
        }
        yield {
            "ph": "X", "cat": "iteration", "name": "prefill" if one.prefilling else "decode",
            "pid": p, "tid": r, "ts": 1e6 * one.start_s,
            "dur": 1e6 * (one.end_s - one.start_s), "args": batch,
        }  # fmt: skip


def _within_pool(outcome: FleetOutcome) -> np.ndarray:
    """Replicas counted from 0 in each pool; -1 for none."""
    sizes = [pool.replicas for pool in outcome.fleet.pools]
    first = np.concatenate(([0], np.cumsum(sizes)[:-1], [0]))
    replica, pool = outcome.column("replica"), outcome.column("pool")
    return np.asarray(np.where(replica < 0, -1, replica - first[pool]))


def _named(codes: np.ndarray, names: Sequence[str]) -> np.ndarray:
    return np.asarray(np.array([*names, ""])[codes])


def _csv(columns: dict[str, np.ndarray]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    cells = [_cells(values) for values in columns.values()]
    writer.writerows(zip(*cells, strict=True))
    return text.getvalue()


def _cells(values: np.ndarray) -> list[Any]:
    """Plain values; what is not a number is an empty cell."""
    if values.dtype.kind == "f":
        return ["" if value != value else value for value in values.tolist()]
    return list(values.tolist())
