"""Profiles under caps on the power of their GPUs, further choices beside those without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fleetopt.errors import Fault, InputError
from fleetopt.performance.power import batch_under_cap, power_model
from fleetopt.performance.profile import ReplicaProfile

if TYPE_CHECKING:
    from fleetopt.problem import AnyProfileSpec


def with_caps(
    specs: Sequence[AnyProfileSpec], shares: Sequence[float]
) -> tuple[AnyProfileSpec, ...]:
    """The profiles, and each again under every cap, such as 'h100@70%'.

    shares: of nominal power. Raises InputError for a profile without a power model, and for a
    cap below what a single sequence draws.
    """
    faults, found = list[Fault](), list(specs)
    for spec in specs if shares else ():
        if spec.power is None:
            text = f"the profile {spec.name!r} has no power curve"
            faults.append(Fault("power_caps", text, "give it one, or leave it or the caps out"))
            continue
        for share in shares:
            cap_w = share * spec.power.nominal_w
            curve = spec.power.model_copy(update={"cap_w": cap_w})
            if batch_under_cap(power_model(curve)) < 1:
                least = power_model(spec.power).watts(1)
                text = f"{share:g} of {spec.name!r} is {cap_w:,.4g} W, and one sequence draws "
                hint = f"at least {least / spec.power.nominal_w:.3g} for this profile"
                faults.append(Fault("power_caps", f"{text}{least:,.4g} W", hint))
            name = f"{spec.name}@{100 * share:.6g}%"
            found.append(spec.model_copy(update={"name": name, "power": curve}))
    if faults:
        raise InputError(faults)
    return tuple(found)


def is_felt(profile: ReplicaProfile, slots: int) -> bool:
    """Whether a profile has no cap, or one that limits its batch to so many slots."""
    if profile.power is None or profile.power.cap_w is None:
        return True
    return slots >= batch_under_cap(profile.power)
