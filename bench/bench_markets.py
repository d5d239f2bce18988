"""What many markets cost: messages in, maps every 5 s (watched ones every second), the scanner's table.

Each venue's messages come in the wire form of Binance, a bar and a mark price of every market a second,
through the ordinary connector and pipeline into maps and a store; no socket lies between. Sizes are markets x
venues. Each is measured without clients, in several spans, and then with 1,000 on four markets each and 100
on the table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import resource
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import structlog
from aiohttp import web
from rich.console import Console

from bench.bench_live import CPUS, Figure, listening, table
from bench.market_load import STEP_MS, messages, past, symbols_of
from liqstream.admission.policy import ADMISSION, AdmissionPolicy
from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.feeds.exchange_feed import ExchangeFeed
from liqstream.feeds.exchanges.binance import Binance
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.heatmap.market_table import MarketTable
from liqstream.heatmap.updates import heatmap_update_generator
from liqstream.ingest.market_table_loop import LEVELS_AGE_S, MarketTableLoop
from liqstream.ingest.pipeline import IngestPipeline
from liqstream.market import MarketEvent, MarketKey
from liqstream.model.kernel import load_kernel
from liqstream.settings.table import Settings
from liqstream.store.market_store import MarketStore
from liqstream.wire.market_table_message import EncodedMarketTable
from liqstream.ws.endpoint import CONFIG, MANAGER, WsConfig, add_ws_routes

SIZES = ((30, 1), (30, 3), (100, 3), (300, 3), (500, 1))
SPANS = 4
"""That the CPU is measured in: how much it varies is told with it."""
MAP_CLIENTS, TABLE_CLIENTS = 1000, 100
WATCHED = 40
"""Markets that clients follow, whose maps are made every second."""
WINDOW_BITS = 15
"""Of deflate, as Chromium negotiates it."""


class GivenFeed(ExchangeFeed):
    """A feed of messages that it is given, in the place of its sockets'."""

    def __init__(self, name: str, symbols: Sequence[str]) -> None:
        super().__init__(Binance(name), symbols, interval_ms=STEP_MS)
        self._batches: asyncio.Queue[Sequence[MarketEvent]] = asyncio.Queue()

    def give(self, texts: Sequence[str]) -> None:
        """Read messages; what is in them comes out of `events`."""
        for text in texts:
            self.on_message(text)
        self.status.connected = True
        for batch in self.drain():
            self._batches.put_nowait(batch)

    async def backfill(self, newest_ms: dict[MarketKey, int | None]) -> AsyncGenerator[Sequence[MarketEvent]]:
        """Nothing: the store has the past already."""
        nothing: Sequence[Sequence[MarketEvent]] = ()
        for batch in nothing:
            yield batch

    async def events(self) -> AsyncGenerator[Sequence[MarketEvent]]:
        """What was given, for ever."""
        while True:
            yield await self._batches.get()


class Run:
    """One size: its parts, and what they cost."""

    def __init__(self, store: MarketStore, markets: int, venues: int) -> None:
        self.symbols = symbols_of(markets)
        self.exchanges = [f"venue{number}" for number in range(venues)]
        self.watched = frozenset(self.symbols[:WATCHED])
        self.store = store
        self.feeds = [GivenFeed(name, self.symbols) for name in self.exchanges]
        self.maps = LiveMaps(
            store,
            MapModel(load_kernel("tiered"), interval_ms=STEP_MS, history_days=1),
            stale_after_s=15.0,
            epoch=1,
            clock_s=time.monotonic,
        )
        self.maps.rest_unless(lambda: self.watched)
        self.pipeline = IngestPipeline(self.feeds, store, self.maps, interval_ms=STEP_MS)
        self.tables: list[EncodedMarketTable] = []
        self.sent = {"plain": 0, "deflated": 0}  # bytes of one scanner client
        self.late_s = 0.0
        self.oldest_figure_s = 0.0  # of a map, as a table was made
        self.manager = ConnectionManager(update_interval_s=1)
        self.loop = MarketTableLoop(
            store, self.maps, self.symbols, on_table=self.show, clock_s=time.monotonic
        )

    async def warm(self) -> None:
        """Give every market its day, and its map."""
        end_ms = int(time.time() * 1000) // STEP_MS * STEP_MS
        for exchange in self.exchanges:
            for number, symbol in enumerate(self.symbols):
                await self.store.append(past(exchange, number, symbol, end_ms))
        for exchange in self.exchanges:
            for symbol in self.symbols:
                await self.maps.reload(MarketKey(exchange, symbol))

    async def show(self, table: MarketTable) -> None:
        """Make the frames that every scanner is sent."""
        made = EncodedMarketTable(table, self.tables[-1].table if self.tables else None)
        if made.base is not None:
            self.sent["plain"] += len(made.frame(0, is_delta=True))
            self.sent["deflated"] += len(made.frame(WINDOW_BITS, is_delta=True))
        self.tables = [made]
        self.manager.markets.offer(table)
        now_s = time.monotonic()
        figures = [self.loop._figures[symbol] for symbol in self.symbols if symbol in self.loop._figures]
        self.oldest_figure_s = max([self.oldest_figure_s, *(now_s - each.made_s for each in figures)])

    async def take_in(self, seconds: int) -> None:
        """A round of messages a second."""
        due_s = time.monotonic()
        for _ in range(seconds):
            now_ms = int(time.time() * 1000)
            texts = messages(self.symbols, now_ms)
            for feed in self.feeds:
                for at in range(0, len(texts), 100):
                    feed.give(texts[at : at + 100])
                    await asyncio.sleep(0)  # the pipeline, the store's writer and the maps have their turn
            due_s += 1.0
            self.late_s = max(self.late_s, time.monotonic() - due_s)
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))  # a round a second is the load

    async def stream(self) -> None:
        """Make the maps of the watched markets every second and send them, for ever."""
        updates = heatmap_update_generator(
            self.maps.get_latest_heatmap_snapshot,
            active_symbols=lambda: self.watched | self.manager.active_symbols(),
            interval_s=lambda: 1.0,
            wake=self.manager.changed,
        )
        async for batch in updates:
            await self.manager.broadcast(*batch)


def map_kilobytes(run: Run) -> str:
    """What the arrays of one exchange's market take, of markets that are watched and of others."""
    by_kind: dict[str, list[int]] = {"watched": [], "at rest": []}
    for market, count in run.maps._markets.nbytes.items():
        by_kind["watched" if market.symbol in run.watched else "at rest"].append(count)
    means = {kind: sum(counts) / len(counts) for kind, counts in by_kind.items() if counts}
    return ", ".join(f"{kind} {mean / 1000:.0f} kB" for kind, mean in means.items())


def cpu_seconds() -> float:
    """Of this process, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident_mb() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@asynccontextmanager
async def served(manager: ConnectionManager, symbols: Sequence[str]) -> AsyncIterator[int]:
    """The stream's endpoint on a free port."""
    app = web.Application()
    app[CONFIG] = WsConfig(symbols=symbols)
    app[ADMISSION] = AdmissionPolicy(Settings(ws_max_connections=10_000))
    app[MANAGER] = manager
    add_ws_routes(app)
    async with listening(app) as port:
        yield port


@asynccontextmanager
async def clients_of(port: int, watched: int) -> AsyncIterator[Process]:
    """The process of clients of so many markets, once all have what they asked for."""
    given = [port, MAP_CLIENTS, TABLE_CLIENTS, CPUS[-1], watched]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.market_clients", *map(str, given), stdin=PIPE, stdout=PIPE
    )
    assert process.stdout is not None
    try:
        if await process.stdout.readline() != b"ready\n":
            raise RuntimeError("the clients did not come")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def cost(run: Run, seconds: int, making: float) -> float:
    """The share of a core that a span takes, less what the messages themselves take to make."""
    began_s = cpu_seconds()
    await run.take_in(seconds)
    return 100 * ((cpu_seconds() - began_s) / seconds - making)


async def with_clients(run: Run, seconds: int, making: float) -> tuple[float, dict[str, float]]:
    """The same with 1,100 clients, and what they saw."""
    async with served(run.manager, run.symbols) as port:
        # The maps go on while the clients come: their first snapshots need them.
        coming = asyncio.ensure_future(run.take_in(10**6))
        async with clients_of(port, len(run.watched)) as clients:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
            await run.take_in(3)
            assert clients.stdin is not None
            assert clients.stdout is not None
            clients.stdin.write(b"begin\n")
            share = await cost(run, seconds, making)
            clients.stdin.write(b"end\n")
            saw: dict[str, float] = json.loads(await clients.stdout.readline())
        await run.manager.close(grace_s=0.1)
    return share, saw


def figures_of(markets: int, venues: int, shares: Sequence[float], run: Run, span_s: float) -> list[Figure]:
    """What is set for this size, and what is not."""
    at_most = {(30, 1): 3.5, (300, 3): 35.0}.get((markets, venues))
    most_mb = 1200.0 if (markets, venues) == (300, 3) else None
    most_kb = (10.0, 20.0) if markets == 500 else (None, None)
    spans = f"{len(shares)} spans, {min(shares):.1f} to {max(shares):.1f}"
    return [
        Figure(f"CPU without clients, median of {spans}", median(shares), "%", at_most),
        Figure("resident memory", resident_mb(), "MB", most_mb),
        Figure("a scanner's bytes, deflated", run.sent["deflated"] / span_s / 1000, "kB/s", most_kb[0]),
        Figure("a scanner's bytes, plain", run.sent["plain"] / span_s / 1000, "kB/s", most_kb[1]),
    ]


def figures_seen(saw: dict[str, float], share: float, alone: float, run: Run) -> list[Figure]:
    """What clients saw, and their share."""
    return [
        Figure("CPU with 1,100 clients, less what it was without", share - alone, "%"),
        Figure("snapshots the clients got", saw["snapshots"], ""),
        Figure("snapshots passed over", saw["passed_over"], "", 0),
        Figure("snapshots more than half a second late", saw["late"], ""),
        Figure("tables missed", saw["tables_missed"], "", 0),
        Figure("clients lost", saw["lost"], "", 0),
        Figure("longest that a new price was not in a table", saw["unseen_price_s"], "s", 2.5),
        Figure("oldest figure of a map in a table", run.oldest_figure_s + LEVELS_AGE_S, "s", 7.5),
    ]


async def measure(markets: int, venues: int, seconds: int) -> bool:
    """Run one size and print its figures; whether all are within their limits."""
    os.sched_setaffinity(0, CPUS[:-1] or CPUS)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(await MarketStore.open(Path(folder) / "m.duckdb"), markets, venues)
        began_s = cpu_seconds()
        await run.warm()
        warm_s = cpu_seconds() - began_s
        began_s = cpu_seconds()
        for _ in range(10):
            messages(run.symbols, int(time.time() * 1000))
        making = (cpu_seconds() - began_s) / 10  # of the messages themselves, which a server does not make
        tasks = [asyncio.create_task(each) for each in (run.stream(), run.loop.run(), run.pipeline.run())]
        began_s = time.monotonic()
        while not run.tables and not any(task.done() for task in tasks):
            await run.take_in(1)
        first_s = time.monotonic() - began_s
        await run.take_in(5)
        run.sent, run.late_s, run.oldest_figure_s = dict.fromkeys(run.sent, 0), 0.0, 0.0
        spans = [await cost(run, max(5, seconds // SPANS), making) for _ in range(SPANS)]
        if not run.tables or None in run.tables[-1].table.fields["price"]:
            raise RuntimeError("no table, or one without prices: nothing was measured")
        if any(run.maps.exchanges(symbol) != tuple(run.exchanges) for symbol in run.symbols):
            raise RuntimeError("a market of other venues than those that were given")
        found = figures_of(markets, venues, spans, run, SPANS * max(5, seconds // SPANS))
        share, saw = await with_clients(run, seconds, making)
        found += figures_seen(saw, share, median(spans), run)
        Console().print(
            table(found, title=f"{markets} markets x {venues}"),
            f"a map of one exchange: {map_kilobytes(run)}; warm in {warm_s:.0f} s of CPU, first table after "
            f"{first_s:.0f} s, rounds at most {run.late_s:.2f} s late",
        )
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await run.pipeline.close()
        run.maps.close()
        await run.store.close()
    return all(it.met for it in found)


def main() -> None:
    """Each size in a process of its own, so that memory is its own; one size with --size."""
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=int, default=20)
    options.add_argument("--size", help="MARKETSxVENUES")
    chosen = options.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if chosen.size:
        markets, venues = map(int, chosen.size.split("x"))
        sys.exit(not asyncio.run(measure(markets, venues, chosen.seconds)))
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    missed = False
    for markets, venues in SIZES:
        if os.fork() == 0:
            os._exit(not asyncio.run(measure(markets, venues, chosen.seconds)))
        missed |= os.wait()[1] != 0
    sys.exit(missed)


if __name__ == "__main__":
    main()
