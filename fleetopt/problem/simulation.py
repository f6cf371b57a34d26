"""A fleet to simulate as a user states it: pools, router, traffic, and how long to look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)

from fleetopt.errors import Fault, near
from fleetopt.problem.coefficients import AnyProfileSpec, profile_specs
from fleetopt.problem.failures import FailureRates
from fleetopt.problem.faults import FaultsError, Stated, faults_of, raise_repeated
from fleetopt.problem.fleet import Admission
from fleetopt.problem.lengths import MAX_TOKENS, LengthCdf, name_or_lengths
from fleetopt.problem.links import LinkStatement, PhaseRole, entrances, phase_faults
from fleetopt.problem.router import RouterStatement, pools_named
from fleetopt.problem.sessions import SessionStatement
from fleetopt.problem.slo import LatencyBound, default_slo
from fleetopt.problem.trace import TraceFormat

_TOLERANCE = 1e-6
"""By how much the workloads' shares may miss 1."""


class PoolStatement(Stated):
    """Identical replicas of one profile."""

    id: str = Field(min_length=1, pattern=r"^\S+$")
    """Name of the pool."""
    gpu: str = Field(min_length=1)
    """Name of the profile."""
    n_gpus: int = Field(ge=1, le=1_000_000)
    """GPUs of the pool; a replica takes as many as its profile says."""
    max_ctx: int = Field(ge=2, le=MAX_TOKENS)
    """Context window, in tokens: longest total length that the pool serves."""
    admission: Admission = "reserved"
    """Whether a slot reserves the whole context window, or sequences take KV blocks."""
    growth: bool = False
    """Paged only: sequences take blocks as they grow, and the youngest is preempted when there
    are none left; otherwise all are taken at admission."""
    max_num_seqs: int = Field(default=256, ge=1, le=65_536)
    """Paged only: slots of a replica."""
    max_batch: int | None = Field(default=None, ge=1)
    """Most sequences in a replica's batch, such as under a power cap; as many as fit if absent."""
    queue_limit: int = Field(default=0, ge=0)
    """Most requests waiting at a busy replica; 0 is no limit."""
    prefix_cache_tokens: int = Field(default=0, ge=0, le=1_000_000_000)
    """Prefixes that each replica keeps for later requests, in tokens; 0 is no cache."""
    role: PhaseRole = "mixed"
    """What its replicas do: both phases, prefill alone, or decode alone; these need `links`."""

    @model_validator(mode="after")
    def _growth_needs_blocks(self) -> PoolStatement:
        if self.growth and self.admission != "paged":
            raise FaultsError([Fault("growth", "needs admission = 'paged'")])
        return self


class WorkloadShare(Stated):
    """The part of the traffic that asks for one model."""

    cdf: str = Field(min_length=1)
    """Length CDF or workload: a file or a bundled name."""
    lam_frac: float = Field(gt=0, le=1)
    """Share of the arrival rate; those of all workloads sum to 1."""


class RecordedTraffic(Stated):
    """A trace to replay, with its own times and tokens."""

    path: str = Field(min_length=1)
    """The file."""
    format: TraceFormat | None = None
    """What kind of file it is; told from its content if absent."""
    columns: dict[str, str] = Field(default_factory=dict)
    """The file's names for time, prompt, output, model, category, session and prefix."""
    skip_bad_lines: bool = False
    """Whether bad lines are left out and counted, instead of being an error."""


class FleetSimulation(Stated):
    """Which fleet meets which traffic, and how long it is watched."""

    note: str = ""
    """Remarks; they change nothing."""
    pools: tuple[PoolStatement, ...] = Field(min_length=1)
    """The pools of the fleet."""
    links: tuple[LinkStatement, ...] = ()
    """What carries KV from prefill pools to pools that decode."""
    profiles: tuple[AnyProfileSpec, ...] = ()
    """Profiles of the user's own; they extend or replace the bundled ones."""
    router: RouterStatement = RouterStatement()
    """Where requests go: 'length', or a table with the router's parameters."""
    length_knowledge: str = "oracle"
    """What the router knows of a length: oracle, prompt or estimate:SIGMA."""
    workloads: dict[str, WorkloadShare] = Field(default_factory=dict)
    """Traffic by model; where a pool has the model's name, the model router finds it."""
    cdf: str | LengthCdf | None = None
    """Length CDF or workload of all traffic, instead of `workloads`: a file or a bundled name."""
    lam: float | None = Field(default=None, gt=0, le=1e8)
    """Requests per second; what a workload file says if absent, else 200; none if absent beside
    clients."""
    arrivals: str = "poisson"
    """poisson, gamma:CV2, mmpp:INDEX:SECONDS, or fitted and profile for a workload file's own
    burstiness and rate over time."""
    trace: RecordedTraffic | None = None
    """Recorded traffic to replay, instead of drawn requests."""
    overlong: Literal["clip", "reject"] = "clip"
    """What happens to drawn lengths beyond the largest context; a trace's are rejected."""
    sessions: SessionStatement | None = None
    """Sessions of drawn requests, whose prompts repeat what was said before; none if absent."""
    concurrency: int = Field(default=0, ge=0, le=10_000_000)
    """Clients that each wait for their last request to end: instead of arrivals, or beside them
    where `lam` is stated; 0 is arrivals alone."""
    think_s: float = Field(default=0.0, ge=0)
    """Mean pause of a client between two requests, in seconds."""
    slo: tuple[LatencyBound, ...] = Field(default_factory=default_slo, min_length=1)
    """Bounds on latency percentiles, such as ["p99 ttft 500"]."""
    timeout_s: float | None = Field(default=None, gt=0)
    """Longest wait for admission, after which a request gives up; none if absent."""
    failures: FailureRates | None = None
    """Failures of nodes; none if absent."""
    gpus_per_node: int = Field(default=8, ge=1, le=1024)
    """GPUs that fail together."""
    n_req: int | None = Field(default=None, ge=100, le=100_000_000)
    """Measured requests of a replication; by the longest residence if absent."""
    replications: int = Field(default=8, ge=1, le=1024)
    """Runs with random numbers of their own."""
    seed: int = Field(default=42, ge=0)
    """Seed of the random numbers; the same seed gives the same answer."""

    @model_validator(mode="wrap")
    @classmethod
    def _everything_at_once(
        cls, data: Any, handler: ModelWrapValidatorHandler[FleetSimulation]
    ) -> FleetSimulation:
        """Faults of single keys, and of what they say of each other, together."""
        faults: list[Fault] = []
        stated = None
        try:
            stated = handler(data)
        except ValidationError as error:
            faults += faults_of(error, cls)
        if isinstance(data, dict):
            faults += _between(data)
        if faults or stated is None:
            raise FaultsError(list(dict.fromkeys(faults)))
        return stated

    @field_validator("cdf", mode="before")
    @classmethod
    def _name_or_lengths(cls, stated: Any) -> Any:
        return stated if stated is None else name_or_lengths(stated)

    @field_validator("profiles", mode="before")
    @classmethod
    def _profiles_of_their_kind(cls, stated: Any) -> Any:
        return profile_specs(stated)

    @field_validator("slo")
    @classmethod
    def _bounds_once(cls, slo: tuple[LatencyBound, ...]) -> tuple[LatencyBound, ...]:
        raise_repeated([(b.metric, b.percentile) for b in slo], [b.label for b in slo])
        return slo


def _between(data: dict[str, Any]) -> Iterator[Fault]:
    """Faults between keys; keys that are wrong by themselves are left alone."""
    names = _pool_names(data.get("pools"))
    if names is not None:
        for i, name in enumerate(names):
            if name in names[:i]:
                yield Fault(f"pools[{i}].id", f"{name} is stated twice")
        yield from _router_faults(data.get("router"), names, entrances(data["pools"]))
        yield from phase_faults(data["pools"], data.get("links"))
        yield from _prefix_faults(data)
        yield from _strangers(data, names)
    yield from _shares(data.get("workloads"))
    yield from _sources(data)


def _pool_names(pools: Any) -> list[str] | None:
    """Names of all pools; None where they cannot be told."""
    if not isinstance(pools, list | tuple) or not pools:
        return None
    stated = [
        pool.id if isinstance(pool, PoolStatement) else pool.get("id")
        for pool in pools
        if isinstance(pool, dict | PoolStatement)
    ]
    names = [name for name in stated if isinstance(name, str)]
    return names if len(names) == len(pools) else None


def _router_faults(router: Any, names: Sequence[str], enters: Sequence[str]) -> Iterator[Fault]:
    """Pools that the router names and the fleet does not have, and thresholds between pools."""
    for key, name in pools_named(router):
        if name not in names:
            yield Fault(f"router.{key}", f"no pool is called {name!r}", near(name, names))
        elif name not in enters:
            yield Fault(f"router.{key}", f"{name} only decodes", near(name, enters))
    stated = _router(router)
    if stated is None:
        return
    if stated.thresholds and len(stated.thresholds) != len(enters) - 1:
        text = f"expected {len(enters) - 1} for {len(enters)} pools, got {len(stated.thresholds)}"
        yield Fault("router.thresholds", text)
    if stated.name == "compress" and len(enters) < 2:
        yield Fault("router", "compress needs two pools or more")
    if stated.name == "semantic" and not stated.classes:
        yield Fault("router.classes", "the semantic router needs the pool of each category")


def _prefix_faults(data: dict[str, Any]) -> Iterator[Fault]:
    """What the prefix router misses."""
    stated = _router(data.get("router"))
    if stated is None or stated.name != "prefix":
        return
    sizes = [
        pool.prefix_cache_tokens
        if isinstance(pool, PoolStatement)
        else pool.get("prefix_cache_tokens")
        for pool in data["pools"]
    ]
    yield from prefix_faults(any(sizes), bool(data.get("sessions") or data.get("trace")))


def prefix_faults(is_cached: bool, has_sessions: bool) -> Iterator[Fault]:
    """What the prefix router misses: caches, or requests that share something."""
    if not is_cached:
        hint = "state prefix_cache_tokens of a pool, or --prefix-cache"
        yield Fault("router", "prefix needs replicas that keep prefixes", hint)
    if not has_sessions:
        hint = "state sessions, or a trace that names them"
        yield Fault("router", "prefix needs requests that share prefixes", hint)


def _router(router: Any) -> RouterStatement | None:
    """The router, if it is sound by itself."""
    try:
        return RouterStatement.model_validate(router or {})
    except ValidationError:
        return None


def _strangers(data: dict[str, Any], names: Sequence[str]) -> Iterator[Fault]:
    """Workloads of models that no pool serves, under the model router."""
    router, workloads = _router(data.get("router")), data.get("workloads")
    if router is None or router.name != "model" or router.fallback:
        return
    for model in workloads if isinstance(workloads, dict) else ():
        if model not in names and model not in router.pools:
            yield Fault(f"workloads.{model}", "no pool serves this model", near(model, names))


def _shares(workloads: Any) -> Iterator[Fault]:
    """Shares of workloads that do not sum to 1."""
    if not isinstance(workloads, dict) or not workloads:
        return
    shares = [
        part.lam_frac if isinstance(part, WorkloadShare) else part.get("lam_frac")
        for part in workloads.values()
        if isinstance(part, dict | WorkloadShare)
    ]
    numbers = [share for share in shares if isinstance(share, int | float)]
    if len(numbers) == len(workloads) and abs(sum(numbers) - 1.0) > _TOLERANCE:
        yield Fault("workloads", f"the shares lam_frac must sum to 1, got {sum(numbers):g}")


def _sources(data: dict[str, Any]) -> Iterator[Fault]:
    """Traffic that is stated twice, or not at all."""
    given = [key for key in ("cdf", "workloads", "trace") if data.get(key)]
    if not given:
        yield Fault("cdf", "traffic is needed: a cdf, workloads or a trace")
    for key in given[1:]:
        yield Fault(key, f"stands beside {given[0]}", "leave one of the two out")
    if "trace" in given:
        for key in ("lam", "arrivals", "n_req", "overlong", "sessions"):
            if data.get(key) is not None:
                yield Fault(key, "a trace is replayed as it was recorded", "leave it out")
    if data.get("sessions") and data.get("concurrency"):
        yield Fault("sessions", "stands beside concurrency", "leave one of the two out")
    if data.get("concurrency") and data.get("arrivals") and data.get("lam") is None:
        yield Fault("arrivals", "clients alone do not arrive", "state lam for arrivals beside them")
    if data.get("think_s") and not data.get("concurrency"):
        yield Fault("think_s", "only clients pause", "state their number as concurrency")
