"""Exchanges side by side on one simulated market, their feeds, a store and maps, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from aiohttp import web

from liqstream.feeds.bracket_readers import READERS
from liqstream.feeds.exchange_access import Endpoints
from liqstream.feeds.exchange_feed import ExchangeFeed
from liqstream.feeds.pacing import FeedTiming
from liqstream.feeds.registry import VENUES
from liqstream.feeds.venue import Venue
from liqstream.feeds.venue_state import state_path
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.market_map import MapModel
from liqstream.ingest.bracket_loop import BracketLoop, read_kept_brackets
from liqstream.ingest.pipeline import IngestPipeline
from liqstream.market import MINUTE_MS, Bars, FloatArray, Liquidation, MarketEvent, Side
from liqstream.model.kernel import load_kernel
from liqstream.simulator.accounts import tiers_of
from liqstream.simulator.clock import MarketClock
from liqstream.simulator.contracts import CONTRACTS
from liqstream.simulator.exchange_server import DIALECTS, SimulatedExchange
from liqstream.simulator.hyperliquid_account_wire import coin_of
from liqstream.simulator.ledger import Fill
from liqstream.store.market_store import MarketStore
from liqstream.supervision.clock import Clock
from tests.support.exchange_rig import SYMBOLS
from tests.support.market_start import SHORT_HISTORY_DAYS, START_MS

ROUND_S = 1.0
HISTORY_DAYS = 1
FORCED_ORDER_EVERY_S = 2.5
QUANTITIES = (0.001, 0.002)
"""Of a forced order of a long and of a short, in base coin: sums of the two sides differ."""
END_OF_TIME_MS = 4_102_444_800_000
BRACKETS_EVERY_S = 10.0
LIKE_LISTED = 0.02
"""How far a figure of a bracket may be from the listed one: some are rounded."""
MOST_DRIFT = 0.25
"""Between two readings, open interest changes by less."""


@dataclass(slots=True)
class Collecting:
    """Feeds that fill maps and the store. `heard_s` is when a record of each exchange, symbol and type came
    last, and `pause_s` each exchange's longest time without any record, on the loop's clock. `late_ms` is how
    old the oldest liquidation was when it came."""

    feeds: dict[str, ExchangeFeed]
    maps: LiveMaps
    now_ms: Callable[[], int]
    heard_s: dict[tuple[str, str, str], float] = field(default_factory=dict)
    last_s: dict[str, float] = field(default_factory=dict)
    late_ms: int = 0
    pause_s: dict[str, float] = field(default_factory=dict)

    def hear(self, records: Sequence[MarketEvent]) -> None:
        """Note what came."""
        now_s = asyncio.get_running_loop().time()
        for record in records:
            self.heard_s[record.exchange, record.symbol, type(record).__name__] = now_s
            if isinstance(record, Liquidation):
                self.late_ms = max(self.late_ms, self.now_ms() - record.time_ms)
            silent_s = now_s - self.last_s.get(record.exchange, now_s)
            self.last_s[record.exchange] = now_s
            self.pause_s[record.exchange] = max(self.pause_s.get(record.exchange, 0.0), silent_s)


@dataclass(slots=True)
class ExchangeStack:
    """`names` are the exchanges whose feeds collect."""

    names: Sequence[str]
    exchange: SimulatedExchange
    addresses: Mapping[str, str]
    store: MarketStore
    state_path: Path

    @property
    def now_ms(self) -> int:
        """The market's time."""
        return self.exchange.clock.now_ms()

    def make_feed(self, name: str) -> ExchangeFeed:
        """A feed of an exchange as a server makes it, on virtual time."""
        venue: Venue = VENUES[name]()
        venue.now_ms = self.exchange.clock.now_ms
        return ExchangeFeed(
            venue,
            SYMBOLS,
            interval_ms=MINUTE_MS,
            history_days=HISTORY_DAYS + SHORT_HISTORY_DAYS,
            endpoints=Endpoints(
                f"http://{self.addresses[name]}{DIALECTS[name].prefix}",
                f"ws://{self.addresses[name]}{DIALECTS[name].prefix}",
                state_path=self.state_path,
            ),
            timing=FeedTiming(clock=Clock(now_ms=self.exchange.clock.now_ms)),
        )

    @asynccontextmanager
    async def collect(self, *, brackets: bool = False) -> AsyncIterator[Collecting]:
        """A feed of each exchange into maps of their own and the one store, from now until the end.

        With `brackets` the margin brackets are read again and again, too, not once a day.
        """
        maps = LiveMaps(
            self.store,
            MapModel(load_kernel("tiered"), interval_ms=MINUTE_MS, history_days=HISTORY_DAYS),
            stale_after_s=15.0,
            epoch=1,
            clock_s=asyncio.get_running_loop().time,
        )
        for kept in (await asyncio.to_thread(read_kept_brackets, self.brackets_path)).values():
            maps.set_brackets(kept)
        feeds = {name: self.make_feed(name) for name in self.names}
        collecting = Collecting(feeds, maps, self.exchange.clock.now_ms)
        pipeline = IngestPipeline(
            list(feeds.values()), self.store, maps, interval_ms=MINUTE_MS, listeners=(collecting.hear,)
        )
        await pipeline.start()
        work = {asyncio.create_task(pipeline.run())}
        if brackets:
            work.add(asyncio.create_task(self._read_brackets(collecting, pipeline)))
        try:
            yield collecting
            for each in work:
                if each.done():
                    each.result()
        finally:
            for each in work:
                each.cancel()
            await asyncio.wait(work)
            await pipeline.close()
            maps.close()

    async def _read_brackets(self, collecting: Collecting, pipeline: IngestPipeline) -> None:
        clock = Clock(now_ms=self.exchange.clock.now_ms)
        loop = BracketLoop((), collecting.maps, self.brackets_path, renew=pipeline.renew, clock=clock)
        while True:
            # First of all comes history, after which a feed opens its connections anew.
            await asyncio.sleep(BRACKETS_EVERY_S)
            for feed in collecting.feeds.values():
                await loop.read(feed)

    @property
    def brackets_path(self) -> Path:
        """Where the last good brackets are kept."""
        return self.state_path.with_name("market.brackets.json")

    def wrong_brackets(self, collecting: Collecting, name: str) -> list[str]:
        """Brackets in use that are not the exchange's; without any the bundled ones are."""
        table = collecting.maps.brackets_of(name)
        found = []
        for symbol, brackets in table.symbols.items() if table else ():
            used = [(each.maintenance_margin_rate, each.max_leverage) for each in brackets]
            if not np.allclose(used, listed_brackets(name, symbol), rtol=LIKE_LISTED, atol=0.0):
                found.append(f"{name} {symbol}: brackets {used}")
            last_usd = brackets[-1].cap_usd / CONTRACTS[symbol].brackets[-1][0]
            if name not in ("hyperliquid", "lighter") and not 0.9 < last_usd < 1.1:
                found.append(f"{name} {symbol}: the last bracket ends at {brackets[-1].cap_usd:g} USD")
        return found

    def lacks_brackets(self, collecting: Collecting, name: str) -> bool:
        """Whether the exchange's own brackets of a symbol are not in use."""
        table = collecting.maps.brackets_of(name)
        return name in READERS and (table is None or set(table.symbols) != set(SYMBOLS))

    async def bars(self, name: str, symbol: str) -> Bars:
        """An exchange's stored bars, all committed."""
        await self.store.flush()
        return await self.store.bars(name, symbol, MINUTE_MS)

    async def gaps(self, name: str) -> list[str]:
        """What is missing or wrong in an exchange's stored bars from the market's first to the newest."""
        found = []
        for symbol in SYMBOLS:
            bars = await self.bars(name, symbol)
            first_ms, newest_ms = self.exchange.market.first_ms, self.now_ms // MINUTE_MS * MINUTE_MS
            # The youngest closed bar may still be on its way.
            expected = self.exchange.market.bars(
                symbol, MINUTE_MS, start_ms=first_ms, end_ms=newest_ms - MINUTE_MS, now_ms=self.now_ms
            )
            stored = dict(zip(bars.open_time_ms.tolist(), bars.close.tolist(), strict=True))
            missing = [bar.open_time_ms for bar in expected if bar.open_time_ms not in stored]
            if missing:
                found.append(f"{name} {symbol}: {len(missing)} of {len(expected)} bars missing")
            wrong = [bar for bar in expected if stored.get(bar.open_time_ms, bar.close) != bar.close]
            if wrong:
                found.append(f"{name} {symbol}: {len(wrong)} bars differ, e.g. {wrong[0]}")
            found += await self._wrong_liquidations(name, symbol)
            found += self._wrong_open_interest(bars, f"{name} {symbol}", symbol)
            if any(open_ms > self.now_ms for open_ms in stored):
                found.append(f"{name} {symbol}: bars of the future")
        return found

    async def _wrong_liquidations(self, name: str, symbol: str) -> list[str]:
        """Stored liquidations the market cannot have had."""
        told = await self.store.liquidations(symbol, start_ms=0, end_ms=END_OF_TIME_MS, exchanges=(name,))
        price = self.exchange.market.price(symbol, self.now_ms)
        bad = np.count_nonzero((np.abs(told.price_usd / price - 1) > 0.5) | (told.time_ms > self.now_ms))
        return [f"{name} {symbol}: {bad} liquidations that cannot be"] if bad else []

    def _wrong_open_interest(self, bars: Bars, market: str, symbol: str) -> list[str]:
        """Where stored open interest is not the market's at the bar's end."""
        known = np.isfinite(bars.open_interest_base) & (bars.open_time_ms + MINUTE_MS < self.now_ms)
        known &= bars.open_time_ms > self.exchange.market.first_ms
        held = bars.open_interest_base[known]
        truth = [
            self.exchange.market.open_interest(symbol, open_ms + MINUTE_MS - 1)
            for open_ms in bars.open_time_ms[known].tolist()
        ]
        wrong = np.count_nonzero(np.abs(held / np.array(truth) - 1) > MOST_DRIFT)
        return [f"{market}: {wrong} of {len(truth)} open interests differ"] if wrong else []

    async def levels(self, collecting: Collecting, name: str, symbol: str) -> FloatArray:
        """USD by price of an exchange's map of a symbol, longs and shorts."""
        found = await collecting.maps.snapshot_of_exchanges(symbol, (name,))
        if found is None:
            return np.empty((0, 3))
        levels = [(level.price, level.long_density, level.short_density) for level in found[0].levels]
        return np.array(levels, dtype=np.float64).reshape(-1, 3)

    async def flags(self, collecting: Collecting, name: str) -> set[str]:
        """The quality flags of an exchange's maps."""
        flags: set[str] = set()
        for symbol in SYMBOLS:
            found = await collecting.maps.snapshot_of_exchanges(symbol, (name,))
            flags |= set(found[0].quality) if found else {"no map"}
        return flags

    async def _liquidate(self) -> None:
        """A forced order of a few dollars of each symbol and side again and again, on every exchange."""
        sides: tuple[Side, ...] = ("long", "short")
        while True:
            for symbol in SYMBOLS:
                # Not `now_ms`: the market's next minute may not have been made yet.
                price = self.exchange.market.price(symbol, self.exchange.publisher.now_ms())
                for side, beyond, quantity in zip(sides, (0.999, 1.001), QUANTITIES, strict=True):
                    at = price * beyond
                    fill = Fill(0, self.now_ms - 1, side, at, at, at, quantity, 50.0)
                    self.exchange.publisher.add_fill(symbol, fill)
                    await asyncio.sleep(FORCED_ORDER_EVERY_S)


def listed_brackets(name: str, symbol: str) -> list[tuple[float, float]]:
    """Maintenance margin rate and highest leverage of each bracket the simulated exchange publishes."""
    if name == "hyperliquid":
        return [(0.5 / most, float(most)) for _, most in tiers_of(coin_of(symbol))[1]]
    listed = [(rate, float(leverage)) for _, rate, leverage, _ in CONTRACTS[symbol].brackets]
    return listed[:1] if name == "lighter" else listed


@asynccontextmanager
async def _serving(app: web.Application, names: Sequence[str]) -> AsyncIterator[dict[str, str]]:
    """An address for each exchange: a ban is of a host, and must not mean the others."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        for number in range(len(names)):
            await web.TCPSite(runner, f"127.0.0.{number + 1}", 0).start()
        yield {name: f"{host}:{port}" for name, (host, port) in zip(names, runner.addresses, strict=True)}
    finally:
        await runner.cleanup()


@asynccontextmanager
async def exchange_stack(
    names: Sequence[str], folder: Path, *, marked: bool = True
) -> AsyncIterator[ExchangeStack]:
    """The exchanges, served; nothing collects yet. For the loop of tests/support/virtual_clock.py.

    Not `marked`, they do not say that they are simulated: their limits and their time are taken as real.
    """
    clock = MarketClock(1.0, START_MS, asyncio.get_running_loop().time)
    exchange = await SimulatedExchange.open(
        SYMBOLS, clock=clock, round_s=ROUND_S, history_days=SHORT_HISTORY_DAYS
    )
    exchange.marked = marked
    path = folder / "market.duckdb"
    store = await MarketStore.open(path)
    try:
        async with _serving(exchange.app, names) as addresses:
            stack = ExchangeStack(names, exchange, addresses, store, state_path(path))
            liquidating = asyncio.create_task(stack._liquidate())
            try:
                yield stack
                if liquidating.done():
                    liquidating.result()  # it ends by no fault of the exchanges
            finally:
                liquidating.cancel()
                await asyncio.wait({liquidating})
    finally:
        await store.close()
