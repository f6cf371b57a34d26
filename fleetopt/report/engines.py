"""How the engines of a plan's pools run the model, and how far to trust their profiles."""

from __future__ import annotations

from collections.abc import Iterator

from fleetopt.catalog import profiles_of
from fleetopt.plan import Plan, Pool
from fleetopt.problem import CoefficientSpec, EngineConfig
from fleetopt.report import wording

_WAYS = {"tp": "tensor", "pp": "pipeline", "ep": "expert", "dp": "attention data"}


def engine_lines(plan: Plan) -> Iterator[str]:
    """A line for each pool whose engine is known, and where the profiles come from."""
    known = profiles_of(plan.problem)
    specs = [(pool, known[pool.profile]) for pool in plan.fleet.pools]
    sources = dict[str, None]()
    for pool, spec in specs:
        if isinstance(spec, CoefficientSpec):
            sources[spec.source] = None
            yield f"{pool.name}: {spec.name}, {_engine(pool, spec)}."
    yield from (f"Profiles: {source}." for source in sources if source)


def _engine(pool: Pool, spec: CoefficientSpec) -> str:
    parts = [spec.serves]
    if spec.engine is not None:
        parts += _configured(pool, spec.engine)
    base_ms, context_us = 1e3 * spec.base_s, 1e6 * spec.per_context_token_s
    us = f"{wording.NO_BREAK}us for"
    parts.append(
        f"an iteration takes {base_ms:.3g}{wording.NO_BREAK}ms + {context_us:.3g}{us} a context "
        f"token, or {1e6 * spec.prefill_per_token_s:.3g}{us} a prompt token if that is more"
    )
    return "; ".join(parts)


def _configured(pool: Pool, engine: EngineConfig) -> list[str]:
    ways = [f"{word} parallelism {getattr(engine, key)}" for key, word in _WAYS.items()
            if key == "tp" or getattr(engine, key) > 1]  # fmt: skip
    formats = f"{engine.weights} weights and {engine.kv} KV"
    batch = f"{pool.admission} KV, at most {engine.max_num_seqs:,} sequences"
    return [", ".join(ways), formats, batch, f"token budget {engine.token_budget:,}"]
