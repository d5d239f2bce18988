"""What a connection costs that does nothing, and one that does not read: memory, the others' speed, the end.

Run as `python -m bench.fanout_memory IDLE STALLED`; prints one JSON object. Resident memory is the server
process's; the kernel's is what `ss -m` says the send queues hold.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from typing import Any

import structlog

from bench.fanout_designs import Liqstream
from bench.fanout_server import SERVER_CPU, Clients, connected_fds

_STALL_TIMEOUT_S = 6.0
_TICKS = 40
_CLOSING_S = 2.0


def resident_bytes() -> int:
    """Resident memory of this process."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def kernel_bytes(port: int) -> list[int]:
    """Memory the kernel charges to the send side of each connection of the server's port, descending."""
    told = subprocess.run(
        ["ss", "-tmnH", "state", "established", f"( sport = :{port} )"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    sizes = [int(t) + int(w) for t, w in re.findall(r"skmem:\(r\d+,rb\d+,t(\d+),tb\d+,f\d+,w(\d+)", told)]
    return sorted(sizes, reverse=True)


async def idle(count: int) -> float:
    """Resident bytes per idle subscribed connection, snapshots included, after a warm-up of as many."""
    design = Liqstream()
    port = await design.start()
    design.prepare(10)
    warm = Clients(design, port, 200)
    await warm.connected()
    before = resident_bytes()
    clients = Clients(design, port, count)
    await clients.connected()
    for _ in range(3):
        design.arm()
        await design.tick()
        await clients.settle()
    grown = resident_bytes() - before
    clients.stop()
    warm.stop()
    await design.stop()
    return grown / count


async def descriptors_left(port: int, readers: int) -> int:
    """Descriptors that the evicted still hold, once none is left or `_CLOSING_S` later."""
    ends_s = time.monotonic() + _CLOSING_S
    while (left := len(connected_fds(port)) - readers) > 0 and time.monotonic() < ends_s:  # noqa: ASYNC110  the kernel tells nobody
        await asyncio.sleep(0.05)  # between two looks
    return left


async def tick_cost(design: Liqstream, clients: Clients) -> float:
    """CPU seconds of a tick; the lower quartile, since other programs only ever add to it."""
    costs = []
    for _ in range(_TICKS):
        design.arm()
        began = time.process_time()
        await design.tick()
        costs.append(time.process_time() - began)
        await clients.settle()
    return statistics.quantiles(costs, n=4)[0]


async def stalled(readers: int, count: int) -> dict[str, Any]:
    """What `count` clients that stop reading cost, beside `readers` that go on."""
    design = Liqstream(stall_timeout_s=_STALL_TIMEOUT_S)
    port = await design.start()
    design.prepare(30)
    reading = Clients(design, port, readers)
    sleeping = Clients(design, port, count)
    await reading.connected()
    await sleeping.connected()
    alone_s = await tick_cost(design, reading)
    before = resident_bytes()
    sleeping.signal(signal.SIGSTOP)
    while design.manager.get_stats().pending_snapshots < count:
        design.arm()
        await design.tick()
        await asyncio.sleep(0.02)  # ticks, as fast as slow readers make them wait
    user_bytes = (resident_bytes() - before) / count
    held = kernel_bytes(port)[:count]
    beside_s = await tick_cost(design, reading)
    while design.manager.get_stats().active_connections > readers:
        design.arm()
        await design.tick()
        await asyncio.sleep(0.1)  # ticks, until the deadline for slow readers has passed
    left = await descriptors_left(port, readers)
    sleeping.signal(signal.SIGCONT)
    sleeping.stop()
    reading.stop()
    return {
        "stalled": count,
        "readers": readers,
        "server_bytes_per_stalled": user_bytes,
        "kernel_bytes_per_stalled": statistics.median(held),
        "readers_cost_ratio": beside_s / alone_s * (readers + count) / readers,
        "descriptors_left": left,
    }


async def run(idle_count: int, stalled_count: int) -> dict[str, Any]:
    """Both."""
    os.sched_setaffinity(0, {SERVER_CPU})
    per_idle = await idle(idle_count)
    return {"idle": idle_count, "bytes_per_idle": per_idle, **await stalled(1000, stalled_count)}


def main() -> None:
    """Measure and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    print(json.dumps(asyncio.run(run(int(sys.argv[1]), int(sys.argv[2])))), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
