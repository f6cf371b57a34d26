"""The planning problem: what the user wants, before anything is computed."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from fleetopt.errors import Fault
from fleetopt.problem.coefficients import AnyProfileSpec, profile_specs
from fleetopt.problem.engine import EngineChoices
from fleetopt.problem.failures import FailureRates, availability_of
from fleetopt.problem.faults import FaultsError, Stated, raise_repeated
from fleetopt.problem.lengths import MAX_TOKENS, LengthCdf, name_or_lengths
from fleetopt.problem.options import SolverOptions, VerificationOptions
from fleetopt.problem.phases import PhaseLink, Phases, phase_faults
from fleetopt.problem.series import SERIES, HourlySeries, files_for_numbers
from fleetopt.problem.trace import TraceSource

Metric = Literal["ttft", "tpot", "e2e"]
Admission = Literal["reserved", "paged"]
Method = Literal["fleetopt", "published"]
Overlong = Literal["clip", "reject"]
Scope = Literal["pool", "fleet"]
Goal = Literal["cost", "energy", "carbon", "cost+energy", "rate"]
AvailabilityRule = Literal["probability", "mean"]

NODE_GPUS = 8
"""GPUs that fail together unless the problem says otherwise."""
TARGET_SHARE_UP = 0.999
"""Least share of the time that enough replicas are up, where the SLO asks for no more."""

DRAW_LIMITS = ("mean_power_kw", "energy_mwh_per_year", "carbon_tonnes_per_year")
"""Keys of limits on what the GPUs draw on average, and what follows from it."""

_BOUND = "expected a percentile, a metric and a limit in ms, such as 'p99 ttft 500', got {!r}"


class LatencyBound(Stated):
    """One bound on one percentile of one latency metric; as a text, 'p99 ttft 500'."""

    metric: Metric = "ttft"
    """Time to first token, time per output token, or end-to-end latency."""
    percentile: float = Field(default=99.0, gt=0, lt=100)
    """Which percentile is bounded."""
    limit_ms: float = Field(gt=0)
    """The bound, in milliseconds."""

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, stated: Any) -> Any:
        return bound_keys(stated)

    @property
    def limit_s(self) -> float:
        """The bound in seconds."""
        return self.limit_ms / 1000.0

    @property
    def allowed_miss(self) -> float:
        """Share of requests that may exceed the bound."""
        return 1.0 - self.percentile / 100.0

    @property
    def label(self) -> str:
        """The bound's quantity in words, such as 'P99 TTFT'."""
        return f"P{self.percentile:g} {self.metric.upper()}"

    @property
    def text(self) -> str:
        """The bound as a user writes it, such as 'p99 ttft 500'."""
        return f"p{self.percentile:g} {self.metric} {self.limit_ms:g}"


def bound_keys(stated: Any) -> Any:
    """The keys of a bound that is stated as a text; anything else as it is.

    Raises ValueError for a text that is no percentile, metric and limit.
    """
    if not isinstance(stated, str):
        return stated
    words = stated.lower().removesuffix("ms").split()
    if len(words) != 3 or words[0][0] != "p":
        raise ValueError(_BOUND.format(stated))
    return {"percentile": words[0][1:], "metric": words[1], "limit_ms": words[2]}


def default_slo() -> tuple[LatencyBound, ...]:
    """P99 TTFT within 500 ms."""
    return (LatencyBound(metric="ttft", percentile=99.0, limit_ms=500.0),)


class FleetProblem(Stated):
    """Which fleet serves this workload within this SLO at least cost?"""

    name: str = "fleet"
    """What the problem is called."""
    cdf: str | LengthCdf = "lmsys"
    """A file, the name of a bundled workload, or the distribution itself."""
    arrival_rate: float = Field(default=100.0, gt=0, le=1e8)
    """Requests per second; if absent, what a workload file or a trace says."""
    trace: TraceSource | None = None
    """Recorded traffic to design for; it states the lengths and the rate."""
    slo: tuple[LatencyBound, ...] = Field(default_factory=default_slo, min_length=1)
    """Bounds on latency percentiles, such as ["p99 ttft 500", "p50 ttft 200"]; all are kept."""
    slo_scope: Scope = "pool"
    """Whether each pool keeps the bounds by itself, or the requests of all pools together."""
    gpus: tuple[str, ...] = Field(default=("a10g", "a100", "h100"), min_length=1)
    """Names of the profiles to choose from; with a model, GPUs of the catalogue."""
    model: str | None = Field(default=None, min_length=1)
    """A language model that every pool serves: a name of the catalogue, or a config.json of
    Hugging Face. Its profiles are derived for the GPUs and the engine configurations."""
    engine: EngineChoices | None = None
    """Engine configurations of the model to choose from; tensor parallelism 1, 2, 4 and 8 if
    absent."""
    catalogs: tuple[str, ...] | None = None
    """Catalogue files that extend or replace the bundled GPUs, models and prices."""
    profiles: tuple[AnyProfileSpec, ...] = ()
    """Profiles of the user's own; they extend or replace the bundled ones."""
    max_pools: int = Field(default=3, ge=1, le=64)
    """Most pools of the fleet."""
    admission: Admission = "reserved"
    """Whether a slot reserves the whole context window, or sequences take KV blocks."""
    phases: Phases = "together"
    """Whether pools do prefill and decode together, apart in linked pairs, or either way."""
    links: tuple[PhaseLink, ...] = ()
    """Links that take KV from prefill to decode, such as ["ndr400"] or ["hdr200:h100:a100"]; the
    slower network of the two GPUs, by the catalogue, if absent."""
    method: Method = "fleetopt"
    """How latencies are predicted: by fleetopt, or by the published method."""
    max_context: int | None = Field(default=None, gt=0, le=MAX_TOKENS)
    """Largest context of the fleet, in tokens; the distribution's last point if absent."""
    thresholds: tuple[int, ...] | None = None
    """Fixed split thresholds, in tokens; the program chooses them if absent."""
    gammas: tuple[Annotated[float, Field(ge=1, le=1000)], ...] = (1.0,)
    """Compression factors that a split may use: requests of up to gamma times its length are
    cut to it and served below; 1.0, none, is always among them."""
    compressible_share: float = Field(default=0.75, gt=0, le=1)
    """Share of the requests above a split that can be compressed and are."""
    overlong: Overlong | None = None
    """What happens to lengths beyond the largest context."""
    headroom: float = Field(default=0.0, ge=0, le=10)
    """Extra arrival rate the fleet must carry, as a share of `arrival_rate`."""
    max_utilization: float = Field(default=0.85, gt=0, lt=1)
    """Largest utilization of a pool."""
    max_num_seqs: int = Field(default=256, ge=1)
    """Slots of a replica under paged admission."""
    inventory: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """GPUs that can be had of a type, such as {h100 = 8}; types not named are not limited."""
    max_gpus: int | None = Field(default=None, ge=1)
    """Most GPUs of the fleet, all types together."""
    power_kw: float | None = Field(default=None, gt=0)
    """Most power that the fleet draws with every slot busy, in kilowatts."""
    budget_usd_per_year: float | None = Field(default=None, gt=0)
    """Most that the fleet may cost in a year of 8760 hours."""
    power_caps: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    """Caps on the draw of a GPU, as shares of its nominal power, that pools may run under."""
    mean_power_kw: float | None = Field(default=None, gt=0)
    """Most that the GPUs may draw on average, at the batches they really have, in kilowatts."""
    energy_mwh_per_year: float | None = Field(default=None, gt=0)
    """Most energy of a year, in megawatt-hours, `pue` included."""
    carbon_tonnes_per_year: float | None = Field(default=None, gt=0)
    """Most CO2 of a year, in tonnes, at `carbon_g_per_kwh`."""
    node_size: int = Field(default=1, ge=1)
    """GPUs of a node; the GPUs of each type are bought and paid for in whole nodes."""
    min_replicas: int = Field(default=1, ge=1, le=1_000_000)
    """Least replicas of a pool."""
    availability: float = Field(default=1.0, gt=0, le=1)
    """Share of the time that a node is up, or a published one by its name, such as
    "H100_AVAIL_5PCT"; spare replicas are bought so that enough are up."""
    failures: FailureRates | None = None
    """Failures of a node in a day and mean time to repair, such as "0.0065:48h", from which the
    availability follows."""
    availability_rule: AvailabilityRule = "probability"
    """Whether enough replicas of each pool are up nearly always, or only on average."""
    availability_target: float | None = Field(default=None, gt=0, lt=1)
    """Share of the time that enough are up, under the rule of probability; if absent 0.999, or
    more where the SLO lets less than 1 % of the requests be late: a tenth of what it allows."""
    gpus_per_node: int | None = Field(default=None, ge=1, le=1024)
    """GPUs that fail together; node_size where nodes are bought, else 8, if absent."""
    alternatives: int | None = Field(default=None, ge=1, le=100)
    """How many other good fleets to show beside the plan, the first of them simulated."""
    objective: Goal = "cost"
    """What the fleet has least of: cost, energy, carbon, or cost with the electricity. Or rate:
    the most requests per second that the limits allow; arrival_rate is where its search begins."""
    electricity_usd_per_kwh: float | None = Field(default=None, ge=0, le=1e6)
    """Price of electricity, for what a year of the plan costs beside its GPUs; or a CSV file of
    prices by the hour, such as "prices.csv", whose mean it is."""
    electricity_series: HourlySeries | None = None
    """The file of prices by the hour behind `electricity_usd_per_kwh`."""
    carbon_g_per_kwh: float | None = Field(default=None, ge=0, le=1e6)
    """Grams of CO2 that a kilowatt-hour of electricity stands for; or a CSV file of them by the
    hour, such as "grid.csv", whose mean it is."""
    carbon_series: HourlySeries | None = None
    """The file of intensities by the hour behind `carbon_g_per_kwh`."""
    pue: float = Field(default=1.0, ge=1, le=100)
    """Power usage effectiveness: what the site draws for each watt of its GPUs."""
    extension: str | None = None
    """A Python file beside this one, such as "cap.py", that adds constraints to the program."""
    verification: VerificationOptions = VerificationOptions()
    """How the plan is simulated."""
    solver: SolverOptions = SolverOptions()
    """Which solver, and when it may stop."""

    @property
    def draw_keys(self) -> tuple[str, ...]:
        """The keys for which the mean draw of pools has to be known."""
        limits = [key for key in DRAW_LIMITS if getattr(self, key) is not None]
        return (*limits, *(["objective"] if self.objective not in ("cost", "rate") else []))

    @property
    def design_rate(self) -> float:
        """Arrival rate that the fleet is designed for, headroom included."""
        return self.arrival_rate * (1.0 + self.headroom)

    @property
    def share_up(self) -> float:
        """Share of the time that a node is up."""
        return self.availability if self.failures is None else self.failures.availability

    @property
    def target_share_up(self) -> float:
        """Share of the time that enough replicas of a pool are to be up."""
        if self.availability_target is not None:
            return self.availability_target
        return max(TARGET_SHARE_UP, *(1.0 - bound.allowed_miss / 10.0 for bound in self.slo))

    @property
    def failing_gpus(self) -> int:
        """GPUs that fail together."""
        if self.gpus_per_node is not None:
            return self.gpus_per_node
        return self.node_size if self.node_size > 1 else NODE_GPUS

    @model_validator(mode="before")
    @classmethod
    def _files_for_numbers(cls, stated: Any) -> Any:
        return files_for_numbers(stated)

    @field_validator("cdf", mode="before")
    @classmethod
    def _name_or_lengths(cls, stated: Any) -> Any:
        return name_or_lengths(stated)

    @field_validator("availability", mode="before")
    @classmethod
    def _number_or_name(cls, stated: Any) -> Any:
        return availability_of(stated)

    @field_validator("extension")
    @classmethod
    def _file_beside(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[^/\\\x00]+\.py", name):
            raise ValueError(
                f"expected a Python file beside this one, such as 'cap.py', got {name!r}"
            )
        return name

    @field_validator("gpus")
    @classmethod
    def _gpus_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        raise_repeated(names, names)
        return names

    @field_validator("profiles", mode="before")
    @classmethod
    def _profiles_of_their_kind(cls, stated: Any) -> Any:
        return profile_specs(stated)

    @field_validator("profiles")
    @classmethod
    def _profiles_once(cls, profiles: tuple[AnyProfileSpec, ...]) -> tuple[AnyProfileSpec, ...]:
        names = [profile.name for profile in profiles]
        raise_repeated(names, names)
        return profiles

    @field_validator("inventory", mode="before")
    @classmethod
    def _counts_of_types(cls, stated: Any) -> Any:
        if isinstance(stated, str):
            raise ValueError(f"expected each type once, such as h100=8,a100=4, got {stated!r}")
        return stated

    @field_validator("method")
    @classmethod
    def _published_of_pools(cls, method: Method, info: ValidationInfo) -> Method:
        if method == "published" and info.data.get("slo_scope") == "fleet":
            raise ValueError("the published method sizes each pool by itself, not the fleet")
        return method

    @field_validator("slo")
    @classmethod
    def _bounds_once(cls, slo: tuple[LatencyBound, ...]) -> tuple[LatencyBound, ...]:
        raise_repeated([(b.metric, b.percentile) for b in slo], [b.label for b in slo])
        return slo

    @field_validator("power_caps")
    @classmethod
    def _caps_once(cls, caps: tuple[float, ...]) -> tuple[float, ...]:
        raise_repeated(caps, [f"{cap:g}" for cap in caps])
        return tuple(sorted(caps))

    @field_validator("gammas")
    @classmethod
    def _gammas_once(cls, gammas: tuple[float, ...]) -> tuple[float, ...]:
        raise_repeated(gammas, [f"{gamma:g}" for gamma in gammas])
        return tuple(sorted({1.0, *gammas}))

    @field_validator("thresholds")
    @classmethod
    def _ascending(
        cls, values: tuple[int, ...] | None, info: ValidationInfo
    ) -> tuple[int, ...] | None:
        if values is None:
            return None
        faults = [
            Fault(f"[{i}]", f"must be greater than {before}, got {value}")
            for i, (before, value) in enumerate(pairwise((0, *values)))
            if value <= before
        ]
        max_pools = info.data.get("max_pools", len(values) + 1)
        if len(values) >= max_pools:
            text = f"these make {len(values) + 1} pools, more than max_pools = {max_pools}"
            faults.append(Fault("", text))
        if faults:
            raise FaultsError(faults)
        return values

    @model_validator(mode="after")
    def _objective_is_known(self) -> FleetProblem:
        needs = {"carbon": "carbon_g_per_kwh", "cost+energy": "electricity_usd_per_kwh"}
        key = needs.get(self.objective)
        faults = []
        if key is not None and getattr(self, key) is None and not getattr(self, SERIES[key]):
            faults.append(Fault("objective", f"{self.objective} needs {key}", f"state {key}"))
        if self.carbon_tonnes_per_year is not None and self.carbon_g_per_kwh is None:
            text = "a limit on CO2 needs carbon_g_per_kwh"
            faults.append(Fault("carbon_tonnes_per_year", text, "state carbon_g_per_kwh"))
        if self.method == "published":
            text = "the published method knows no occupancy, and so no energy of a fleet"
            faults += [Fault(key, text, "use method 'fleetopt'") for key in self.draw_keys]
        faults += self._rate_faults() if self.objective == "rate" else []
        if faults:
            raise FaultsError(faults)
        return self

    def _rate_faults(self) -> list[Fault]:
        """Why the most requests per second cannot be asked for."""
        limits = ("power_kw", "budget_usd_per_year", "max_gpus", "inventory", *DRAW_LIMITS)
        faults = []
        if not any(getattr(self, key) for key in limits):
            hint = "state power_kw, budget_usd_per_year, max_gpus or another limit"
            faults.append(Fault("objective", "rate needs a limit on the fleet", hint))
        if self.trace is not None:
            hint = "leave one of the two out"
            faults.append(Fault("objective", "rate is what a trace states", hint))
        if self.extension is not None:
            hint = "leave one of the two out"
            faults.append(Fault("objective", "rate is found without extensions", hint))
        return faults

    @model_validator(mode="after")
    def _phases_go_with_the_rest(self) -> FleetProblem:
        faults = list(phase_faults(self))
        if faults:
            raise FaultsError(faults)
        return self

    @model_validator(mode="after")
    def _model_behind_engine(self) -> FleetProblem:
        keys = ("engine", "catalogs")
        faults = [
            Fault(key, "goes together with `model`", "state the model, or leave this out")
            for key in keys
            if self.model is None and getattr(self, key)
        ]
        if faults:
            raise FaultsError(faults)
        return self

    @model_validator(mode="after")
    def _availability_once(self) -> FleetProblem:
        if self.failures is not None and self.availability < 1.0:
            hint = "leave one of the two out"
            raise FaultsError([Fault("failures", "stand beside availability", hint)])
        return self

    @model_validator(mode="after")
    def _lengths_and_rate_once(self) -> FleetProblem:
        if self.trace is None or self.trace.sha256:
            return self
        said = {"cdf": "the lengths", "arrival_rate": "the rate"}
        faults = [
            Fault(key, f"the trace states {what}", "leave one of the two out")
            for key, what in said.items()
            if key in self.model_fields_set
        ]
        if faults:
            raise FaultsError(faults)
        return self
