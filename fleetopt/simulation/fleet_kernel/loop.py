"""The event loop of the fleet."""

from __future__ import annotations

import math
from typing import Any

from fleetopt.simulation.fleet_kernel.accounts import book, diverges, down_time, read
from fleetopt.simulation.fleet_kernel.batch import (
    begin_epoch,
    end_decodes,
    end_prefills,
    next_iteration,
)
from fleetopt.simulation.fleet_kernel.deadlines import next_deadline, time_out
from fleetopt.simulation.fleet_kernel.dispatch import (
    client_sends,
    count,
    next_of_both,
    reject,
    send,
    take_next,
)
from fleetopt.simulation.fleet_kernel.faults import fail, repair
from fleetopt.simulation.fleet_kernel.handover import book_line
from fleetopt.simulation.fleet_kernel.landing import land
from fleetopt.simulation.fleet_kernel.queue import (
    admit_waiting,
    preempt_youngest,
)
from fleetopt.simulation.fleet_records import (
    Status,
    Stop,
)
from fleetopt.simulation.kernel import _compiled, _inlined, _tree_least, _tree_set

_INF = math.inf
_UNFINISHED = int(Status.UNFINISHED)
_TIMEOUT = int(Status.TIMEOUT)
_TIME = int(Stop.TIME)
_DIVERGED = int(Stop.DIVERGED)
_EVENTS = int(Stop.EVENTS)


@_inlined
def iterate(
    pools: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    times: Any,
    counts: Any,
    nodes: Any,
    clients: Any,
    think_s: Any,
    histogram: Any,
    tokens: Any,
    links: Any,
    lines: Any,
    line_times: Any,
    handovers: Any,
    run: Any,
    r: int,
    now: float,
    window: Any,
) -> None:
    """A replica's batch changes: sequences leave, are preempted and join."""
    replica = replicas[r]
    pool = pools[replica.pool]
    i = next_iteration(pool, replica, requests, heap)
    book(pool, replica, phases, histogram, tokens, i - replica.epoch_iteration, now, window)
    end_s = window.measure_end_s
    left = end_decodes(pool, replicas, requests, heap, phases, nodes, run, r, i, now, end_s)
    if pool.growth == 1:
        replica.blocks += phases[replica.phase + i % pool.block_tokens]
    end_prefills(
        pool,
        replicas,
        requests,
        heap,
        phases,
        counts,
        nodes,
        pools,
        links,
        lines,
        line_times,
        handovers,
        r,
        i,
        now,
    )
    while pool.growth == 1 and replica.blocks > pool.kv_blocks:
        preempt_youngest(pool, replica, requests, heap, phases, handovers, i)
    admit_waiting(pool, replicas, requests, heap, phases, nodes, handovers, r, i, now)
    _tree_set(times, r, begin_epoch(pool, replica, requests, heap, phases, i, now))
    if left > 0:
        count(counts, pool, r, -left)
        while run.served > 0:
            run.served -= 1
            client_sends(clients, run, think_s, now)


@_compiled
def _run(
    window: Any,
    checkpoint_s: Any,
    rule: int,
    threshold: float,
    timeout_s: float,
    most_events: int,
    stop_early: int,
    least_marks: int,
    pools: Any,
    replicas: Any,
    requests: Any,
    heap: Any,
    phases: Any,
    times: Any,
    counts: Any,
    nodes: Any,
    choices: Any,
    clients: Any,
    think_s: Any,
    open_s: Any,
    faults: Any,
    histogram: Any,
    tokens: Any,
    series: Any,
    links: Any,
    lines: Any,
    line_times: Any,
    handovers: Any,
    runs: Any,
) -> None:
    """The event loop."""
    run = runs[0]
    size = requests.size
    run.clients = clients.size
    while True:
        arrival_s = _INF
        if run.arrived < size:
            if clients.size == 0:
                arrival_s = requests[run.arrived].arrival_s
            else:
                arrival_s = next_of_both(clients, open_s, run)
        now = times[1]
        event = 0
        if line_times is not None and line_times[1] < now:
            now = line_times[1]
            event = 4
        if run.fault < faults.size and faults[run.fault].time_s < now:
            now = faults[run.fault].time_s
            event = 1
        deadline_s = next_deadline(requests, run, timeout_s)
        if deadline_s < now:
            now = deadline_s
            event = 2
        if arrival_s < now:
            now = arrival_s
            event = 3
        is_over = run.open_measured == 0 and arrival_s >= window.measure_end_s
        if is_over and now > run.now:  # what else happens at the last instant is played too
            break
        if now > window.stop_s or now == _INF:
            run.stop = _TIME
            run.now = window.stop_s
            break
        while run.seen < checkpoint_s.size and checkpoint_s[run.seen] <= now:
            read(pools, replicas, series, run.seen)
            if stop_early == 1 and diverges(
                series, checkpoint_s, run.seen, least_marks, window.stop_s
            ):
                run.stop = _DIVERGED
                now = checkpoint_s[run.seen]
                run.seen += 1
                break
            run.seen += 1
        if run.stop == _DIVERGED:
            run.now = now
            break
        run.now = now
        run.events += 1
        if run.events > most_events:
            run.stop = _EVENTS
            break
        if event == 0:
            r = _tree_least(times)
            iterate(
                pools,
                replicas,
                requests,
                heap,
                phases,
                times,
                counts,
                nodes,
                clients,
                think_s,
                histogram,
                tokens,
                links,
                lines,
                line_times,
                handovers,
                run,
                r,
                now,
                window,
            )
        elif event == 1:
            fault = faults[run.fault]
            run.fault += 1
            if fault.down == 1:
                fail(
                    pools,
                    replicas,
                    requests,
                    heap,
                    phases,
                    times,
                    counts,
                    nodes,
                    choices,
                    clients,
                    think_s,
                    histogram,
                    tokens,
                    links,
                    lines,
                    line_times,
                    handovers,
                    run,
                    fault,
                    window,
                    rule,
                    threshold,
                )
            else:
                repair(
                    pools,
                    replicas,
                    requests,
                    heap,
                    phases,
                    times,
                    counts,
                    nodes,
                    handovers,
                    fault,
                    window,
                )
        elif event == 2:
            q = run.deadline
            run.deadline += 1
            time_out(
                pools, replicas, requests, heap, phases, times, counts, nodes, handovers, q, now
            )
            reject(requests, run, clients, think_s, q, _TIMEOUT, now, window.measure_end_s)
        elif event == 4:
            if line_times is not None:
                status = land(
                    pools,
                    replicas,
                    requests,
                    heap,
                    phases,
                    times,
                    counts,
                    nodes,
                    links,
                    lines,
                    line_times,
                    handovers,
                    run,
                    _tree_least(line_times),
                    now,
                    window,
                )
                if status != _UNFINISHED:
                    end_s = window.measure_end_s
                    reject(requests, run, clients, think_s, run.landed, status, now, end_s)
        else:
            q = run.arrived
            run.arrived += 1
            if clients.size > 0:
                requests[q].arrival_s = now
                requests[q].client = take_next(clients, open_s, run, now)
            run.open_measured += now < window.measure_end_s
            status = send(
                pools,
                replicas,
                requests,
                heap,
                phases,
                times,
                counts,
                nodes,
                choices,
                handovers,
                q,
                now,
                rule,
                threshold,
            )
            if status != _UNFINISHED:
                end_s = window.measure_end_s
                reject(requests, run, clients, think_s, q, status, now, end_s)
    for r in range(replicas.size):
        book(pools[replicas[r].pool], replicas[r], phases, histogram, tokens, 0, run.now, window)
        if replicas[r].is_down > 0:
            down_time(replicas[r], run.now, window)
    if lines is not None:
        for at in range(lines.size):
            book_line(lines[at], run.now, window)
