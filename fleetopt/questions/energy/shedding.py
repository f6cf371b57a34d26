"""The cheapest mix of levers for each depth, held to a simulated event where one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from fleetopt.questions.energy.capped import CappedPool
from fleetopt.questions.energy.event import SimulatedEvent, simulated_events
from fleetopt.questions.energy.levers import Count, LeverTable, Mix, Terms
from fleetopt.questions.energy.mixing import LeverDepth, Mixing
from fleetopt.questions.energy.runs import Runs
from fleetopt.simulation.event import Levers

COUNTS: tuple[Count, Count] = ("at the cap", "really")
NO_EVENT_MINUTES = 60.0
"""How long levers are pulled if no event is stated."""
_MOST_ROUNDS = 6
"""How often mixes are simulated: those that fail are replaced by the next in price, the last ones
stand with their verdict."""

Events = Mapping[Levers, SimulatedEvent]


@dataclass(frozen=True)
class Shedding:
    """Mixes by depth and count, and how deep the levers go, by the table.

    mixes: None where no mix keeps the SLO. refused: kept it by the table and not in the event.
    minutes: how long the levers are pulled.
    """

    mixes: Mapping[tuple[float, Count], Mix | None]
    depths: tuple[LeverDepth, ...]
    refused: tuple[Levers, ...]
    minutes: float
    terms: Terms


def shedding(
    pool: CappedPool,
    flex_pcts: Sequence[float],
    terms: Terms,
    minutes: float | None = None,
    runs: Runs | None = None,
    known: Events | None = None,
    progress: Callable[[str], None] | None = None,
) -> Shedding:
    """The cheapest mix for each depth, counted at the cap and as the fleet really draws.

    minutes: of an event through which every mix is simulated, with `runs`; a mix with which its
    requests miss the SLO, or may, is refused for the next in price. known: events that were
    simulated. Raises InputError.
    """
    terms.check()
    mixing = Mixing(LeverTable(pool), terms, minutes or NO_EVENT_MINUTES)
    wanted = [(depth, count) for depth in flex_pcts for count in COUNTS]
    mixes = {each: mixing.cheapest(*each) for each in wanted}
    events = dict(known or {})
    if minutes is not None:
        for rounds_left in reversed(range(_MOST_ROUNDS)):
            new = {mix.levers for mix in mixes.values() if mix} - events.keys()
            events.update(simulated_events(pool, new, minutes, runs or Runs(), progress))
            failed = {
                mix.levers for mix in mixes.values() if mix and not events[mix.levers].slo_met
            }
            if not failed or not rounds_left:
                break
            for levers in failed:
                mixing.refuse(levers)
            mixes = {
                each: mixing.cheapest(*each) if mix and mix.levers in failed else mix
                for each, mix in mixes.items()
            }
    return Shedding(
        mixes={each: mix and replace(mix, event=events.get(mix.levers))
               for each, mix in mixes.items()},
        depths=mixing.depths(),
        refused=tuple(mixing.refused),
        minutes=mixing.minutes,
        terms=terms,
    )  # fmt: skip
