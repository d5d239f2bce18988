"""Servers of a fleet without their sockets: real maps, store and Redis, and what clients would be given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from liqstream.heatmap.kernel import load_kernel
from liqstream.heatmap.latest import LiveMaps
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.market import MarketKey, MarkPrice
from liqstream.metrics import Metrics
from liqstream.store.market_store import MarketStore
from liqstream.ws.redis_address import connect
from liqstream.ws.redis_pubsub import RedisNames, order
from liqstream.ws.shared_updates import SharedUpdates
from tests.markets import MINUTE_MS, START_MS, walk

SYMBOL = "BTCUSDT"
BARS = 200
END_MS = START_MS + BARS * 5 * MINUTE_MS
LEASE_S = 1.5


@dataclass
class FleetServer:
    """One server's part in the stream; `seen` is what its clients were given."""

    name: str
    updates: SharedUpdates
    maps: LiveMaps | None
    active: set[str]
    changed: asyncio.Event
    metrics: Metrics
    seen: list[HeatmapSnapshot] = field(default_factory=list)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    now_ms: int = END_MS

    def price(self, usd: float) -> None:
        """The market moves, as this server hears it."""
        assert self.maps is not None
        self.now_ms += 1000
        self.maps.apply([MarkPrice("binance", SYMBOL, self.now_ms, usd)])

    def follow(self, *symbols: str) -> None:
        """These are followed by clients of this server now."""
        self.active = set(symbols)
        self.changed.set()

    async def take(self) -> None:
        """Be the connection manager."""
        async for tick in self.updates.ticks():
            self.seen += tick
            self.told.set()

    async def until(self, condition: Callable[[], bool], timeout_s: float = 10) -> None:
        """Wait for something that a snapshot or the passing of a moment brings about."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self.told.clear()
                try:
                    async with asyncio.timeout(0.02):
                        await self.told.wait()
                except TimeoutError:
                    continue

    def is_in_fallback(self) -> bool:
        """True while it serves from its own maps."""
        return self.updates.mode == "fallback"

    async def until_price(self, usd: float, within_s: float = 10) -> HeatmapSnapshot:
        """Wait until clients have the map of this price."""
        await self.until(lambda: bool(self.seen) and self.seen[-1].current_price == usd, within_s)
        return self.seen[-1]

    def assert_only_forward(self) -> None:
        """(epoch, seq) and time only grew, and nothing came twice."""
        orders = [order(snapshot) for snapshot in self.seen]
        assert orders == sorted(set(orders)), orders
        times = [snapshot.timestamp_ms for snapshot in self.seen]
        assert times == sorted(times), times


@asynccontextmanager
async def fleet_server(
    url: str, folder: Path, name: str, *, collects: bool = True, lease_s: float = LEASE_S
) -> AsyncIterator[FleetServer]:
    """A running server; without `collects` it has no store and no maps."""
    store = await MarketStore.open(folder / f"{name}.duckdb") if collects else None
    maps = await _maps(store) if store else None
    metrics, changed = Metrics(), asyncio.Event()
    active: set[str] = set()
    updates = SharedUpdates(
        connect(url),
        names=RedisNames("heatmap"),
        server=name,
        symbols=(SYMBOL, "ETHUSDT"),
        maps=maps,
        active_symbols=lambda: frozenset(server.active),
        interval_s=lambda: 1,
        changed=changed,
        lease_s=lease_s,
        stale_after_s=2,
        metrics=metrics,
    )
    server = FleetServer(name, updates, maps, active, changed, metrics)
    tasks = [asyncio.create_task(updates.run()), asyncio.create_task(server.take())]
    try:
        yield server
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if maps and store:
            maps.close()
            await store.close()


async def _maps(store: MarketStore) -> LiveMaps:
    await store.append(walk(BARS))
    maps = LiveMaps(
        store,
        load_kernel("tiered"),
        interval_ms=5 * MINUTE_MS,
        history_days=14,
        stale_after_s=600,
        epoch=1,
        clock_s=asyncio.get_running_loop().time,
    )
    maps.set_source("binance", "replay")
    await maps.reload(MarketKey("binance", SYMBOL))
    maps.apply([MarkPrice("binance", SYMBOL, END_MS, 100_000.0)])
    return maps
