"""A first look that needs no network: the ordinary Binance feed on a simulated exchange of our own.

The exchange runs in this process on a loopback port, so what a newcomer sees has come the way real data
comes: through REST and a socket, in Binance's wire format. Its records bear a name of their own, never
Binance's, so that they cannot be taken for real ones in a store that holds both.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

from aiohttp import TraceConfig, web

from liqstream.feeds.coin_venue import by_coin
from liqstream.feeds.exchange_access import Endpoints, Observers
from liqstream.feeds.exchange_feed import ExchangeFeed
from liqstream.feeds.exchanges.binance import Binance
from liqstream.feeds.feed import FeedBase, FeedError, FeedStatus
from liqstream.feeds.pacing import FeedTiming
from liqstream.market import ComingFunding, Liquidation, LiquidationSpan, MarketEvent, MarketKey
from liqstream.market.identity import as_symbol
from liqstream.market.record_guard import SIMULATED
from liqstream.simulator.clock import MarketClock
from liqstream.simulator.contracts import listed_name
from liqstream.simulator.exchange_server import SimulatedExchange
from liqstream.supervision.clock import Clock

DEMO_EXCHANGE = SIMULATED
DEMO_SHARES = (1.0, 0.6, 0.4, 0.25)
"""Open interest of each of the demo's exchanges, as a share of the first's."""
DEMO_HISTORY_DAYS = 7
"""The most of its past that is worked out at the start."""
DEMO_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")


class DemoFeed(FeedBase):
    """A Feed of `symbols` on an exchange called "simulated": `history_days` and today, then a round a second.

    `number` 1, 2, 3 are "simulated-2" to "simulated-4": the same market with other traders, and less of it.
    `clock` is the market's time, by default the computer's; the exchanges of one market share it.
    The past's liquidations, which no exchange gives out afterwards, are taken from the simulation itself. The
    exchange is started by `backfill` and stopped by `close`; FeedError names a symbol it does not list.
    """

    def __init__(
        self,
        symbols: Sequence[str] = DEMO_SYMBOLS,
        *,
        interval_ms: int,
        seed: int = 7,
        number: int = 0,
        history_days: int = DEMO_HISTORY_DAYS,
        clock: MarketClock | None = None,
        trace_configs: Sequence[TraceConfig] = (),
    ) -> None:
        super().__init__(f"{DEMO_EXCHANGE}-{number + 1}" if number else DEMO_EXCHANGE, symbols, "simulated")
        self._interval_ms = interval_ms  # of the bars
        self._seed = seed  # of the market, the same for every exchange of the demo
        self._number = number  # 0 to 3: its population and its share
        self._history_days = history_days  # whole UTC days before today, worked out by _start()
        self._clock = clock  # the market's; None: the computer's, from _start() on
        # Of the inner feed's HTTP calls.
        self._trace_configs = trace_configs
        # These three are made together by _start(); only the runner is given up again, by close().
        self._runner: web.AppRunner | None = None
        # See _runner.
        self._simulated: SimulatedExchange | None = None
        self.address = ""
        """Host and port of the exchange, once it runs."""
        # See _runner.
        self._feed: ExchangeFeed | None = None

    @property
    def status(self) -> FeedStatus:
        """The inner feed's, once it runs."""
        return self._feed.status if self._feed is not None else self._status

    async def simulated(self) -> SimulatedExchange:
        """The exchange behind the feed, whose every position can be asked for; started on first use."""
        if self._simulated is None:
            await self._start()
        if self._simulated is None:
            raise FeedError("the simulated exchange could not be started")
        return self._simulated

    def market_ms(self) -> int | None:
        """The market's own time, UTC, once it runs."""
        return None if self._simulated is None else self._simulated.clock.now_ms()

    async def backfill(self, newest_ms: dict[MarketKey, int | None]) -> AsyncGenerator[Sequence[MarketEvent]]:
        """Everything since the newest bar in the store, at most the simulated exchange's whole past."""
        exchange = await self.simulated()
        for symbol in self._symbols:
            yield self._past_liquidations(exchange, symbol, newest_ms.get(MarketKey(self.exchange, symbol)))
        async with aclosing(self._inner().backfill(newest_ms)) as batches:
            async for batch in batches:
                yield batch

    async def events(self) -> AsyncGenerator[Sequence[MarketEvent]]:
        """What the inner feed delivers, until this one is closed."""
        await self.simulated()
        async with aclosing(self._inner().events()) as batches:
            async for batch in batches:
                yield batch

    def clock_ms(self) -> int | None:
        """The simulated exchange's clock, once it runs."""
        return None if self._feed is None else self._feed.clock_ms()

    def liquidations_until_ms(self) -> Mapping[str, int]:
        """As of the inner feed, once it runs."""
        return {} if self._feed is None else self._feed.liquidations_until_ms()

    def coming_funding(self, symbol: str) -> ComingFunding | None:
        """As the simulated exchange announced it last."""
        return None if self._feed is None else self._feed.coming_funding(symbol)

    async def recent_prices(self, symbol: str) -> tuple[float, float] | None:
        """As the simulated exchange answers."""
        return None if self._feed is None else await self._feed.recent_prices(symbol)

    async def close(self) -> None:
        """Stop the exchange."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def _inner(self) -> ExchangeFeed:
        if self._feed is None:
            raise FeedError("the simulated exchange is not running")
        return self._feed

    async def _start(self) -> None:
        try:
            exchange = await SimulatedExchange.open(
                tuple(map(listed_name, self._symbols)),
                seed=self._seed,
                clock=self._clock,
                population=self._number,
                share=DEMO_SHARES[self._number],
                history_days=self._history_days,
            )
        except ValueError as error:
            raise FeedError(str(error)) from None
        self._runner = web.AppRunner(exchange.app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port = self._runner.addresses[0][1]
        self.address = f"127.0.0.1:{port}"
        self._feed = ExchangeFeed(
            by_coin(Binance)(self.exchange),
            self._symbols,
            interval_ms=self._interval_ms,
            endpoints=Endpoints(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"),
            observers=Observers(self._trace_configs),
            timing=FeedTiming(clock=Clock(now_ms=exchange.clock.now_ms)),
        )
        self._feed.watched_by = self.watched
        self._feed.status.address = ""  # of no use to anybody: it is this process
        self._simulated = exchange

    def _past_liquidations(
        self, exchange: SimulatedExchange, symbol: str, newest_ms: int | None
    ) -> list[MarketEvent]:
        market = exchange.market
        start_ms = market.first_ms if newest_ms is None else newest_ms + self._interval_ms
        end_ms = exchange.publisher.published_ms
        known = LiquidationSpan(self.exchange, symbol, min(start_ms, end_ms), end_ms)
        return [
            known,
            *self._fills(exchange, symbol, start_ms, end_ms),
        ]

    def _fills(
        self, exchange: SimulatedExchange, symbol: str, start_ms: int, end_ms: int
    ) -> list[MarketEvent]:
        market, name = exchange.market, listed_name(symbol)
        return [
            as_symbol(
                Liquidation(self.exchange, name, fill.time_ms, fill.side, fill.price, fill.quantity), symbol
            )
            for fill in market.liquidations(name, start_ms=start_ms, end_ms=end_ms)
        ]
