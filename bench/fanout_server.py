"""One design under load: CPU per delivered frame beside bare loops over the same sockets, in Python and C.

Run as `python -m bench.fanout_server DESIGN CLIENTS PAIRS LOOP SIZES`; prints one JSON object. The process
is pinned to one core and its clients to another; the ways alternate, each waits until all has arrived.
"""

from __future__ import annotations

import asyncio
import gc
import json
import mmap
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from bench.c_floor import c_send_loop
from bench.fanout_designs import DESIGNS, Design

CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU, CLIENT_CPU = CPUS[0], CPUS[-1]


class Clients:
    """The drain child and its shared counter."""

    def __init__(self, design: Design, port: int, count: int) -> None:
        self._file = tempfile.NamedTemporaryFile(dir="/dev/shm")  # noqa: SIM115
        self._file.write(b"\0" * 16)
        self._file.flush()
        self._counter = mmap.mmap(self._file.fileno(), 16)
        self.count = count
        arguments = [str(port), str(count), design.path, self._file.name, str(CLIENT_CPU)]
        self._child = subprocess.Popen(
            [sys.executable, "-m", "bench.fanout_drain", *arguments, design.subscribe, design.extensions]
        )

    def drained(self) -> int:
        """Bytes read so far by all clients."""
        total: int = struct.unpack("q", self._counter[:8])[0]
        return total

    async def connected(self) -> None:
        """Wait until all are upgraded and subscribed."""
        while struct.unpack("q", self._counter[8:16])[0] < self.count:
            if self._child.poll() is not None:
                raise SystemExit("the clients gave up")
            await asyncio.sleep(0.05)  # the counter is shared memory of another process: nothing to wait for

    async def settle(self, expected: int | None = None) -> int:
        """Wait until `expected` bytes were read, or for long nothing more; returns the bytes read so far."""
        quiet = 0
        before = self.drained()
        while quiet < 10 and (expected is None or before < expected):
            await asyncio.sleep(0.02)  # ten of these without a byte are silence
            quiet = quiet + 1 if self.drained() == before else 0
            before = self.drained()
        return before

    def signal(self, number: int) -> None:
        """Stop or continue the child."""
        self._child.send_signal(number)

    def stop(self) -> None:
        """End the child."""
        self._child.kill()
        self._child.wait()


def connected_fds(port: int) -> list[int]:
    """The descriptors of this process that are connections to `port`."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            with socket.socket(fileno=os.dup(int(link.name))) as sock:
                if sock.getsockname()[1] == port and sock.getpeername():
                    found.append(int(link.name))
        except (OSError, IndexError):
            continue
    return found


def bare_loop(fds: list[int], frame: bytes) -> int:
    """The least a Python server can do; returns how many sockets did not take the whole frame."""
    write, size, short = os.write, len(frame), 0
    for fd in fds:
        try:
            if write(fd, frame) != size:
                short += 1
        except BlockingIOError:
            short += 1
    return short


def median_interval(values: list[float], *, rounds: int = 2000) -> tuple[float, float]:
    """The 95 % bootstrap interval of the median."""
    rng = np.random.default_rng(1)
    picks = rng.choice(np.array(values), (rounds, len(values)))
    low, high = np.percentile(np.median(picks, axis=1), (2.5, 97.5))
    return float(low), float(high)


async def timed(act: Callable[[], Any]) -> tuple[float, float]:
    """CPU and wall seconds of one tick, with what it left to the event loop."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = act()
    if asyncio.iscoroutine(result):
        await result
    await asyncio.sleep(0)
    return time.process_time() - cpu, time.perf_counter() - wall


async def measure(design: Design, clients: Clients, port: int, pairs: int, kilobytes: int) -> dict[str, Any]:
    """`pairs` alternating rounds of design, bare loop and, where it can be compiled, C loop."""
    message_bytes = design.prepare(kilobytes)
    fds = connected_fds(port)
    if len(fds) != clients.count:
        raise SystemExit(f"{len(fds)} of {clients.count} connections")
    before = 0
    for _ in range(2):
        design.arm()
        await design.tick()
        before = await clients.settle()
    design.arm()
    await design.tick()
    frame_bytes = round((await clients.settle() - before) / clients.count)
    frame = b"\x82\x7f" + struct.pack("!Q", max(0, frame_bytes - 10)) + bytes(max(0, frame_bytes - 10))
    design_s: list[float] = []
    bare_s: list[float] = []
    c_s: list[float] = []
    c_loop = c_send_loop()
    wall_s: list[float] = []
    ways: list[tuple[list[float], Callable[[], Any]]] = [
        (design_s, design.tick),
        (bare_s, lambda: bare_loop(fds, frame)),
        *([] if c_loop is None else [(c_s, lambda: c_loop(fds, frame))]),
    ]
    gc.collect()
    gc.freeze()
    for number in range(pairs):
        for spent_s, act in ways if number % 2 else reversed(ways):
            design.arm()
            expected = clients.drained() + clients.count * frame_bytes
            cpu, wall = await timed(act)
            spent_s.append(cpu)
            if spent_s is design_s:
                wall_s.append(wall)
            await clients.settle(expected)
    ratios = [bare / own for bare, own in zip(bare_s, design_s, strict=True)]
    c_ratios = [bare / own for bare, own in zip(c_s, design_s, strict=True)] if c_s else []
    per_frame_us = 1e6 / clients.count
    return {
        "kilobytes": kilobytes,
        "message_bytes": message_bytes,
        "frame_bytes": frame_bytes,
        "bare_us": statistics.median(bare_s) * per_frame_us,
        "design_us": statistics.median(design_s) * per_frame_us,
        "design_us_quartiles": [float(q) * per_frame_us for q in np.percentile(design_s, (25, 75))],
        "ratio": statistics.median(ratios),
        "ratio_interval": median_interval(ratios),
        "c_us": statistics.median(c_s) * per_frame_us if c_s else None,
        "c_ratio": statistics.median(c_ratios) if c_s else None,
        "last_client_ms": statistics.median(wall_s) * 1000,
    }


async def run(name: str, count: int, pairs: int, sizes: list[int]) -> dict[str, Any]:
    """All sizes of one design."""
    os.sched_setaffinity(0, {SERVER_CPU})
    design = DESIGNS[name]()
    port = await design.start()
    clients = Clients(design, port, count)
    try:
        await clients.connected()
        results = [await measure(design, clients, port, pairs, size) for size in sizes]
    finally:
        clients.stop()
    return {"design": name, "name": design.name, "clients": count, "pairs": pairs, "results": results}


def main() -> None:
    """Measure and print."""
    name, count, pairs, loop, sizes = sys.argv[1:6]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    work = run(name, int(count), int(pairs), [int(size) for size in sizes.split(",")])
    if loop == "uvloop":
        import uvloop

        result = uvloop.run(work)
    else:
        result = asyncio.run(work)
    print(json.dumps({**result, "loop": loop}), flush=True)
    # The peers' own ends are not measured, and some take minutes.
    os._exit(0)


if __name__ == "__main__":
    main()
