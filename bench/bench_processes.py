"""Fan-out processes that share a port: what a client's update costs with two of them, beside one.

One server collects and generates; one process, then two, fan out what it publishes through Redis to the same
number of clients. More updates a second of two is only measured where there are cores for all parts.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import resource
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from rich.console import Console

from bench.bench_live import CPUS, Figure, cpu_seconds, table
from bench.live_clients import Client, connected
from tests.faults.processes import Node
from tests.support.redis_server import free_port, running_redis

SYMBOLS = ("BTCUSDT", "ETHUSDT")
SETTLE_S = 3.0
IDLE_S = 5.0
CORES_FOR_A_FACTOR = 6
"""Two that fan out, one that generates, Redis, and the clients beside them."""


_ACTIVE = re.compile(r"^ws_active_connections(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Load:
    """What so many processes did for the clients of one port."""

    cpu_us_per_update: float
    updates_per_s: float
    least_share: float
    """Of the clients, the smallest part that a process had."""
    idle_cpu_ms_per_s: float
    """Of one process, before anybody came: what each further process costs anyway."""


@asynccontextmanager
async def fleet(processes: int) -> AsyncIterator[list[Node]]:
    """A server that generates, and so many that fan out on one port; the latter."""
    async with AsyncExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory()))
        redis = parts.enter_context(running_redis(folder))
        shared = {
            "REDIS_ENABLED": "true",
            "REDIS_URL": redis.url,
            "LIQSTREAM_SYMBOLS": ",".join(SYMBOLS),
            "LIQSTREAM_LOG_LEVEL": "error",
            "WS_MAX_CONNECTIONS": "10000",
        }
        port = free_port()
        made = [Node("producer", folder, {**shared, "LIQSTREAM_ROLE": "producer"})]
        for number in range(processes):
            socket = str(folder / f"{number}.sock")
            own = {
                "LIQSTREAM_ROLE": "fanout",
                "LIQSTREAM_REUSE_PORT": "true",
                "LIQSTREAM_HEALTH_SOCKET": socket,
            }
            made.append(Node(f"fanout-{number}", folder, {**shared, **own}, port=port))
        for node in made:
            parts.push_async_callback(node.kill)
            await node.start()
        yield made[1:]


async def clients_of(node: Node) -> int:
    """How many sockets a process has, asked at its own socket."""
    connector = aiohttp.UnixConnector(node.env["LIQSTREAM_HEALTH_SOCKET"])
    session = aiohttp.ClientSession(connector=connector)
    async with session, session.get("http://localhost/metrics") as answer:
        text = await answer.text()
    return sum(int(float(value)) for value in _ACTIVE.findall(text))


def _cpu_s(nodes: list[Node]) -> float:
    return sum(cpu_seconds(node.process.pid) for node in nodes if node.process is not None)


async def load(processes: int, count: int, seconds: float) -> Load:
    """So many clients for so long on so many processes."""
    async with fleet(processes) as nodes:
        await asyncio.sleep(SETTLE_S)  # the start is not what is measured
        began_s, idle_s = time.monotonic(), _cpu_s(nodes)
        await asyncio.sleep(IDLE_S)  # the span that is measured
        idle_s = (_cpu_s(nodes) - idle_s) / (time.monotonic() - began_s) / processes
        clients = await connected(f"127.0.0.1:{nodes[0].port}", count, SYMBOLS, Client)
        await asyncio.sleep(SETTLE_S)  # first snapshots are not what is measured
        held = [await clients_of(node) for node in nodes]
        began_s, cpu_s = time.monotonic(), _cpu_s(nodes)
        await asyncio.sleep(seconds)  # the span that is measured
        ended_s, cpu_s = time.monotonic(), _cpu_s(nodes) - cpu_s
        updates = sum(began_s < it.at_s <= ended_s for client in clients for it in client.receipts)
        for client in clients:
            client.leave()
    return Load(1e6 * cpu_s / updates, updates / (ended_s - began_s), min(held) / count, 1000 * idle_s)


async def measure(count: int, seconds: float) -> list[Figure]:
    """One process, two, and one again: what the machine does besides shows in the two of one."""
    first, two, again = [await load(processes, count, seconds) for processes in (1, 2, 1)]
    one_us = (first.cpu_us_per_update + again.cpu_us_per_update) / 2
    # What a process costs anyway is shared by its updates: the fewer there are, the more it is of each.
    anyway_us = 1000 * two.idle_cpu_ms_per_s / two.updates_per_s
    return [
        Figure("client updates a second, one process", first.updates_per_s, "1/s"),
        Figure("client updates a second, two processes", two.updates_per_s, "1/s"),
        Figure("CPU of a process without clients, a second", two.idle_cpu_ms_per_s, "ms"),
        Figure("CPU of a client update, one process", first.cpu_us_per_update, "us"),
        Figure("CPU of a client update, one process again", again.cpu_us_per_update, "us"),
        Figure("CPU of a client update, two processes", two.cpu_us_per_update, "us"),
        Figure("two over the mean of one", two.cpu_us_per_update / one_us, "", at_most=1.10),
        Figure(
            "the same, less what a process costs without clients",
            (two.cpu_us_per_update - 2 * anyway_us) / (one_us - anyway_us),
            "",
        ),
        Figure("smaller share of the clients", 100 * two.least_share, "%", at_least=40),
    ]


def main() -> None:
    """Measure and print; say what was not measured here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=4000)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    console = Console()
    console.print(
        table(asyncio.run(measure(options.clients, options.seconds)), title="Processes on one port")
    )
    # With fewer cores it would be the clients' own process that is measured.
    cores = f"{len(CPUS)} cores here, {CORES_FOR_A_FACTOR} are needed"
    console.print(f"updates a second of two over one at the same p99: not measured ({cores})")


if __name__ == "__main__":
    main()
