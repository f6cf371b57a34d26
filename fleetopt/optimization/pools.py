"""The pools that may be built for a case: their tables, and the candidates made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from fleetopt.case import Case
from fleetopt.optimization.attainment import fleet_rows, is_worth_more, with_misses
from fleetopt.optimization.candidates import Candidate, Row, enumerate_candidates, rows_above
from fleetopt.optimization.goals import Goal, check_power, pool_kilowatts
from fleetopt.optimization.limits import FleetSlo, SideConstraints
from fleetopt.optimization.tables import Offer
from fleetopt.queueing.availability import SpareRule
from fleetopt.queueing.table import PoolTable

_Key = tuple[int, int, float, float, str, str | None, str]
EXTRA_ROWS = 2
"""Rows above the least admissible one. More are added when the simulator refuses them all;
nine rows a candidate made every solve two to three times slower."""


class PoolCandidates:
    """The tables of a case that are known so far, and candidates and rows made of them.

    grey: admit rows that simulation has yet to decide.
    drawn: give rows their mean draw even where the problem does not ask for it.
    """

    def __init__(self, case: Case, *, grey: bool, drawn: bool = False) -> None:
        self.case = case
        self.is_drawn = drawn or bool(case.problem.draw_keys)
        if self.is_drawn:
            check_power(case.profiles)
        self._grey = grey
        self._spares = SpareRule.of(case.problem)
        self._offers: dict[_Key, Offer] = {}

    @property
    def known(self) -> tuple[Offer, ...]:
        """Every table that was kept, admissible rows or not."""
        return tuple(self._offers.values())

    def keep(self, offers: Sequence[Offer]) -> None:
        """Take tables in, each once."""
        for o in offers:
            t = o.table
            key = (t.lo_tokens, t.hi_tokens, *t.gammas, t.profile.name, o.phase, o.link)
            self._offers[key] = o

    def enumerated(
        self, tables: Sequence[Offer], extra_rows: int, min_replicas: int
    ) -> tuple[Candidate, ...]:
        """Candidates of these tables, those without an admissible row left out."""
        found = enumerate_candidates(
            tables,
            self.case.breakpoints,
            grey=self._grey,
            extra_rows=extra_rows,
            min_replicas=min_replicas,
            gammas=self.case.problem.gammas,
            spares=self._spares,
            rows_of=partial(self._fleet_rows, min_replicas) if self.is_fleet_wide else None,
        )
        return tuple(self.with_draw(candidate) for candidate in found)

    def with_draw(self, candidate: Candidate) -> Candidate:
        """The candidate, its rows with their mean draw if it has to be known."""
        if not self.is_drawn:
            return candidate
        return replace(candidate, rows=tuple(self._drawn(candidate, r) for r in candidate.rows))

    @property
    def goal(self) -> Goal:
        """What fleets have least of."""
        return Goal.of(self.case.problem)

    def _drawn(self, candidate: Candidate, row: Row) -> Row:
        """A row with its mean draw, if it has to be known."""
        if not self.is_drawn or row.drawn_kw is not None:
            return row
        return replace(row, drawn_kw=pool_kilowatts(self.table(candidate), row.bought))

    def _fleet_rows(self, min_replicas: int, table: PoolTable) -> tuple[Row, ...]:
        share = table.arrival_rate / self.case.arrival_rate
        rows = fleet_rows(table, share, grey=self._grey, min_replicas=min_replicas)
        gpus = table.profile.gpus_per_replica
        return tuple(replace(row, spare=self._row(row.replicas, gpus).spare) for row in rows)

    @property
    def is_fleet_wide(self) -> bool:
        """Whether all requests together are held to the SLO."""
        return self.case.problem.slo_scope == "fleet"

    @property
    def side(self) -> SideConstraints:
        """The limits on the whole fleet."""
        side = SideConstraints.of(self.case.problem)
        if not self.is_fleet_wide:
            return side
        return replace(side, slo=FleetSlo(self.case.problem.slo, self.case.arrival_rate))

    def table(self, candidate: Candidate) -> PoolTable:
        """The feasibility table behind a candidate."""
        c = candidate
        lengths = (c.lo_tokens, c.hi_tokens, c.gamma_lo, c.gamma_hi)
        return self._offers[(*lengths, c.profile, c.phase, c.link)].table

    def row(self, candidate: Candidate, replicas: int) -> Row:
        """The row of a number of replicas that must be up, with its spare ones."""
        return self._drawn(candidate, self._row(replicas, candidate.gpus_per_replica))

    def _row(self, replicas: int, gpus_per_replica: int) -> Row:
        return Row.available(replicas, self._spares, gpus_per_replica)

    def is_short(self, candidate: Candidate, replicas: int) -> bool:
        """Whether the row is the last, and more replicas would miss noticeably less."""
        share = candidate.arrival_rate / self.case.arrival_rate
        last = candidate.rows[-1]
        return last.replicas == replicas and is_worth_more(
            self.table(candidate), share, last, grey=self._grey
        )

    def more_rows(self, candidate: Candidate, replicas: int) -> tuple[Row, ...]:
        """Rows above a number of replicas."""
        rows = tuple(self.row(candidate, n) for n in rows_above(replicas, EXTRA_ROWS + 1))
        return self.with_misses(candidate, rows)

    def with_misses(self, candidate: Candidate, rows: Sequence[Row]) -> tuple[Row, ...]:
        """Rows with what the table says that they miss, but for those that are overloaded.

        In scope pool rows carry no misses, and stay as they are.
        """
        if not self.is_fleet_wide:
            return tuple(rows)
        seen = (with_misses(self.table(candidate), row, grey=self._grey) for row in rows)
        return tuple(row for row in seen if row is not None)
