"""A reader of ticks over real maps: what it shows and hides is what the server clears, bar by bar.

The oracle keeps every bar as it was last said to the maps and knows nothing of the code that makes ticks.
"""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.market import Candle, MarketEvent, MarketKey, OpenInterest
from liqstream.model.kernel import load_kernel
from liqstream.model.spread import BIN_WIDTH
from liqstream.store.market_store import MarketStore
from tests.support.frame_reader import Message, hidden_by
from tests.support.hand_client import HandClient, done
from tests.support.hand_clock import HandClock
from tests.support.markets import MINUTE_MS, walk

SYMBOL = "BTCUSDT"
EXCHANGES = ("binance", "bybit", "okx")
INTERVAL_MS = 5 * MINUTE_MS
PAST = walk(400)


def bars_of(exchange: str) -> list[MarketEvent]:
    """The past of one exchange: the same prices, its own records."""
    return [replace(record, exchange=exchange) for record in PAST]


@pytest.fixture
async def maps(tmp_path: Path) -> AsyncIterator[LiveMaps]:
    """Maps of three exchanges with a past."""
    store = await MarketStore.open(tmp_path / "market.duckdb")
    made = LiveMaps(
        store,
        MapModel(load_kernel("tiered"), interval_ms=INTERVAL_MS, history_days=14),
        stale_after_s=1e9,
        epoch=7,
        clock_s=lambda: 1000.0,
    )
    for exchange in EXCHANGES:
        await store.append(bars_of(exchange))
        await made.reload(MarketKey(exchange, SYMBOL))
    yield made
    made.close()
    await store.close()


def flat(exchange: str, open_ms: int, price_usd: float, *, closed: bool) -> Candle:
    """A bar of one price."""
    prices = (price_usd, price_usd, price_usd, price_usd)
    return Candle(exchange, SYMBOL, INTERVAL_MS, open_ms, *prices, closed=closed)


class Exchange:
    """One exchange's bars as they are said, and by what they clear the map from a snapshot on."""

    def __init__(self, name: str, last: Candle, rng: random.Random) -> None:
        self.name, self.rng = name, rng
        self.bar = flat(name, last.open_time_ms, last.close, closed=True)
        self.said: dict[int, Candle] = {}  # every bar as it was last said
        self.at_snapshot: dict[int, dict[int, Candle]] = {}  # the same when each seq was made

    def move(self, price_usd: float) -> list[MarketEvent]:
        """The bar goes on to about a price, or closes and another one opens."""
        bar, said = self.bar, []
        if bar.closed or self.rng.random() < 0.15:
            if not bar.closed:
                said.append(self._say(bar.open, bar.high, bar.low, bar.close, closed=True))
            self.bar = flat(self.name, bar.open_time_ms + INTERVAL_MS, bar.close, closed=False)
            bar = self.bar
        close = price_usd * math.exp(self.rng.gauss(0.0, 0.0005))
        wick = close * math.exp(self.rng.choice((0.0, 0.0, -0.003, 0.003)))
        high, low = max(bar.high, close, wick), min(bar.low, close, wick)
        return [*said, self._say(bar.open, high, low, close, closed=False)]

    def _say(self, open_: float, high: float, low: float, close: float, *, closed: bool) -> Candle:
        at = self.bar.open_time_ms
        self.bar = Candle(self.name, SYMBOL, INTERVAL_MS, at, open_, high, low, close, closed=closed)
        self.said[at] = self.bar
        return self.bar

    def cleared_since(self, seq: int) -> tuple[float, float]:
        """Lowest and highest price that bars clear now and did not clear at a snapshot."""
        before, low, high = self.at_snapshot[seq], self.bar.close, self.bar.close
        for at, bar in self.said.items():
            then = before.get(at)
            low = min(low, bar.low if then is None or bar.low < then.low else math.inf)
            high = max(high, bar.high if then is None or bar.high > then.high else -math.inf)
        return low, high


class Run:
    """Maps, clients with and without ticks at two intervals, and exchanges that are moved at random."""

    def __init__(self, maps: LiveMaps, seed: int) -> None:
        self.maps, self.rng, self.clock = maps, random.Random(seed), HandClock()
        last = [record for record in PAST if isinstance(record, Candle)][-1]
        self.exchanges = [Exchange(name, last, self.rng) for name in EXCHANGES]
        self.manager = ConnectionManager(timers=self.clock, now_ms=lambda: 0)
        self.manager.ticks.price_since = maps.price_since
        self.plain = [self.client(interval_s, ticks=False) for interval_s in (1, 3)]
        self.ticked = [self.client(interval_s, ticks=True) for interval_s in (1, 3)]
        self.hidden, self.price_usd = 0, last.close
        for name in EXCHANGES:  # no new positions: what is gone from a map was cleared
            maps.apply([OpenInterest(name, SYMBOL, last.open_time_ms + INTERVAL_MS, 0.0, 0.0)])

    def client(self, interval_s: int, *, ticks: bool) -> HandClient:
        client = HandClient(self.manager, 0)
        done(self.manager.connect(client.ws, [SYMBOL], interval_s=interval_s, proto=2, ticks=ticks))
        return client

    async def snapshot(self) -> HeatmapSnapshot:
        made = await self.maps.get_latest_heatmap_snapshot(SYMBOL)
        assert made is not None
        for exchange in self.exchanges:
            exchange.at_snapshot.setdefault(made.seq, dict(exchange.said))
        return made

    def move(self) -> None:
        self.price_usd *= math.exp(self.rng.gauss(0.0, 0.004))
        for exchange in self.rng.sample(self.exchanges, self.rng.choice((1, 2, 3))):
            self.maps.apply(exchange.move(self.price_usd))
        self.manager.ticks.note([SYMBOL])

    async def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for client in self.ticked:
            await self.look(client)

    async def look(self, client: HandClient) -> None:
        """Check the tick that has arrived last, against the oracle and against the map of this moment."""
        messages = client.frames.messages(bytes(client.transport.arrived))
        client.transport.arrived.clear()
        for message in messages:
            client.reader.take(message)
        ticks = [message for message in messages if message["type"] == "tick"]
        if ticks and messages[-1]["type"] == "tick":
            state = client.reader.state[SYMBOL]
            self._check_extremes(ticks[-1])
            await self._check_hidden(ticks[-1], state)

    def _check_extremes(self, tick: Message) -> None:
        cleared = [exchange.cleared_since(tick["seq"]) for exchange in self.exchanges]
        assert tick["low"] == pytest.approx(max(low for low, _ in cleared), rel=1e-12)
        assert tick["high"] == pytest.approx(min(high for _, high in cleared), rel=1e-12)

    async def _check_hidden(self, tick: Message, state: Message) -> None:
        now = await self.snapshot()
        longs, shorts = hidden_by(tick, state)
        edges = now.grid.p0 + (np.arange(now.grid.cells) - 0.5) * now.grid.step
        if (now.grid.p0, now.grid.step, now.grid.cells) != (state["p0"], state["step"], len(state["long"])):
            return
        held_long, held_short = np.array(state["long"]), np.array(state["short"])
        # A bin that an extreme ends in is cleared in part, and what is left of it drawn over the whole bin.
        whole_long = longs & (edges >= tick["low"] * (1 + BIN_WIDTH))
        whole_short = shorts & (edges + now.grid.step <= tick["high"] * (1 - BIN_WIDTH))
        assert not now.long[whole_long].any()
        assert not now.short[whole_short].any()
        self.hidden += int(held_long[longs].astype(bool).sum() + held_short[shorts].astype(bool).sum())


@pytest.mark.parametrize("seed", range(3))
async def test_a_mask_hides_what_the_server_clears_and_nothing_else(maps: LiveMaps, seed: int) -> None:
    """And at each snapshot a reader of ticks has the state and checksum of one without."""
    run = Run(maps, seed)
    done(run.manager.broadcast(await run.snapshot()))
    for step in range(120):
        run.move()
        await run.wait(run.rng.choice((0.05, 0.2, 0.4)))
        if step % 4 == 3:
            done(run.manager.broadcast(await run.snapshot()))
            await run.wait(0.0)
    run.clock.advance(10.0)
    for plain, ticked in zip(run.plain, run.ticked, strict=True):
        plain.read()
        ticked.read()
        assert ticked.reader.received == plain.reader.received
        assert ticked.reader.state == plain.reader.state
        assert ticked.reader.ticks[SYMBOL] > 20
        assert not plain.reader.ticks
    assert run.hidden > 10
