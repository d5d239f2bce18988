"""Servers of a fleet without their sockets: real maps, store and Redis, and what clients would get."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from liqstream.fleet.coordinator import Coordinator
from liqstream.fleet.membership import DemandSource, FleetConfig
from liqstream.fleet.redis_pubsub import RedisNames
from liqstream.fleet.redis_url import connect
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.market import MarketKey, MarkPrice
from liqstream.metrics import Metrics
from liqstream.model.kernel import load_kernel
from liqstream.store.epoch_file import EpochFile, epoch_path
from liqstream.store.market_store import MarketStore
from liqstream.supervision.supervise import Supervisor
from tests.support.markets import MINUTE_MS, START_MS, walk

SYMBOL = "BTCUSDT"
BARS = 200
END_MS = START_MS + BARS * 5 * MINUTE_MS
LEASE_S = 1.5


@dataclass
class FleetServer:
    """One server's part in the stream; `seen` is what its clients got."""

    name: str
    coordinator: Coordinator
    maps: LiveMaps | None
    active: set[str]
    changed: asyncio.Event
    metrics: Metrics
    supervisor: Supervisor = field(default_factory=Supervisor)
    seen: list[HeatmapSnapshot] = field(default_factory=list)
    received: asyncio.Event = field(default_factory=asyncio.Event)
    now_ms: int = END_MS

    def price(self, usd: float) -> None:
        """The market moves, as this server's feed brings it."""
        assert self.maps is not None
        self.now_ms += 1000
        self.maps.apply([MarkPrice("binance", SYMBOL, self.now_ms, usd)])

    def subscribe(self, *symbols: str) -> None:
        """The clients of this server subscribe to these now, and to no others."""
        self.active = set(symbols)
        self.changed.set()

    async def receive(self) -> None:
        """Take every batch, as the connection manager does."""
        async for batch in self.coordinator.batches():
            self.seen += batch
            self.received.set()

    async def until(self, condition: Callable[[], bool], timeout_s: float = 10) -> None:
        """Wait for something that a snapshot or the passing of a moment brings about."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self.received.clear()
                try:
                    async with asyncio.timeout(0.02):
                        await self.received.wait()
                except TimeoutError:
                    continue

    def is_in_fallback(self) -> bool:
        """True while it serves from its own maps."""
        return self.coordinator.mode == "fallback"

    async def until_price(self, usd: float, within_s: float = 10) -> HeatmapSnapshot:
        """Wait until clients have the map of this price."""
        await self.until(lambda: bool(self.seen) and self.seen[-1].current_price == usd, within_s)
        return self.seen[-1]

    def assert_only_forward(self) -> None:
        """(epoch, seq) and time only grew, and nothing came twice."""
        positions = [snapshot.position for snapshot in self.seen]
        assert positions == sorted(set(positions)), positions
        times = [snapshot.timestamp_ms for snapshot in self.seen]
        assert times == sorted(times), times


@asynccontextmanager
async def fleet_server(
    url: str, folder: Path, name: str, *, collects: bool = True, lease_s: float = LEASE_S
) -> AsyncIterator[FleetServer]:
    """A running server; without `collects` it has no store and no maps."""
    store = await MarketStore.open(folder / f"{name}.duckdb") if collects else None
    maps = await make_maps(store) if store else None
    metrics, changed = Metrics(), asyncio.Event()
    active: set[str] = set()
    config = FleetConfig(
        RedisNames("heatmap"), server=name, symbols=(SYMBOL, "ETHUSDT"), lease_s=lease_s, stale_after_s=2
    )
    demand = DemandSource(lambda: frozenset(server.active), interval_s=lambda: 1, changed=changed)
    path = epoch_path(folder / f"{name}.duckdb") if collects else None
    epochs = EpochFile(path, on_failure=metrics.epochs_not_kept.inc)
    await epochs.load()
    coordinator = Coordinator(connect(url), config, demand, maps=maps, epochs=epochs, metrics=metrics)
    server = FleetServer(name, coordinator, maps, active, changed, metrics)
    receiving = asyncio.create_task(server.receive())
    try:
        async with coordinator.running(server.supervisor):
            yield server
    finally:
        receiving.cancel()
        await asyncio.wait([receiving])
        if maps and store:
            maps.close()
            await store.close()


@asynccontextmanager
async def leader_and_follower(url: str, folder: Path) -> AsyncIterator[tuple[FleetServer, FleetServer]]:
    """Two collecting servers of one fleet, the leader first; clients of both subscribe to SYMBOL."""
    async with fleet_server(url, folder, "one") as one, fleet_server(url, folder, "two") as two:
        await one.until(lambda: "leader" in (one.coordinator.mode, two.coordinator.mode))
        leader, follower = (one, two) if one.coordinator.mode == "leader" else (two, one)
        for server in (leader, follower):
            server.subscribe(SYMBOL)
        yield leader, follower


async def keep_nothing(_epoch: int) -> None:
    """In the place of EpochFile.keep, for parts whose server is never started again."""


async def make_maps(store: MarketStore) -> LiveMaps:
    """Maps of SYMBOL on one exchange, warm, with a price of END_MS."""
    await store.append(walk(BARS))
    maps = LiveMaps(
        store,
        MapModel(load_kernel("tiered"), interval_ms=5 * MINUTE_MS, history_days=14),
        stale_after_s=600,
        epoch=1,
        clock_s=asyncio.get_running_loop().time,
    )
    maps.set_source("binance", "replay")
    await maps.reload(MarketKey("binance", SYMBOL))
    maps.apply([MarkPrice("binance", SYMBOL, END_MS, 100_000.0)])
    return maps
