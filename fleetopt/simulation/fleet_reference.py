"""The slow, readable twin of the fleet's kernel: objects, lists, one iteration after another.

It follows the same rules with the same arithmetic for the end of an iteration, so its
trajectories equal the kernel's bit for bit; everything else is done the plain way.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

from fleetopt.simulation.fleet_accounts import Accounts
from fleetopt.simulation.fleet_lines import Line
from fleetopt.simulation.fleet_links import Role
from fleetopt.simulation.fleet_records import (
    FleetRequests,
    FleetTrajectory,
    PoolEngine,
    Rule,
    Setting,
    Status,
    Stop,
)
from fleetopt.simulation.fleet_replica import Replica, Request


def run_fleet(
    pools: Sequence[PoolEngine], requests: FleetRequests, setting: Setting
) -> FleetTrajectory:
    """Simulate a fleet; same arguments and result as the kernel's function."""
    return Walk(pools, requests, setting).run()


class Walk(Accounts):
    """One simulation in progress."""

    # --- the event loop

    def run(self) -> FleetTrajectory:
        """Iteration ends, then KV that lands, faults, timeouts, and arrivals."""
        while True:
            changes = [replica.next_change() for replica in self.replicas]
            first = min(range(len(changes)), key=lambda r: changes[r][1])
            times = [changes[first][1], self.landing_s(), self.fault_s(), self.deadline_s()]
            times.append(self.arrival_s())
            now = min(times)
            event = times.index(now)
            if now > self.now and self.is_done():  # all of the last instant is played
                break
            if now > self.setting.window.stop_s or now == math.inf:
                self.stop = Stop.TIME
                self.now = self.setting.window.stop_s
                break
            if self.has_diverged(now):
                self.stop = Stop.DIVERGED
                self.now = float(self.setting.checkpoint_s[len(self.rows) - 1])
                break
            self.now = now
            self.events += 1
            if self.events > self.setting.limits.events:
                self.stop = Stop.EVENTS
                break
            if event == 0:
                self.iterate(self.replicas[first], changes[first][0])
            else:
                (self.land, self.change_fleet, self.time_out, self.arrive)[event - 1]()
        for replica in self.replicas:
            if replica.batch:
                self.book(replica, 0)
            if replica.faults:
                self.book_down_time(replica)
        for line in self.lines:
            line.book(self.now, self.setting.window)
        return self.trajectory()

    def is_done(self) -> bool:
        """Whether every request that arrived before the end of measurement has ended."""
        end_s = self.setting.window.measure_end_s
        arrived = self.requests[: self.arrived]
        is_open = any(r.status == Status.UNFINISHED and r.arrival_s < end_s for r in arrived)
        return not is_open and self.arrival_s() >= end_s

    def arrival_s(self) -> float:
        """When the next request arrives."""
        if self.arrived == len(self.requests):
            return math.inf
        if not self.setting.loop.clients:
            return self.requests[self.arrived].arrival_s
        return min([*self.clients[:1], *self.open_s[:1]], default=math.inf)

    def deadline_s(self) -> float:
        """When the next request that still waits for its first admission gives up."""
        return self.next_to_give_up()[1]

    def next_to_give_up(self) -> tuple[Request | None, float]:
        """The first request that has never been admitted, and when it gives up."""
        for r in self.requests[: self.arrived]:
            was_admitted = r.restarts > 0 or not math.isnan(r.admitted_s)
            if r.status == Status.UNFINISHED and not was_admitted:
                return r, r.arrival_s + self.setting.limits.timeout_s
        return None, math.inf

    def fault_s(self) -> float:
        """When the next replicas go down or come up."""
        times = self.setting.faults.time_s
        return float(times[self.fault]) if self.fault < times.size else math.inf

    def landing_s(self) -> float:
        """When the next KV lands."""
        return min((line.end_s for line in self.lines), default=math.inf)

    # --- events

    def arrive(self) -> None:
        """The next request comes to the router."""
        request = self.requests[self.arrived]
        self.arrived += 1
        if self.setting.loop.clients:
            is_open = bool(self.open_s) and self.open_s[0] == self.now
            request.client = int(not is_open)
            request.arrival_s = self.open_s.pop(0) if is_open else heapq.heappop(self.clients)
        self.send(request)

    def iterate(self, replica: Replica, iterations: int) -> None:
        """Run the epoch's iterations to their end, then let the batch change."""
        self.book(replica, iterations)
        was_prefilling = [s for s in replica.batch if s.is_prefilling]
        self.step(replica, iterations)
        for s in sorted(replica.batch, key=lambda s: s.index):
            if not s.is_prefilling and s.generated_tokens == s.output_tokens:
                self.end(replica, s)
        for s in [s for s in was_prefilling if not s.is_prefilling]:
            if math.isnan(s.prefill_end_s):
                s.prefill_end_s = self.now
            if replica.only_prefills:
                self.hand_over(replica, s)
            replica.keep_prefix(s, s.prompt_tokens)
        while not replica.has_blocks(0):
            replica.preempt_youngest()
        while replica.has_room():
            replica.admit(replica.queue.pop(0), self.now)
        replica.begin_epoch(self.now)

    def step(self, replica: Replica, iterations: int) -> None:
        """Advance a batch; inside the window, add up its work."""
        window = self.setting.window
        for _ in range(iterations):
            if window.warmup_s <= self.now < window.measure_end_s:
                replica.work += len(replica.batch)
                replica.context_sum += replica.context()
            replica.step()

    def end(self, replica: Replica, s: Request) -> None:
        """A sequence has all its tokens and leaves."""
        replica.batch.remove(s)
        s.end_s = self.now
        s.status = Status.TRUNCATED if s.output_tokens < s.asked_tokens else Status.COMPLETED
        self.completed[s.pool] += 1
        replica.keep_prefix(s, s.total_tokens)
        self.client_sends(s)

    def hand_over(self, replica: Replica, s: Request) -> None:
        """A sequence is prefilled: its KV goes where the emptiest replica is the emptiest."""
        replica.batch.remove(s)
        replica.sending.append(s)
        self.completed[replica.pool] += 1
        if not replica.spec.engine.current:
            s.begun_s = s.admitted_s
        s.handovers += 1
        links = [link for link in self.setting.links if link.source == replica.pool]
        link = min(links, key=lambda link: self.emptiest(link.target).sequences)
        place = self.members(replica.pool).index(replica) if link.by_replica else None
        (line,) = [x for x in self.lines if x.link is link and x.replica == place]
        line.append(s, self.now)

    def land(self) -> None:
        """KV arrives: its source has room again, and its request goes on to decode."""
        line: Line = min(self.lines, key=lambda line: line.end_s)
        s = line.take_landed(self.now, self.setting.window)
        s.landed_s, s.has_kv = self.now, True
        source = self.replicas[s.replica]
        source.sending.remove(s)
        source.queue_changed_s = self.now
        if not source.batch:
            self.start_waiting(source)
        pool = line.link.target
        if not self.fit(s, self.pools[pool]):
            return self.reject(s, Status.TOO_LONG)
        s.pool = pool
        emptiest = self.emptiest(pool)
        return self.wait_for_repair(s, pool) if emptiest.faults else self.join(s, emptiest)

    def start_waiting(self, replica: Replica) -> None:
        """An idle replica takes what waits, as far as there is room."""
        while replica.has_room():
            replica.admit(replica.queue.pop(0), self.now)
        replica.begin_epoch(self.now)

    def time_out(self) -> None:
        """A request has waited too long and leaves its queue."""
        request, _ = self.next_to_give_up()
        assert request is not None
        if request.replica < 0:
            self.held[request.pool].remove(request)
        else:
            replica = self.replicas[request.replica]
            if replica.queue[0] is request:
                replica.queue_changed_s = self.now
            replica.queue.remove(request)
            if not replica.batch:
                self.start_waiting(replica)
        self.reject(request, Status.TIMEOUT)

    def reject(self, request: Request, status: Status) -> None:
        """Turn a request away."""
        request.status = status
        self.client_sends(request)

    def client_sends(self, ended: Request) -> None:
        """A client's request has ended; after a while it sends its next one."""
        if ended.client:
            think_s = self.setting.loop.think_s
            wait_s = float(think_s[self.sent]) if self.sent < think_s.size else 0.0
            heapq.heappush(self.clients, self.now + wait_s)
            self.sent += 1

    def change_fleet(self) -> None:
        """Replicas go down together and lose their requests, or come up empty."""
        faults, k = self.setting.faults, self.fault
        self.fault += 1
        members = self.replicas[int(faults.first[k]) : int(faults.last[k])]
        if faults.down[k]:
            for replica in members:
                if not replica.faults:
                    replica.down_since_s = self.now
                replica.faults += 1
            for replica, gone in [(replica, self.take_down(replica)) for replica in members]:
                self.restart(replica, gone)
            return
        for replica in members:
            replica.faults -= 1
            if not replica.faults:
                self.book_down_time(replica)
        for pool, held in enumerate(self.held):
            while held and any(not replica.faults for replica in self.members(pool)):
                self.join(held.pop(0), self.emptiest(pool))

    def take_down(self, replica: Replica) -> list[Request]:
        """Empty a replica that fails; its requests in order of arrival."""
        if replica.batch:
            k = next(k for k in range(1, 10**9) if replica.end_s(k) > self.now) - 1
            self.book(replica, k)
            self.step(replica, k)
        replica.lost_tokens += sum(s.held_tokens for s in replica.batch)
        replica.lost_tokens += sum(s.prompt_tokens for s in replica.sending)
        for line in self.lines:
            line.cut_off(replica.sending, self.now, self.setting.window)
        gone = sorted(replica.batch + replica.queue + replica.sending, key=lambda s: s.index)
        replica.batch, replica.queue, replica.sending, replica.cache = [], [], [], {}
        return gone

    def restart(self, replica: Replica, gone: list[Request]) -> None:
        """Send the requests of a failed replica to others, where they start anew."""
        for s in gone:
            if not math.isnan(s.admitted_s):
                s.restarts += 1
                replica.restarts += 1
                s.admitted_s = s.prefill_end_s = math.nan
                s.generated_tokens = s.to_prefill_tokens = s.prefilled_tokens = 0
                s.landed_s, s.begun_s, s.has_kv = math.nan, math.nan, False
                s.pool = s.entered if self.lines else s.pool
            self.send(s)

    # --- routing

    def send(self, request: Request) -> None:
        """Route a request and bring it to its replica, or turn it away."""
        if request.pool < 0:
            return self.reject(request, Status.NO_POOL)
        replica, pool = self.choose(request)
        if not self.fit(request, self.pools[pool]):
            return self.reject(request, Status.TOO_LONG)
        request.pool = request.entered = pool
        if replica is None:
            return self.wait_for_repair(request, pool)
        is_full = 0 < self.pools[pool].queue_limit <= len(replica.queue)
        if is_full and not request.restarts:
            return self.reject(request, Status.QUEUE_FULL)
        return self.join(request, replica)

    def join(self, request: Request, replica: Replica) -> None:
        """Start a request on an idle replica, or let it wait at a busy one."""
        request.replica = self.replicas.index(replica)
        if replica.batch or replica.queue or not replica.has_room_for(request):
            replica.insert(request, self.now)
        else:
            replica.admit(request, self.now)
            replica.begin_epoch(self.now)

    def wait_for_repair(self, request: Request, pool: int) -> None:
        """Let a request wait, in order of arrival, for a replica of its pool to come up."""
        request.replica = -1
        self.held[pool].append(request)
        self.held[pool].sort(key=lambda s: s.index)

    def fit(self, request: Request, pool: PoolEngine) -> bool:
        """Cut a request's output to a context window; whether it can ever be served."""
        room = pool.max_context - request.prompt_tokens
        if room < 1:
            return False
        request.output_tokens = min(request.asked_tokens, room)
        most = request.prompt_tokens if pool.role == Role.PREFILL else request.total_tokens
        blocks = -(-most // pool.engine.block_tokens)
        return not pool.engine.kv_blocks or blocks <= pool.engine.kv_blocks

    def choose(self, request: Request) -> tuple[Replica | None, int]:
        """The replica for a request, None if its pool is down; and the pool."""
        rule, pool = self.setting.rule, request.pool
        if rule == Rule.TWO_CHOICES:
            two = [self.replicas[i] for i in self.choices[request.index]]
            best = min(two, key=lambda replica: replica.sequences)
            if not best.faults:
                return best, best.pool
        if rule in (Rule.TWO_CHOICES, Rule.FEWEST):
            pool = self.fewest_pool(request)
        if rule == Rule.SPILLOVER:
            over, pressure = self.pools[pool].overflow, self.pressure(pool)
            is_less = over >= 0 and self.pressure(over) < pressure
            pool = over if is_less and pressure > self.setting.threshold else pool
        emptiest = self.emptiest(pool)
        if emptiest.faults:
            return None, pool
        if rule == Rule.PREFIX:
            best = self.best_prefix(request, emptiest)
            is_full = best.sequences > emptiest.sequences + self.setting.threshold
            return (emptiest if is_full else best), pool
        return emptiest, pool

    def fewest_pool(self, request: Request) -> int:
        """Among the pools that fit, the one whose emptiest replica has the fewest sequences."""
        enters = [p for p, spec in enumerate(self.pools) if spec.role != Role.DECODE]
        fits = [p for p in enters if self.pools[p].max_context >= request.needs_tokens]
        up = [p for p in fits if not self.emptiest(p).faults]
        return min(up, key=lambda p: self.emptiest(p).sequences, default=request.pool)

    def best_prefix(self, request: Request, emptiest: Replica) -> Replica:
        """The first replica that holds most of a request's prefix; the emptiest if none does."""
        members = self.members(request.pool)
        best = max(members, key=lambda replica: replica.hit_tokens(request))
        return best if best.hit_tokens(request) else emptiest
