"""What a question is about, read: the lengths, the profiles, and the pools they make."""

from __future__ import annotations

from collections.abc import Sequence

from fleetopt.catalog import read_lengths, read_profiles
from fleetopt.errors import Fault, InputError, near
from fleetopt.problem import LengthCdf, ProfileSpec, WhatIf, Workload
from fleetopt.questions.two_pools import Sizes, TwoPools


def pools_over_rates(stated: WhatIf) -> tuple[TwoPools, Sizes]:
    """The two pools of a question and their sizes at its first rate.

    Raises InputError with every fault of the files and profiles that it names.
    """
    lengths, (short, long) = read(stated)
    asked = _two_pools(stated, lengths, short, long)
    return asked, Sizes(asked, asked.split(stated.b_short))


def pools_of_gpus(stated: WhatIf) -> tuple[Sizes, Sequence[ProfileSpec]]:
    """The sizes of pools on each of the GPUs to compare, and their profiles.

    Raises InputError as above.
    """
    lengths, gpus = read(stated)
    asked = _two_pools(stated, lengths, gpus[0], gpus[-1])
    problem = asked.split(stated.b_short, gpus=list(stated.gpu_compare), profiles=list(gpus))
    return Sizes(asked, problem), gpus


def read(stated: WhatIf) -> tuple[LengthCdf, Sequence[ProfileSpec]]:
    """The lengths, and the profiles of the GPUs to compare, else of the two pools.

    Raises InputError with every fault.
    """
    pair = {"gpu_short": stated.gpu_short, "gpu_long": stated.gpu_long}
    compared = {f"gpu_compare[{i}]": name for i, name in enumerate(stated.gpu_compare)}
    names = compared or pair
    known = {**read_profiles(), **{spec.name: spec for spec in stated.profiles}}
    faults = [
        Fault(place, f"unknown GPU {name!r}", near(name, known))
        for place, name in names.items()
        if name not in known
    ]
    lengths = stated.cdf
    if isinstance(lengths, str):
        try:
            lengths, _ = read_lengths(lengths)
        except InputError as error:
            faults += error.faults
    if faults or isinstance(lengths, str):
        raise InputError(faults)
    whole = lengths.lengths() if isinstance(lengths, Workload) else lengths
    return whole, [known[name] for name in names.values()]


def _two_pools(
    stated: WhatIf, lengths: LengthCdf, short: ProfileSpec, long: ProfileSpec
) -> TwoPools:
    return TwoPools(
        lengths, stated.rates[0], short, long, stated.slo, stated.long_max_ctx,
        method=stated.method,
    )  # fmt: skip
