"""Work and context of single requests, in both phases or in one of them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from fleetopt.performance.profile import IterationTime
from fleetopt.workload.lengths import Floats, Ints

Phase = Literal["both", "prefill", "decode"]
"""What a pool does with a request: prefill and decode, or one of them alone."""


def per_request(
    prompt_tokens: Ints, output_tokens: Ints, iteration: IterationTime, phase: Phase
) -> dict[str, Floats]:
    """Work and context of requests; contexts summed over their iterations."""
    if phase == "prefill":
        return prefill_alone(prompt_tokens, iteration)
    if phase == "decode":
        return decode_alone(prompt_tokens, output_tokens, iteration)
    return both(prompt_tokens, output_tokens, iteration)


def both(prompt_tokens: Ints, output_tokens: Ints, iteration: IterationTime) -> dict[str, Floats]:
    """Work and context of requests; contexts summed over their iterations."""
    prefill = prefill_iterations(prompt_tokens, iteration.chunk_tokens)
    work = prefill + output_tokens
    if iteration.context == "total":
        total = (prompt_tokens + output_tokens).astype(np.float64)
        once = work * total
        twice = once * total
        return {
            "prefill": prefill,
            "work": work,
            "prefill_context": total,
            "decode_context": total,
            "context_work": once,
            "context2_work": twice,
            "context3_work": twice * total,
        }
    prompt = prompt_tokens.astype(np.float64)
    output = output_tokens.astype(np.float64)
    total = prompt + output
    return {
        "prefill": prefill,
        "work": work,
        "prefill_context": prompt / 2,
        "decode_context": prompt + output / 2,
        "context_work": prefill * prompt / 2 + output * (prompt + output / 2),
        "context2_work": prefill * prompt**2 / 3
        + output * (prompt**2 + prompt * output + output**2 / 3),
        "context3_work": prefill * prompt**3 / 4 + (total**4 - prompt**4) / 4,
    }


def prefill_iterations(prompt_tokens: Ints, chunk_tokens: int) -> Floats:
    """Iterations that prompts take, ceil(prompt / chunk); exact, for both are whole numbers."""
    iterations = prompt_tokens / chunk_tokens
    np.ceil(iterations, out=iterations)
    return iterations


def prefill_alone(prompt_tokens: Ints, iteration: IterationTime) -> dict[str, Floats]:
    """Work and context of prompts whose outputs are made elsewhere.

    A context that counts as a total is the prompt.
    """
    work = prefill_iterations(prompt_tokens, iteration.chunk_tokens)
    prompt = prompt_tokens.astype(np.float64)
    grows = iteration.context == "current"
    own = prompt / 2 if grows else prompt
    return {
        "prefill": work,
        "work": work,
        "prefill_context": own,
        "decode_context": own,
        "context_work": work * own,
        "context2_work": work * prompt**2 / (3 if grows else 1),
        "context3_work": work * prompt**3 / (4 if grows else 1),
    }


def decode_alone(
    prompt_tokens: Ints, output_tokens: Ints, iteration: IterationTime
) -> dict[str, Floats]:
    """Work and context of outputs whose prompts' KV has come from elsewhere."""
    prompt = prompt_tokens.astype(np.float64)
    output = output_tokens.astype(np.float64)
    total = prompt + output
    nothing = np.zeros_like(output)
    if iteration.context == "total":
        own, square, cube = total, total**2, total**3
    else:
        own = prompt + output / 2
        square = prompt**2 + prompt * output + output**2 / 3
        cube = (total**4 - prompt**4) / (4.0 * output)
    return {
        "prefill": nothing,
        "work": output,
        "prefill_context": own,
        "decode_context": own,
        "context_work": output * own,
        "context2_work": output * square,
        "context3_work": output * cube,
    }
