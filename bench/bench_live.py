"""A server in the middle of it all: a busy exchange on one side, a thousand clients on the other; and its
restart.

The exchange says 5,000 messages a second in Binance's words to `liqstream serve`, which has a core of its own
and streams to clients that asked for a snapshot a second. The price of a round of messages is said in that
round first, so the snapshot that a client receives tells which messages are in it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import aiohttp
import numpy as np
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from bench.live_clients import Client, connected, missed_ticks
from bench.live_exchange import SYMBOLS, BusyExchange
from liqstream.simulator.exchange_server import SimulatedExchange

RESTARTED = SYMBOLS[:2]
CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU, OTHER_CPU = CPUS[0], CPUS[-1]
SETTLE_S = 3.0


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured beside what it may be at most; without a limit it is only told."""

    what: str
    reached: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool:
        """Whether it is within its limits."""
        return (self.at_most is None or self.reached <= self.at_most) and (
            self.at_least is None or self.reached >= self.at_least
        )


@asynccontextmanager
async def listening(
    app: web.Application, open_socket: Callable[[], socket.socket] = socket.socket
) -> AsyncIterator[int]:
    """Serve `app` on a free port of this machine, or of the network that the socket is of."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    sock = open_socket()
    try:
        sock.bind(("127.0.0.1", 0))
        await web.SockSite(runner, sock).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def running(
    folder: Path,
    *arguments: str,
    cpu: int,
    prefix: tuple[str, ...] = (),
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[tuple[str, int]]:
    """`liqstream ARGUMENTS` on a core of its own until it is no longer needed: its address and process id.

    `prefix` is a command that becomes the one behind it.
    """
    environ = {
        **os.environ,
        "WS_MAX_CONNECTIONS": "10000",
        "LIQSTREAM_MAX_CONNECTIONS_PER_ADDRESS": "0",
        "LIQSTREAM_LOG_LEVEL": "error",
        **(settings or {}),
    }
    command = (*prefix, "taskset", "-c", str(cpu), sys.executable, "-m", "liqstream", *arguments)
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environ, stdout=asyncio.subprocess.PIPE
    )
    try:
        if process.stdout is None:
            raise RuntimeError("no pipe to the process")
        found = re.search(r"http://(\S+)", (await process.stdout.readline()).decode())
        if found is None:
            raise SystemExit(f"liqstream {' '.join(arguments)} did not start")
        yield found[1], process.pid
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


def serve_arguments(rest_port: int, ws_port: int, symbols: tuple[str, ...]) -> tuple[str, ...]:
    """A server of the Binance connector on a simulated exchange; its store is in its folder."""
    return (
        *("serve", "--port", "0", "--exchange", "binance", "--symbol", ",".join(symbols)),
        *("--binance-rest-url", f"http://127.0.0.1:{rest_port}"),
        *("--binance-ws-url", f"ws://127.0.0.1:{ws_port}", "--db", "bench.duckdb"),
    )


async def busy(folder: Path, *, clients: int, rate: float, seconds: float) -> list[Figure]:
    """A server between the exchange and its clients."""
    simulated = await SimulatedExchange.open(SYMBOLS)
    exchange = BusyExchange(simulated, rate)
    stream = web.Application()
    stream.router.add_get("/market/stream", exchange.stream)
    async with AsyncExitStack() as parts:
        rest_port = await parts.enter_async_context(listening(simulated.app))
        ws_port = await parts.enter_async_context(listening(stream))
        command = serve_arguments(rest_port, ws_port, SYMBOLS)
        address, pid = await parts.enter_async_context(running(folder, *command, cpu=SERVER_CPU))
        await until_ready(address)
        crowd = await connected(address, clients, SYMBOLS, Client)
        await asyncio.sleep(SETTLE_S)  # first snapshots and imports are not what is measured
        sent, cpu_s, began_s, lag = exchange.sent, cpu_seconds(pid), time.monotonic(), await lags(address)
        await asyncio.sleep(seconds)  # the span that is measured
        sent, cpu_s, ended_s = exchange.sent - sent, cpu_seconds(pid) - cpu_s, time.monotonic()
        lag = {bound: count - lag[bound] for bound, count in (await lags(address)).items()}
        for client in crowd:
            client.leave()
    wall_s = ended_s - began_s
    waits_s = latencies_s(exchange, crowd, began_s, ended_s)
    late, passed_over = missed_ticks(crowd, began_s, ended_s)
    lost = sum(not any(receipt.at_s > ended_s - 2 for receipt in client.receipts) for client in crowd)
    p50_s, p95_s, p99_s = np.percentile(waits_s, (50, 95, 99))
    received = sum(began_s < receipt.at_s <= ended_s for client in crowd for receipt in client.receipts)
    return [
        Figure("exchange messages taken in", sent / wall_s, "1/s", at_least=0.99 * rate),
        Figure(f"clients of {clients} without a stream at the end", lost, "", at_most=0),
        Figure("snapshots received", received / wall_s, "1/s", at_least=0.99 * clients),
        Figure("ticks missed: more than 1.5 s without a snapshot", late, "", at_most=0),
        Figure("ticks missed: snapshots passed over", passed_over, "", at_most=0),
        Figure("server CPU", 100 * cpu_s / wall_s, "% of a core", at_most=100),
        Figure("event loop lag, p50 below", bucket_ms(lag, 0.5), "ms"),
        Figure("event loop lag, p99 below", bucket_ms(lag, 0.99), "ms"),
        Figure("exchange's socket to client's receipt, p50", 1000 * p50_s, "ms"),
        Figure("exchange's socket to client's receipt, p95", 1000 * p95_s, "ms", at_most=1050),
        Figure("exchange's socket to client's receipt, p99", 1000 * p99_s, "ms", at_most=1050),
        Figure("exchange's socket to client's receipt, longest", 1000 * float(waits_s.max()), "ms"),
    ]


async def until_ready(address: str, health_socket: Path | None = None) -> None:
    """Wait until the feed is connected and every symbol has spoken."""
    connector = None if health_socket is None else aiohttp.UnixConnector(str(health_socket))
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.timeout(60):
        while True:
            async with session.get(f"http://{address}/ready") as answer:
                if (await answer.json())["status"] == "ready":
                    return
            await asyncio.sleep(0.2)  # between two questions whether it is ready


async def lags(address: str) -> dict[float, float]:
    """How often the server's event loop was late by at most so many seconds."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}/metrics") as answer:
        text = await answer.text()
    return {
        float(sample.labels["le"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "liqstream_event_loop_lag_seconds_bucket"
    }


def bucket_ms(counts: dict[float, float], share: float) -> float:
    """The bound below which that share of the cases lies."""
    total = max(counts.values())
    return 1000 * min(bound for bound, count in counts.items() if count >= share * total)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def latencies_s(
    exchange: BusyExchange, crowd: list[Client], began_s: float, ended_s: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """From each round's messages to the first snapshot with them, for every client."""
    said_s = np.array(exchange.said_s)
    waits: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = []
    for client in crowd:
        for before, after in pairwise(client.receipts):
            if began_s < after.at_s <= ended_s:
                held, new = (exchange.round_of(client.symbol, it.price) for it in (before, after))
                waits.append(after.at_s - said_s[held + 1 : new + 1])
    return np.concatenate(waits)


async def restart(folder: Path) -> list[Figure]:
    """A server that comes back to a filled store."""
    command = ("simulate", "--port", "0", "--symbol", ",".join(RESTARTED))
    async with running(folder, *command, cpu=OTHER_CPU) as (simulator, _):
        port = int(simulator.rpartition(":")[2])
        arguments = serve_arguments(port, port, RESTARTED)
        async with running(folder, *arguments, cpu=SERVER_CPU) as (address, _):
            await until_ready(address)
            filled = await levels(address)
        times_s, found = [], 0
        for _ in range(3):
            began_s = time.monotonic()
            async with running(folder, *arguments, cpu=SERVER_CPU) as (address, _):
                listening_s = time.monotonic() - began_s
                found = await levels(address)
                times_s.append((time.monotonic() - began_s, listening_s))
    if found < filled / 2:
        raise SystemExit(f"the restarted server shows {found} levels, not the {filled} of before")
    imports = ("taskset", "-c", str(SERVER_CPU), sys.executable, "-c", "import liqstream.cli.serve")
    began_s = time.monotonic()
    await asyncio.to_thread(subprocess.run, imports, check=True)
    imports_s = time.monotonic() - began_s
    first_s, listening_s = sorted(times_s)[1]
    return [
        Figure("restart with a week in the store: to the first snapshot", first_s, "s", at_most=2),
        Figure("of which until it listens", listening_s, "s"),
        Figure("of which Python and its imports", imports_s, "s"),
    ]


async def levels(address: str) -> int:
    """How many levels the first snapshot of a new client has, once all followed symbols came."""
    counts: dict[str, int] = {}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"ws://{address}/ws/heatmap", max_msg_size=0) as ws,
    ):
        await ws.send_json({"action": "subscribe", "symbols": RESTARTED, "update_interval": 1})
        while len(counts) < len(RESTARTED):
            message = await ws.receive_json(timeout=30)
            if message["type"] == "snapshot":
                counts[message["symbol"]] = len(message["data"]["levels"])
    return sum(counts.values())


def table(figures: list[Figure], *, title: str = "A live server") -> Table:
    """Figure, reached, limit."""
    made = Table(title=title)
    made.add_column("figure")
    made.add_column("reached", justify="right")
    made.add_column("limit", justify="right")
    made.add_column("")
    for it in figures:
        bound = it.at_most if it.at_most is not None else it.at_least
        sign = "<=" if it.at_most is not None else ">="
        made.add_row(
            it.what,
            f"{it.reached:,.4g} {it.unit}",
            "" if bound is None else f"{sign} {bound:,.4g}",
            "" if bound is None else "yes" if it.met else "[red]NO",
        )
    return made


async def measure(options: argparse.Namespace) -> list[Figure]:
    """Both parts, one after the other."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        figures = await restart(Path(first))
        return figures + await busy(
            Path(second), clients=options.clients, rate=options.rate, seconds=options.seconds
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=5000.0, help="exchange messages a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {OTHER_CPU})
    Console().print(table(asyncio.run(measure(parser.parse_args()))))


if __name__ == "__main__":
    main()
