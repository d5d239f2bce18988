"""What many markets cost: messages in, maps every 5 s (watched ones every second), the scanner's table.

Each venue's messages come in the wire form of Binance, a bar and a mark price of every market a second,
through the ordinary connector into maps and a store; no socket lies between. Sizes are markets x venues.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import orjson
import structlog

from liqstream.feeds.exchange_feed import ExchangeFeed
from liqstream.feeds.exchanges.binance import Binance
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.heatmap.market_table import MarketTable
from liqstream.heatmap.updates import heatmap_update_generator
from liqstream.ingest.market_table_loop import MarketTableLoop
from liqstream.market import MINUTE_MS, Candle, MarketEvent, MarketKey, OpenInterest
from liqstream.model.kernel import load_kernel
from liqstream.store.market_store import MarketStore
from liqstream.wire.market_table_message import EncodedMarketTable

SIZES = ((30, 1), (30, 3), (100, 3), (300, 3), (500, 1))
STEP_MS = 5 * MINUTE_MS
HISTORY_BARS = 288
WATCHED = 40
"""Markets that clients follow, whose maps are made every second."""
WINDOW_BITS = 15
"""Of deflate, as Chromium negotiates it."""


def symbols_of(count: int) -> list[str]:
    """Made-up markets."""
    return [f"C{number:03}USDT" for number in range(count)]


def price_of(number: int, at_ms: int) -> float:
    """A price of a market that moves by a tenth of a percent within minutes."""
    level = 10.0 ** (number % 5 - 1) * (1 + number / 1000)
    return level * (1 + 0.001 * math.sin(at_ms / 60_000 + number))


def past(exchange: str, number: int, symbol: str, end_ms: int) -> list[MarketEvent]:
    """A day of bars and open interest."""
    found: list[MarketEvent] = []
    for open_ms in range(end_ms - HISTORY_BARS * STEP_MS, end_ms, STEP_MS):
        price = price_of(number, open_ms)
        held = 1e8 / price * (1 + 0.05 * math.sin(open_ms / 3e6))
        found += [
            OpenInterest(exchange, symbol, open_ms + STEP_MS - 1, held, held),
            Candle(
                exchange, symbol, STEP_MS, open_ms, price, 1.002 * price, 0.998 * price, price, closed=True
            ),
        ]
    return found


def messages(symbols: Sequence[str], now_ms: int) -> list[str]:
    """What a venue says in a second: a forming bar and a mark price of each market."""
    found = []
    open_ms = now_ms - now_ms % STEP_MS
    for number, symbol in enumerate(symbols):
        price = f"{price_of(number, now_ms):.8f}"
        bar = {
            "t": open_ms,
            "T": open_ms + STEP_MS - 1,
            "s": symbol,
            "i": "5m",
            "x": False,
            "o": price,
            "c": price,
            "h": price,
            "l": price,
            "v": "1",
            "q": price,
            "V": "1",
            "Q": price,
        }
        kline = {"e": "kline", "E": now_ms, "s": symbol, "k": bar}
        mark = {"e": "markPriceUpdate", "E": now_ms, "s": symbol, "p": price, "r": "0.0001", "T": now_ms + 1}
        low = symbol.lower()
        found.append(orjson.dumps({"stream": f"{low}@kline_5m", "data": kline}).decode())
        found.append(orjson.dumps({"stream": f"{low}@markPrice@1s", "data": mark}).decode())
    return found


class Venue(Binance):
    """One of several exchanges that speak as Binance does."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.exchange = name


class Run:
    """One size: its parts, and what they cost."""

    def __init__(self, store: MarketStore, markets: int, venues: int) -> None:
        self.symbols = symbols_of(markets)
        self.exchanges = [f"venue{number}" for number in range(venues)]
        self.watched = frozenset(self.symbols[:WATCHED])
        self.store = store
        self.feeds = [ExchangeFeed(Venue(name), self.symbols, interval_ms=STEP_MS) for name in self.exchanges]
        self.maps = LiveMaps(
            store,
            MapModel(load_kernel("tiered"), interval_ms=STEP_MS, history_days=1),
            stale_after_s=15.0,
            epoch=1,
            clock_s=time.monotonic,
        )
        self.maps.rest_unless(lambda: self.watched)
        self.tables: list[EncodedMarketTable] = []
        self.sent = {"plain": 0, "deflated": 0}  # bytes of one scanner client
        self.late_s = 0.0
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

    async def take_in(self, seconds: int) -> None:
        """A round of messages a second."""
        due_s = time.monotonic()
        for _ in range(seconds):
            now_ms = int(time.time() * 1000)
            texts = messages(self.symbols, now_ms)
            for feed in self.feeds:
                for at in range(0, len(texts), 100):
                    for text in texts[at : at + 100]:
                        feed.on_message(text)
                    for batch in feed.drain():
                        self.maps.apply(batch)
                        self.store.enqueue(batch)
                    await asyncio.sleep(0)  # the store's writer and the maps have their turn
            due_s += 1.0
            self.late_s = max(self.late_s, time.monotonic() - due_s)
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))  # a round a second is the load

    async def watch(self) -> None:
        """Make the maps of the watched markets every second, for ever."""
        updates = heatmap_update_generator(
            self.maps.get_latest_heatmap_snapshot,
            active_symbols=lambda: self.watched,
            interval_s=lambda: 1.0,
            wake=asyncio.Event(),
        )
        async for _ in updates:
            pass


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


async def measure(markets: int, venues: int, seconds: int) -> None:
    """Run one size and print its line."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(await MarketStore.open(Path(folder) / "m.duckdb"), markets, venues)
        began_s = cpu_seconds()
        await run.warm()
        warm_s = cpu_seconds() - began_s
        began_s = cpu_seconds()
        for _ in range(10):
            messages(run.symbols, int(time.time() * 1000))
        making = (cpu_seconds() - began_s) / 10  # of the messages themselves, which a server does not make
        tasks = [asyncio.create_task(run.watch()), asyncio.create_task(run.loop.run())]
        began_s = time.monotonic()
        while not run.tables and not any(task.done() for task in tasks):
            await run.take_in(1)
        first_s = time.monotonic() - began_s
        await run.take_in(5)
        run.sent = dict.fromkeys(run.sent, 0)
        began_s, run.late_s = cpu_seconds(), 0.0
        await run.take_in(seconds)
        if not run.tables or None in run.tables[-1].table.fields["price"]:
            raise RuntimeError("no table, or one without prices: nothing was measured")
        share = (cpu_seconds() - began_s) / seconds - making
        print(
            f"{markets} markets x {venues}: {100 * share:.1f} % of a core, {resident_mb():.0f} MB resident "
            f"(a map of one exchange: {map_kilobytes(run)}), "
            f"a scanner {run.sent['deflated'] / seconds / 1000:.1f} kB/s deflated, "
            f"{run.sent['plain'] / seconds / 1000:.1f} plain; warm in {warm_s:.0f} s of CPU, "
            f"first table after {first_s:.0f} s, "
            f"rounds at most {run.late_s:.2f} s late",
            flush=True,
        )
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for feed in run.feeds:
            await feed.close()
        run.maps.close()
        await run.store.close()


def main() -> None:
    """Each size in a process of its own, so that memory is its own; one size with --size."""
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=int, default=20)
    options.add_argument("--size", help="MARKETSxVENUES")
    chosen = options.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if chosen.size:
        markets, venues = map(int, chosen.size.split("x"))
        asyncio.run(measure(markets, venues, chosen.seconds))
        return
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    for markets, venues in SIZES:
        if os.fork() == 0:
            asyncio.run(measure(markets, venues, chosen.seconds))
            os._exit(0)
        os.wait()


if __name__ == "__main__":
    main()
