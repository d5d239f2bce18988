"""Ticks in the middle of it all: how late a price is, how old the one shown is, and what that costs.

The exchange and the server are those of bench_live; the clients ask for protocol 2, first without ticks, the
baseline of the same run, then with them. Then the way in, hop by hop, as the server itself goes it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from aiohttp import web
from rich.console import Console

from bench.bench_live import (
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
from bench.hops import hop_figures
from bench.live_clients import connected
from bench.live_exchange import PRICE_STEP, SYMBOLS, BusyExchange
from bench.tick_clients import TickClient, ages_s, latencies_s
from liqstream.simulator.exchange_server import SimulatedExchange

MARKETS = SYMBOLS[:4]
RATE = 5.0
"""Ticks a second: the server's default."""
SETTLE_S = 3.0


@dataclass(frozen=True, slots=True)
class Phase:
    """What a crowd of clients was sent, at how many exchange messages a second, for what share of a core."""

    clients: list[TickClient]
    began_s: float
    ended_s: float
    rate: float
    cpu_share: float


@asynccontextmanager
async def busy_server(
    folder: Path, rate: float, *, price_step: float = PRICE_STEP
) -> AsyncIterator[tuple[BusyExchange, str, int]]:
    """The exchange, the server's address and its process id."""
    simulated = await SimulatedExchange.open(SYMBOLS)
    exchange = BusyExchange(simulated, rate, price_step=price_step)
    stream = web.Application()
    stream.router.add_get("/market/stream", exchange.stream)
    async with AsyncExitStack() as parts:
        rest_port = await parts.enter_async_context(listening(simulated.app))
        ws_port = await parts.enter_async_context(listening(stream))
        command = serve_arguments(rest_port, ws_port, MARKETS)
        address, pid = await parts.enter_async_context(running(folder, *command, cpu=SERVER_CPU))
        await until_ready(address)
        yield exchange, address, pid


async def phase(server: tuple[BusyExchange, str, int], count: int, seconds: float, *, ticks: bool) -> Phase:
    """So many clients for so long, once they have settled."""
    exchange, address, pid = server
    clients = await connected(
        address, count, MARKETS, lambda symbol, to: TickClient(symbol, to, with_ticks=ticks)
    )
    await asyncio.sleep(SETTLE_S)  # first snapshots are not what is measured
    began_s, cpu_s, sent = time.monotonic(), cpu_seconds(pid), exchange.sent
    await asyncio.sleep(seconds)  # the span that is measured
    ended_s, cpu_s = time.monotonic(), cpu_seconds(pid) - cpu_s
    for client in clients:
        client.leave()
    span_s = ended_s - began_s
    return Phase(clients, began_s, ended_s, (exchange.sent - sent) / span_s, 100 * cpu_s / span_s)


def snapshots_of(part: Phase) -> float:
    """Snapshots a second and client."""
    inside = sum(part.began_s < it.at_s <= part.ended_s for each in part.clients for it in each.receipts)
    return inside / len(part.clients) / (part.ended_s - part.began_s)


def figures(exchange: BusyExchange, plain: Phase, ticked: Phase) -> list[Figure]:
    """What the ticks are, beside the run without."""
    span = (ticked.began_s, ticked.ended_s)
    late = 1000 * latencies_s(exchange, ticked.clients, *span)
    age = 1000 * ages_s(exchange, ticked.clients, *span)
    before = 1000 * ages_s(exchange, plain.clients, plain.began_s, plain.ended_s)
    ticks = len(late) / len(ticked.clients) / (span[1] - span[0])
    return [
        Figure("exchange messages, the lesser of both", min(plain.rate, ticked.rate), "1/s"),
        Figure("ticks a second and client", ticks, "1/s", at_least=0.9 * RATE),
        Figure("snapshots a second and client, without ticks", snapshots_of(plain), "1/s"),
        Figure("snapshots a second and client, with ticks", snapshots_of(ticked), "1/s", at_least=0.95),
        Figure("latency of a tick, p50", float(np.percentile(late, 50)), "ms", at_most=40),
        Figure("latency of a tick, p95", float(np.percentile(late, 95)), "ms", at_most=120),
        Figure("age of the shown price without ticks, p50", float(np.percentile(before, 50)), "ms"),
        Figure("age of the shown price without ticks, p95", float(np.percentile(before, 95)), "ms"),
        Figure("age of the shown price, p50", float(np.percentile(age, 50)), "ms"),
        Figure("age of the shown price, p95", float(np.percentile(age, 95)), "ms", at_most=1000 / RATE + 60),
        Figure("server CPU without ticks", plain.cpu_share, "% of a core"),
        Figure("server CPU with ticks", ticked.cpu_share, "% of a core"),
        Figure("what ticks cost", ticked.cpu_share - plain.cpu_share, "points", at_most=10),
    ]


async def measure(options: argparse.Namespace) -> list[Figure]:
    """Both crowds on one server, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        async with busy_server(Path(folder), options.rate) as (exchange, address, pid):
            server = (exchange, address, pid)
            plain = await phase(server, options.clients, options.seconds, ticks=False)
            ticked = await phase(server, options.clients, options.seconds, ticks=True)
            return figures(exchange, plain, ticked)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=5000.0, help="exchange messages a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {OTHER_CPU})
    console = Console()
    console.print(table(asyncio.run(measure(options)), title="Ticks"))
    console.print(table(asyncio.run(hop_figures()), title="The way in, hop by hop"))


if __name__ == "__main__":
    main()
