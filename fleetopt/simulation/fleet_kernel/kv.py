"""KV blocks of growing sequences, and prefixes kept for later requests."""

from __future__ import annotations

from typing import Any

from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.kernel.compiling import compiled
from fleetopt.simulation.state import NEVER

_PREFILL = int(Role.PREFILL)


@compiled
def blocks(pool: Any, tokens: int) -> int:
    """KV blocks that hold this many tokens."""
    size: int = pool.block_tokens
    return (tokens + size - 1) // size


@compiled
def blocks_to_admit(pool: Any, request: Any) -> int:
    """All blocks of a request, those of its prompt and first token if it grows.

    Where it only prefills, those of its prompt.
    """
    if pool.role == _PREFILL:
        return blocks(pool, request.prompt)
    if pool.growth == 1:
        return blocks(pool, request.prompt + request.kept + 1)
    return blocks(pool, request.prompt + request.output)


@compiled
def has_room(pool: Any, replica: Any, request: Any, gained: int) -> bool:
    """Whether a request can join once the batch holds `gained` more blocks."""
    if replica.active + replica.sending >= pool.slots:
        return False
    if pool.kv_blocks == 0:
        return True
    held: int = replica.blocks + replica.sending_blocks + gained
    return held + blocks_to_admit(pool, request) <= pool.kv_blocks


@compiled
def blocks_gained(pool: Any, replica: Any, phases: Any, k: int) -> int:
    """Blocks that growing sequences take in iterations 2 .. k of the epoch."""
    if pool.growth == 0 or k <= 1:
        return 0
    size = pool.block_tokens
    gained = (k - 1) // size * replica.decoding
    first = replica.epoch_iteration + 1
    for j in range((k - 1) % size):
        gained += phases[replica.phase + (first + j) % size]
    return gained


@compiled
def exhaustion(pool: Any, replica: Any, phases: Any, until: int) -> int:
    """Iteration for which the KV blocks do not suffice, if it comes before `until`."""
    size = pool.block_tokens
    free = pool.kv_blocks - replica.blocks
    cycles = free // replica.decoding
    i = replica.epoch_iteration + 1 + cycles * size
    left = free - cycles * replica.decoding
    while i < until:
        left -= phases[replica.phase + i % size]
        if left < 0:
            return i
        i += 1
    return int(NEVER)


@compiled
def unlink_node(replica: Any, nodes: Any, node: int) -> None:
    """Take a prefix out of a replica's list by last use."""
    older, newer = nodes[node].older, nodes[node].newer
    if older >= 0:
        nodes[older].newer = newer
    else:
        replica.oldest = newer
    if newer >= 0:
        nodes[newer].older = older
    else:
        replica.newest = older


@compiled
def keep_prefix(pool: Any, replica: Any, nodes: Any, node: int, tokens: int) -> None:
    """Put a prefix into a replica's cache as the newest; drop the oldest beyond its size."""
    if nodes[node].tokens > 0:
        unlink_node(replica, nodes, node)
    tokens = min(max(tokens, nodes[node].tokens), pool.cache_tokens)
    replica.cached += tokens - nodes[node].tokens
    nodes[node].tokens = tokens
    nodes[node].newer = -1
    nodes[node].older = replica.newest
    if replica.newest >= 0:
        nodes[replica.newest].newer = node
    else:
        replica.oldest = node
    replica.newest = node
    while replica.cached > pool.cache_tokens:
        drop_oldest(replica, nodes)


@compiled
def drop_oldest(replica: Any, nodes: Any) -> None:
    """Drop the prefix that was not used for longest."""
    node = replica.oldest
    unlink_node(replica, nodes, node)
    replica.cached -= nodes[node].tokens
    nodes[node].tokens = 0


@compiled
def hit_tokens(pool: Any, replicas_count: int, nodes: Any, r: int, request: Any) -> int:
    """Prompt tokens that a replica's cache saves: whole blocks, never the last token."""
    if pool.cache_tokens == 0 or request.prefix < 0:
        return 0
    held = min(nodes[request.prefix * replicas_count + r].tokens, request.prefix_tokens)
    held = min(held, request.prompt + request.kept - 1)
    whole: int = held // pool.block_tokens * pool.block_tokens
    return whole
