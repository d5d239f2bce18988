"""A first look that needs no network: the ordinary Binance connector on a simulated exchange of our own.

The exchange runs in this process on a loopback port, so what a newcomer sees has come the way real data
comes: through REST and a socket, in Binance's words. Its records bear a name of their own, never Binance's,
so that they cannot be taken for real ones in a store that holds both.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from aiohttp import TraceConfig, web

from liqstream.feeds.binance import Binance
from liqstream.feeds.exchange import ExchangeFeed
from liqstream.feeds.feed import FeedError, FeedStatus
from liqstream.market import Liquidation, MarketEvent, MarketKey, Source
from liqstream.simulator.server import SimulatedExchange

DEMO_EXCHANGE = "simulated"
DEMO_SHARES = (1.0, 0.6, 0.4, 0.25)
"""How much is open at each of the demo's venues, beside the first."""
DEMO_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")


class DemoFeed:
    """A Feed of `symbols` on an exchange called "simulated": a week of history, then a tick a second.

    `venue` 1, 2, 3 are "simulated-2" to "simulated-4": the same market with other traders, and less of it.
    The past's liquidations, which no exchange gives out afterwards, are taken from the simulation itself. The
    exchange is started by `backfill` and stopped by `close`; FeedError names a symbol it does not list.
    """

    def __init__(
        self,
        symbols: Sequence[str] = DEMO_SYMBOLS,
        *,
        interval_ms: int,
        seed: int = 7,
        venue: int = 0,
        trace_configs: Sequence[TraceConfig] = (),
    ) -> None:
        self._symbols = tuple(symbols)
        self._interval_ms = interval_ms
        self._seed = seed
        self._venue = venue
        self._trace_configs = trace_configs
        self._runner: web.AppRunner | None = None
        self._simulated: SimulatedExchange | None = None
        self._feed: ExchangeFeed | None = None

    @property
    def exchange(self) -> str:
        return f"{DEMO_EXCHANGE}-{self._venue + 1}" if self._venue else DEMO_EXCHANGE

    @property
    def source(self) -> Source:
        return "simulated"

    @property
    def symbols(self) -> tuple[str, ...]:
        return self._symbols

    @property
    def status(self) -> FeedStatus:
        return self._feed.status if self._feed is not None else FeedStatus()

    @property
    def history_end_ms(self) -> int | None:
        return None

    async def simulated(self) -> SimulatedExchange:
        """The exchange behind the feed, whose every position can be asked for; started on first use."""
        if self._simulated is None:
            await self._start()
        if self._simulated is None:
            raise FeedError("the simulated exchange could not be started")
        return self._simulated

    async def backfill(self, newest_ms: dict[MarketKey, int | None]) -> AsyncGenerator[Sequence[MarketEvent]]:
        """Everything since the newest bar in the store, at most the simulated exchange's whole past."""
        exchange = await self.simulated()
        for symbol in self._symbols:
            yield self._past_liquidations(exchange, symbol, newest_ms.get(MarketKey(self.exchange, symbol)))
        async with aclosing(self._connector().backfill(newest_ms)) as batches:
            async for batch in batches:
                yield batch

    async def events(self) -> AsyncGenerator[Sequence[MarketEvent]]:
        """What the connector says, until the feed is closed."""
        await self.simulated()
        async with aclosing(self._connector().events()) as batches:
            async for batch in batches:
                yield batch

    async def close(self) -> None:
        """Stop the exchange."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def _connector(self) -> ExchangeFeed:
        if self._feed is None:
            raise FeedError("the simulated exchange is not running")
        return self._feed

    async def _start(self) -> None:
        try:
            exchange = await SimulatedExchange.open(
                self._symbols, seed=self._seed, crowd=self._venue, share=DEMO_SHARES[self._venue]
            )
        except ValueError as error:
            raise FeedError(str(error)) from None
        self._runner = web.AppRunner(exchange.app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port = self._runner.addresses[0][1]
        self._feed = ExchangeFeed(
            Binance(self.exchange),
            self._symbols,
            interval_ms=self._interval_ms,
            rest_url=f"http://127.0.0.1:{port}",
            ws_url=f"ws://127.0.0.1:{port}",
            trace_configs=self._trace_configs,
        )
        self._feed.status.address = ""  # of no use to anybody: it is this process
        self._simulated = exchange

    def _past_liquidations(
        self, exchange: SimulatedExchange, symbol: str, newest_ms: int | None
    ) -> list[MarketEvent]:
        market = exchange.market
        start_ms = market.first_ms if newest_ms is None else newest_ms + self._interval_ms
        end_ms = exchange.publisher.told_ms
        return [
            Liquidation(self.exchange, symbol, fill.time_ms, fill.side, fill.price, fill.quantity)
            for fill in market.liquidations(symbol, start_ms=start_ms, end_ms=end_ms)
        ]
