"""Idle and live clients over a network of 40 ms and 1 % loss, in network namespaces of this machine.

The server is in one namespace with its simulated exchange, the clients in another; between them is a path of
20 ms and 1 % loss each way: netem where the kernel has it, else a forwarder between two TUN devices
(packet_path.py). Once with cubic, once with BBR where the kernel has it. Where this machine does not allow it
one line says so.

An idle client asks for a snapshot a minute, a live one for one a second and ticks; all read what they are
sent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import numpy as np
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from bench.bench_live import (
    CPUS,
    OTHER_CPU,
    SERVER_CPU,
    Figure,
    cpu_seconds,
    listening,
    running,
    serve_arguments,
    table,
    until_ready,
)
from bench.live_clients import Client, connected, missed_ticks
from bench.live_exchange import SYMBOLS, BusyExchange
from bench.namespaces import Namespace, NotAllowedError, slowed_by_kernel, two_namespaces
from bench.tick_clients import TickClient, latencies_s
from liqstream.simulator.exchange_server import SimulatedExchange

MARKETS = SYMBOLS[:4]
RATE = 5.0
DELAY_MS = 20.0
"""Each way."""
LOSS = 0.01
SEED = 1
SETTLE_S = 3.0
QUIET_RATE = 200.0
"""Exchange messages a second while the clients come: here they come from the exchange's own process."""
CONNECTING_AT_ONCE = 100
SPARE_FDS = 500
ALGORITHMS = ("cubic", "bbr")
ROUND_TRIPS = 20


class IdleClient(Client):
    """Is told of its market once a minute."""

    def wish(self) -> str:
        """Protocol 2, shorter than 126 bytes."""
        return f'{{"action":"subscribe","symbols":["{self.symbol}"],"update_interval":60,"proto":2}}'


@dataclass(frozen=True, slots=True)
class Server:
    """A server in its namespace, its exchange beside it."""

    exchange: BusyExchange
    address: str
    pid: int
    health_socket: Path

    def resident_mb(self) -> float:
        """Its memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    async def evictions(self) -> float:
        """How many clients it let go because they read too slowly."""
        connector = aiohttp.UnixConnector(str(self.health_socket))
        session = aiohttp.ClientSession(connector=connector)
        async with session, session.get("http://localhost/metrics") as answer:
            text = await answer.text()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "liqstream_ws_disconnects_total" and sample.labels["code"] == "1013"
        )


@asynccontextmanager
async def slow_path(server: Namespace, clients: Namespace) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Carry packets between the two; what does the delaying, and at the end what became of the packets."""
    reasons = [slowed_by_kernel(it, delay_ms=DELAY_MS, loss=LOSS) for it in (server, clients)]
    reason = next((it for it in reasons if it is not None), None)
    delay_ms, loss = (DELAY_MS, LOSS) if reason else (0.0, 0.0)
    ends = (server.tun, clients.tun)
    arguments = (*map(str, ends), f"{delay_ms}", f"{loss}", str(SEED))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.packet_path", *arguments),
        pass_fds=ends,
        stdout=asyncio.subprocess.PIPE,
    )
    os.sched_setaffinity(process.pid, set(CPUS))
    counts: dict[str, Any] = {}
    try:
        yield f"a forwarder (netem: {reason})" if reason else "netem", counts
    finally:
        process.send_signal(signal.SIGTERM)
        said, _ = await process.communicate()
        counts.update(json.loads(said))


@asynccontextmanager
async def busy_server(folder: Path, namespace: Namespace, rate: float) -> AsyncIterator[Server]:
    """Reached from the other namespace by the path alone; asked how it is by a socket in its folder."""
    simulated = await SimulatedExchange.open(SYMBOLS)
    exchange = BusyExchange(simulated, rate)
    stream = web.Application()
    stream.router.add_get("/market/stream", exchange.stream)
    health_socket = folder / "health.sock"

    def inside() -> socket.socket:
        return namespace.run(socket.socket)

    async with AsyncExitStack() as parts:
        rest_port = await parts.enter_async_context(listening(simulated.app, inside))
        ws_port = await parts.enter_async_context(listening(stream, inside))
        command = (*serve_arguments(rest_port, ws_port, MARKETS), "--host", namespace.address)
        settings = {"LIQSTREAM_HEALTH_SOCKET": str(health_socket), "WS_MAX_CONNECTIONS": "1000000"}
        server = running(folder, *command, cpu=SERVER_CPU, prefix=namespace.prefix, settings=settings)
        address, pid = await parts.enter_async_context(server)
        await until_ready("localhost", health_socket)
        yield Server(exchange, address, pid, health_socket)


async def round_trip_ms(clients: Namespace, address: str) -> float:
    """Median of some connections' openings."""
    host, _, port = address.partition(":")
    loop, found = asyncio.get_running_loop(), []
    for _ in range(ROUND_TRIPS):
        with clients.run(socket.socket) as sock:
            sock.setblocking(False)
            began_s = time.monotonic()
            await loop.sock_connect(sock, (host, int(port)))
            found.append(1000 * (time.monotonic() - began_s))
    return median(found)


async def measured(
    folder: Path, namespaces: tuple[Namespace, Namespace], options: argparse.Namespace
) -> list[Figure]:
    """Idle clients, then live ones beside them, for the span."""
    ours, theirs = namespaces
    async with AsyncExitStack() as parts:
        server = await parts.enter_async_context(busy_server(folder, ours, QUIET_RATE))
        way_ms = await round_trip_ms(theirs, server.address)
        empty_mb = server.resident_mb()

        async def come(count: int, make: type[IdleClient] | type[TickClient]) -> list[Any]:
            return await connected(
                server.address,
                count,
                MARKETS,
                make,
                open_socket=lambda: theirs.run(socket.socket),
                at_once=CONNECTING_AT_ONCE,
            )

        idle: list[IdleClient] = await come(options.idle, IdleClient)
        live: list[TickClient] = await come(options.live, TickClient)
        server.exchange.set_rate(options.rate)
        await asyncio.sleep(SETTLE_S)  # first snapshots are not what is measured
        began_s, cpu_s, full_mb = time.monotonic(), cpu_seconds(server.pid), server.resident_mb()
        await asyncio.sleep(options.seconds)  # the span that is measured
        ended_s, cpu_s, last_mb = time.monotonic(), cpu_seconds(server.pid) - cpu_s, server.resident_mb()
        evicted = await server.evictions()
        lost = sum(client.lost for client in (*idle, *live))
        for client in (*idle, *live):
            client.leave()
    span_s = ended_s - began_s
    late_ms = 1000 * latencies_s(server.exchange, live, began_s, ended_s)
    snapshots = sum(began_s < it.at_s <= ended_s for client in live for it in client.receipts)
    pauses, passed_over = missed_ticks(list(live), began_s, ended_s)
    p50, p95, p99 = np.percentile(late_ms, (50, 95, 99))
    return [
        Figure("idle clients that were run", len(idle), "", at_least=options.idle),
        Figure("live clients that were run", len(live), "", at_least=options.live),
        Figure("round trip, median of openings", way_ms, "ms", at_least=2 * DELAY_MS),
        Figure("clients that lost their connection", lost, "", at_most=0),
        Figure("clients evicted as too slow", evicted, "", at_most=0),
        Figure("snapshots a second and live client", snapshots / len(live) / span_s, "1/s", at_least=0.95),
        Figure("snapshots passed over, of a million", 1e6 * passed_over / snapshots, "", at_most=1000),
        Figure("snapshots more than 1.5 s apart, of a million", 1e6 * pauses / snapshots, "", at_most=1000),
        Figure(
            "ticks a second and live client", len(late_ms) / len(live) / span_s, "1/s", at_least=0.9 * RATE
        ),
        Figure("latency of a tick, p50", float(p50), "ms", at_most=DELAY_MS + 40),
        Figure("latency of a tick, p95", float(p95), "ms", at_most=DELAY_MS + 120),
        Figure("latency of a tick, p99", float(p99), "ms"),
        Figure("server CPU", 100 * cpu_s / span_s, "% of a core", at_most=100),
        Figure(
            "server memory, a client", 1024 * (full_mb - empty_mb) / (len(idle) + len(live)), "KB", at_most=50
        ),
        Figure("server memory, growth in the span", last_mb - full_mb, "MB", at_most=20),
    ]


async def over_a_slow_path(options: argparse.Namespace, console: Console) -> None:
    """Each congestion control on a path of its own; prints as it goes."""
    for name in ALGORITHMS:
        with tempfile.TemporaryDirectory() as folder, two_namespaces() as namespaces:
            if not namespaces[0].use_congestion_control(name):
                console.print(f"{name}: not measured, this kernel does not have it")
                continue
            async with slow_path(*namespaces) as (how, counts):
                figures = await measured(Path(folder), namespaces, options)
        lost = 100 * counts["lost"] / max(1, counts["lost"] + counts["carried"])
        if how != "netem":
            figures += [
                Figure("packets carried", counts["carried"], ""),
                Figure("packets lost on purpose", lost, "%"),
                Figure("packets lost otherwise", counts["overflowed"] + counts["refused"], "", at_most=0),
                Figure("the forwarder's own lateness, p99", counts["late_ms_p99"], "ms"),
            ]
        way = f"{2 * DELAY_MS:g} ms and {100 * LOSS:g} % loss each way, {name}"
        console.print(table(figures, title=f"Over {way}; by {how}"))


def within_the_limit(options: argparse.Namespace) -> str:
    """Cut the clients down to the open files we may have; says so, or nothing."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    room = hard - SPARE_FDS - options.live
    if hard == resource.RLIM_INFINITY or options.idle <= room:
        return ""
    options.idle = max(0, room)
    return f"only {options.idle} idle clients: the limit of open files is {hard}"


def main() -> None:
    """Measure and print, or say why not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--live", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=2500.0, help="exchange messages a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    if os.geteuid() and shutil.which("unshare") and "IN_OWN_USER_NAMESPACE" not in os.environ:
        # Whoever is not root may be the root of a user namespace, where the machine allows it.
        own = (
            "unshare",
            "--map-root-user",
            "--net",
            sys.executable,
            "-m",
            "bench.bench_network",
            *sys.argv[1:],
        )
        if os.spawnvp(os.P_WAIT, own[0], (*own[:3], "true")) == 0:
            os.execvpe(own[0], own, {**os.environ, "IN_OWN_USER_NAMESPACE": "1"})
    console = Console()
    said = within_the_limit(options)
    if said:
        console.print(said)
    os.sched_setaffinity(0, {OTHER_CPU})
    try:
        asyncio.run(over_a_slow_path(options, console))
    except NotAllowedError as error:
        console.print(f"over a slow and lossy path: not measured, this machine does not allow {error}")


if __name__ == "__main__":
    main()
