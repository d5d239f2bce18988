"""A simulated exchange on a real socket, a feed, a store and maps: everything from wire to disk."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from aiohttp import web

from liqstream.feeds.exchange_access import Endpoints
from liqstream.feeds.exchange_feed import ExchangeFeed
from liqstream.feeds.exchanges.binance import Binance
from liqstream.feeds.pacing import FeedTiming
from liqstream.feeds.schedule import Schedule
from liqstream.feeds.venue import Venue
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.ingest.pipeline import IngestPipeline
from liqstream.market import MINUTE_MS, Bars, MarketEvent, MarketKey
from liqstream.model.kernel import load_kernel
from liqstream.simulator.clock import MarketClock
from liqstream.simulator.exchange_server import SimulatedExchange
from liqstream.simulator.market import Bar
from liqstream.store.market_store import MarketStore
from liqstream.supervision.backoff import FullJitter
from liqstream.supervision.clock import SYSTEM_CLOCK, Clock
from tests.support.market_start import SHORT_HISTORY_DAYS, START_MS

SYMBOLS = ("BTCUSDT", "ETHUSDT")
UNLISTED = "LTCUSDT"
STALE_AFTER_S = 0.6


@asynccontextmanager
async def simulated_exchange(
    *, speed: float = 60.0, round_s: float = 0.05, symbols: Sequence[str] = SYMBOLS, port: int = 0
) -> AsyncIterator[tuple[SimulatedExchange, int]]:
    """A simulated exchange that has had some hours already, and the port it is on."""
    exchange = await SimulatedExchange.open(
        symbols, clock=MarketClock(speed, START_MS), round_s=round_s, history_days=SHORT_HISTORY_DAYS
    )
    async with serving(exchange.app, port) as bound:
        yield exchange, bound


@asynccontextmanager
async def serving(app: web.Application, port: int = 0) -> AsyncIterator[int]:
    """An application on a loopback port."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def connector(
    port: int,
    venue: Venue | None = None,
    symbols: Sequence[str] = SYMBOLS,
    *,
    interval_ms: int = MINUTE_MS,
    max_age_s: float | None = None,
    stale_after_s: float = STALE_AFTER_S,
    connects_per_s: float = 10.0,
    clock: Clock = SYSTEM_CLOCK,
    state_path: Path | None = None,
    below: str = "",
) -> ExchangeFeed:
    """A feed of the simulated exchange, or of what is `below` a path of it, that gives up in less time."""
    return ExchangeFeed(
        venue or Binance(),
        symbols,
        interval_ms=interval_ms,
        history_days=2 + SHORT_HISTORY_DAYS,
        endpoints=Endpoints(
            f"http://127.0.0.1:{port}{below}", f"ws://127.0.0.1:{port}{below}", state_path=state_path
        ),
        timing=FeedTiming(
            stale_after_s=stale_after_s,
            max_age_s=max_age_s,
            connects_per_s=connects_per_s,
            make_schedule=lambda: Schedule(FullJitter(base_s=0.05, cap_s=0.2, random=random.Random(1))),
            clock=clock,
        ),
    )


@dataclass(slots=True)
class Rig:
    """What a test looks at."""

    exchange: SimulatedExchange
    port: int
    feed: ExchangeFeed
    store: MarketStore
    maps: LiveMaps
    collector: IngestPipeline

    def is_stale(self) -> bool:
        """What the page would say of the first symbol."""
        return self.maps.is_stale("BTCUSDT")

    async def stored(self, symbol: str) -> Bars:
        """The symbol's bars in the store, all committed."""
        await self.store.flush()
        return await self.store.bars(self.feed.exchange, symbol, MINUTE_MS)

    def true_bars(self, symbol: str, start_ms: int, end_ms: int) -> list[Bar]:
        """The closed bars the exchange really had."""
        return self.exchange.market.bars(
            symbol, MINUTE_MS, start_ms=start_ms, end_ms=end_ms, now_ms=self.exchange.clock.now_ms()
        )

    async def newest_bar_ms(self) -> int:
        """Open time of the newest bar of the first symbol in the store; 0 if there is none."""
        await self.store.flush()
        return await self.store.newest_bar_ms(self.feed.exchange, "BTCUSDT", MINUTE_MS) or 0

    async def next_bars(self, count: int = 1) -> None:
        """Wait until that many more bars are in the store."""
        wanted = await self.newest_bar_ms() + count * MINUTE_MS

        async def there() -> bool:
            return await self.newest_bar_ms() >= wanted

        await eventually(there)

    async def _has_no_gap(self) -> bool:
        every = [await self.stored(symbol) for symbol in self.feed.symbols]
        return all((np.diff(bars.open_time_ms) == MINUTE_MS).all() for bars in every)

    async def check_stored(self) -> None:
        """The store comes to hold every bar of every symbol from the first on, once, as it really was."""
        await eventually(self._has_no_gap)
        for symbol in self.feed.symbols:
            bars = await self.stored(symbol)
            first_ms, last_ms = int(bars.open_time_ms[0]), int(bars.open_time_ms[-1])
            expected = self.true_bars(symbol, self.exchange.market.first_ms, last_ms + 1)
            assert first_ms == self.exchange.market.first_ms
            assert bars.open_time_ms.tolist() == [bar.open_time_ms for bar in expected]
            names = ["open", "high", "low", "close", "volume_base", "taker_buy_base"]
            if np.isnan(bars.taker_buy_base).all():
                names.pop()  # OKX and Hyperliquid do not send it
            for name in names:
                assert getattr(bars, name).tolist() == [getattr(bar, name) for bar in expected], name


@asynccontextmanager
async def rig(
    tmp_path: Path,
    *,
    venue: Venue | None = None,
    speed: float = 300.0,
    max_age_s: float | None = None,
    connects_per_s: float = 10.0,
    symbols: Sequence[str] = SYMBOLS,
) -> AsyncIterator[Rig]:
    """The whole way from a simulated exchange to a store, collecting."""
    listed = [symbol for symbol in symbols if symbol != UNLISTED]
    async with simulated_exchange(speed=speed, symbols=listed) as (exchange, port):
        feed = connector(port, venue, symbols, max_age_s=max_age_s, connects_per_s=connects_per_s)
        store = await MarketStore.open(tmp_path / "market.duckdb", commit_interval_s=0.05)
        maps = LiveMaps(
            store,
            MapModel(load_kernel("tiered"), interval_ms=MINUTE_MS, history_days=1),
            stale_after_s=STALE_AFTER_S,
            epoch=1,
            clock_s=time.monotonic,
        )
        collector = IngestPipeline([feed], store, maps, interval_ms=MINUTE_MS)
        await collector.start()
        work = asyncio.create_task(collector.run())
        try:
            await eventually(lambda: feed.status.connected)
            yield Rig(exchange, port, feed, store, maps, collector)
        finally:
            work.cancel()
            await asyncio.wait({work})
            await collector.close()
            maps.close()
            await store.close()


async def eventually(condition: Callable[[], object], within_s: float = 20.0) -> None:
    """Wait until a condition (or what it returns, awaited) is true; TimeoutError if it never is."""
    async with asyncio.timeout(within_s):
        while True:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return
            await asyncio.sleep(0.01)


async def collected(
    feed: ExchangeFeed, enough: Callable[[list[MarketEvent]], bool], within_s: float = 20.0
) -> list[MarketEvent]:
    """What a feed delivers until it is enough."""
    events: list[MarketEvent] = []
    generator = feed.events()
    try:
        async with asyncio.timeout(within_s):
            async for batch in generator:
                events += batch
                if enough(events):
                    break
    finally:
        await generator.aclose()
    return events


def nothing_known(feed: ExchangeFeed) -> dict[MarketKey, int | None]:
    """An empty store's answer."""
    return {MarketKey(feed.exchange, symbol): None for symbol in feed.symbols}
