"""A trace: what was asked of a service, request by request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fleetopt.catalog import SourceFile
from fleetopt.errors import InputError
from fleetopt.workload.arrivals import Floats
from fleetopt.workload.lengths import Ints
from fleetopt.workload.sessions import history_tokens


@dataclass(frozen=True, slots=True)
class TraceFile:
    """A file that requests were read from.

    format: the kind of file. requests: how many were read from it. skipped: its bad lines.
    """

    source: SourceFile
    format: str
    requests: int
    skipped: int


@dataclass(frozen=True, eq=False)
class Trace:
    """Requests in the order of their arrival.

    arrival_s: float64, ascending from 0; empty if the source states no times.
    prompt_tokens, output_tokens: int64, at least 1.
    model, category: codes into model_names and category_names, int64; None if not stated.
    session: codes of what requests belong to, int64, -1 for none; None if not stated.
    prefix_tokens: first tokens of a prompt that its session has said before; None if not stated.
    unix_s: Unix time of the first arrival; None if the source does not tell it.
    files: where the requests come from.
    """

    arrival_s: Floats
    prompt_tokens: Ints
    output_tokens: Ints
    model: Ints | None = None
    model_names: tuple[str, ...] = ()
    category: Ints | None = None
    category_names: tuple[str, ...] = ()
    session: Ints | None = None
    prefix_tokens: Ints | None = None
    unix_s: float | None = None
    files: tuple[TraceFile, ...] = ()

    def __len__(self) -> int:
        return self.prompt_tokens.size

    @property
    def is_timed(self) -> bool:
        """Whether the requests have arrival times."""
        return self.arrival_s.size > 0

    @property
    def total_tokens(self) -> Ints:
        """Prompt and output tokens of each request."""
        return self.prompt_tokens + self.output_tokens

    @property
    def shared_tokens(self) -> Ints | None:
        """Tokens of each prompt that its session has said before: as stated, else the prompt
        and output of the request before it there; None without sessions.
        """
        if self.session is None or self.prefix_tokens is not None:
            return self.prefix_tokens
        return history_tokens(self.session, self.prompt_tokens, self.output_tokens)

    @property
    def duration_s(self) -> float:
        """Seconds from the first to the last arrival; 0 without times."""
        return float(self.arrival_s[-1]) if self.is_timed else 0.0

    @property
    def rate(self) -> float:
        """Mean arrival rate in requests per second: gaps over their sum.

        Raises InputError if there are no two requests at different times.
        """
        if not self.duration_s > 0:
            raise InputError.single(
                self.name, "the arrival rate needs two requests at different times"
            )
        return (len(self) - 1) / self.duration_s

    @property
    def name(self) -> str:
        """The files' names, for messages."""
        return " and ".join(str(file.source.path) for file in self.files) or "trace"

    def peak_rate(self, window_s: float) -> float:
        """The largest arrival rate over any window [t, t + window_s), in requests per second.

        A window as long as the whole trace is its mean rate. Raises InputError without times.
        """
        if window_s >= self.duration_s:
            return self.rate
        return peak_count(self.arrival_s, window_s) / window_s

    def between(self, start_s: float, end_s: float) -> Trace:
        """The requests that arrive in [start_s, end_s), the first of them at 0.

        Raises InputError if there are none.
        """
        self._require_times("cut")
        first, last = np.searchsorted(self.arrival_s, (start_s, end_s), side="left")
        if first >= last:
            text = f"no requests arrive in [{start_s:g}, {end_s:g}) s"
            hint = f"they arrive in [0, {self.duration_s:.6g}] s"
            raise InputError.single(self.name, text, hint)
        return self._taken(np.arange(first, last), self.arrival_s[first:last])

    def with_time_scaled(self, factor: float) -> Trace:
        """The same requests with every gap `factor` times as long; the rate divides by it."""
        self._require_times("scaled")
        return replace(self, arrival_s=self.arrival_s * _positive(factor))

    def with_rate_scaled(
        self, factor: float, rng: np.random.Generator, spread_s: float = 60.0
    ) -> Trace:
        """`factor` times the requests in the same time, so that the rate keeps its shape.

        Each request is taken floor(factor) times, and once more with the remaining
        probability. Copies come up to `spread_s` seconds after the first, wrapped at the
        end of the trace: more users who behave alike, not users who act in step.
        Raises InputError if nothing is left.
        """
        self._require_times("scaled")
        copies = np.full(len(self), int(_positive(factor)))
        copies += rng.random(len(self)) < factor - int(factor)
        index = np.repeat(np.arange(len(self)), copies)
        if index.size == 0:
            raise InputError.single(self.name, f"no request is left at {factor:g} times the rate")
        is_first = np.diff(index, prepend=-1) > 0
        times = self.arrival_s[index] + np.where(is_first, 0.0, rng.random(index.size) * spread_s)
        times = np.where(is_first, times, times % max(self.duration_s, 1e-9))
        order = np.argsort(times, kind="stable")
        copies_before = np.arange(index.size) - np.searchsorted(index, index)
        return self._taken(index[order], times[order], copies_before[order])

    def _taken(
        self, index: NDArray[np.integer], times: Floats, copy: NDArray[np.integer] | int = 0
    ) -> Trace:
        """The requests at these places with these ascending times.

        copy: which copy of the request each is; copies have sessions of their own.
        """
        session = None if self.session is None else self.session[index]
        if session is not None:
            session = np.where(session < 0, -1, session + copy * (session.max(initial=0) + 1))
        return Trace(
            times - times[0],
            self.prompt_tokens[index],
            self.output_tokens[index],
            None if self.model is None else self.model[index],
            self.model_names,
            None if self.category is None else self.category[index],
            self.category_names,
            session,
            None if self.prefix_tokens is None else self.prefix_tokens[index],
            None if self.unix_s is None else self.unix_s + float(times[0]),
            self.files,
        )

    def _require_times(self, verb: str) -> None:
        if not self.is_timed:
            raise InputError.single(
                self.name, f"it states no arrival times, so it cannot be {verb}"
            )


def peak_count(arrival_s: Floats, window_s: float) -> int:
    """The most arrivals in any window [t, t + window_s)."""
    ends = np.searchsorted(arrival_s, arrival_s + window_s, side="left")
    return int((ends - np.arange(arrival_s.size)).max())


def merged(traces: Sequence[Trace]) -> Trace:
    """Several traces at once, each from its own start. Raises InputError if some have no times."""
    if len(traces) == 1:
        return traces[0]
    if len({trace.is_timed for trace in traces}) > 1:
        without = next(trace for trace in traces if not trace.is_timed)
        raise InputError.single(without.name, "it states no arrival times, the others do")
    times = np.concatenate([trace.arrival_s for trace in traces])
    order = np.argsort(times, kind="stable") if times.size else slice(None)
    model, model_names = _merged_codes([(t.model, t.model_names, len(t)) for t in traces])
    category, category_names = _merged_codes(
        [(t.category, t.category_names, len(t)) for t in traces]
    )
    return Trace(
        times[order],
        np.concatenate([trace.prompt_tokens for trace in traces])[order],
        np.concatenate([trace.output_tokens for trace in traces])[order],
        None if model is None else model[order],
        model_names,
        None if category is None else category[order],
        category_names,
        *_merged_sessions(traces, order),
        traces[0].unix_s,
        tuple(file for trace in traces for file in trace.files),
    )


def _merged_sessions(
    traces: Sequence[Trace], order: NDArray[np.integer] | slice
) -> tuple[Ints | None, Ints | None]:
    """Sessions and shared tokens over all parts: no two parts share a session."""
    if all(trace.session is None for trace in traces):
        return None, None
    sessions, shared, begun = [], [], 0
    for trace in traces:
        mine, said = trace.session, trace.shared_tokens
        if mine is None or said is None:
            mine, said = np.full(len(trace), -1), np.zeros(len(trace), dtype=np.int64)
        sessions.append(np.where(mine < 0, -1, mine + begun))
        shared.append(said)
        begun += int(mine.max(initial=-1)) + 1
    return np.concatenate(sessions)[order], np.concatenate(shared)[order]


def coded(names: Sequence[str]) -> tuple[Ints, tuple[str, ...]]:
    """Codes of names, and the names in the order of the codes."""
    known, codes = np.unique(np.asarray(names, dtype=str), return_inverse=True)
    return codes.astype(np.int64), tuple(str(name) for name in known)


def _merged_codes(
    parts: Sequence[tuple[Ints | None, tuple[str, ...], int]],
) -> tuple[Ints | None, tuple[str, ...]]:
    """Codes over all parts; requests of a part without codes get the empty name."""
    if all(codes is None for codes, _, _ in parts):
        return None, ()
    texts = [
        np.asarray(names, dtype=object)[codes] if codes is not None else np.full(size, "", object)
        for codes, names, size in parts
    ]
    return coded([str(name) for name in np.concatenate(texts)])


def _positive(factor: float) -> float:
    if not (factor > 0 and np.isfinite(factor)):
        raise InputError.single("scale", f"expected a factor above 0, got {factor:g}")
    return factor
