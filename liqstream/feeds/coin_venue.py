"""A Venue by coin: contracts listed by the thousand appear under their coin, in single coins."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import cache
from typing import Any

from liqstream.feeds.parsing import Parsed, Trade
from liqstream.feeds.rest_client import RestClient
from liqstream.feeds.venue import Instrument, Topic, Venue
from liqstream.market import Candle, MarketEvent
from liqstream.market.identity import canonical, contract_of, in_coins


class _ByCoin(Venue):
    """Stands before an exchange's own class."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Coin's symbol -> the exchange's contract, where they differ; None before `instruments`, as in a
        # recording: then every contract by the thousand is its coin's.
        self._contracts: dict[str, str] | None = None

    def _above(self) -> Any:
        """The methods of the exchange's own class, which stands behind this one (see by_coin)."""
        return super()

    def contract(self, symbol: str) -> str:
        """The exchange's own contract of a coin, by the thousand where it lists no other."""
        return (self._contracts or {}).get(symbol, symbol)

    async def instruments(self, rest: RestClient) -> Mapping[str, Instrument]:
        """As the exchange lists them, those by the thousand under their coin."""
        listed: Mapping[str, Instrument] = await self._above().instruments(rest)
        contracts = {
            canonical(name): name
            for name in listed
            if canonical(name) != name and canonical(name) not in listed
        }
        renamed = {ours: replace(listed[name], symbol=ours) for ours, name in contracts.items()}
        single = {name: each for name, each in listed.items() if name not in contracts.values()}
        self._contracts = contracts
        return single | renamed

    def topics(self, symbols: Sequence[str], interval_ms: int) -> list[Topic]:
        """Of the exchange's contracts of these coins."""
        theirs = {self.contract(symbol): symbol for symbol in symbols}
        topics: list[Topic] = self._above().topics(list(theirs), interval_ms)
        return [replace(topic, symbol=theirs.get(topic.symbol, topic.symbol)) for topic in topics]

    def read(self, text: str | bytes) -> Parsed:
        """In single coins."""
        parsed: Parsed = self._above().read(text)
        if not parsed.events and not parsed.trades:
            return parsed
        return replace(
            parsed,
            events=[self._ours(event) for event in parsed.events],
            trades=[self._our_trade(trade) for trade in parsed.trades],
        )

    def _ours(self, event: MarketEvent) -> MarketEvent:
        return in_coins(event) if self._is_renamed(event.symbol) else event

    def _our_trade(self, trade: Trade) -> Trade:
        if not self._is_renamed(trade.symbol):
            return trade
        contract = contract_of(trade.symbol)
        return replace(
            trade,
            symbol=contract.symbol,
            price_usd=trade.price_usd / contract.coins,
            quantity_base=trade.quantity_base * contract.coins,
        )

    def _is_renamed(self, name: str) -> bool:
        coin = canonical(name)
        return coin != name and (self._contracts is None or self._contracts.get(coin) == name)

    async def candles(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[list[Candle]]:
        """In single coins."""
        pages = self._above().candles(
            rest, self.contract(symbol), interval_ms, start_ms=start_ms, end_ms=end_ms
        )
        async with aclosing(pages):
            async for page in pages:
                yield [in_coins(bar) if self._is_renamed(bar.symbol) else bar for bar in page]

    async def open_interest(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """In single coins."""
        pages = self._above().open_interest(
            rest, self.contract(symbol), interval_ms, start_ms=start_ms, end_ms=end_ms
        )
        async with aclosing(pages):
            async for page in pages:
                yield [self._ours(event) for event in page]

    async def funding(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """Of the exchange's contract of this coin."""
        pages = self._above().funding(rest, self.contract(symbol), start_ms=start_ms, end_ms=end_ms)
        async with aclosing(pages):
            async for page in pages:
                yield [self._ours(event) for event in page]

    async def past_liquidations(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """In single coins."""
        pages = self._above().past_liquidations(rest, self.contract(symbol), start_ms=start_ms, end_ms=end_ms)
        async with aclosing(pages):
            async for page in pages:
                yield [self._ours(event) for event in page]

    async def examine(self, rest: RestClient, symbols: Sequence[str], now_ms: int) -> Sequence[MarketEvent]:
        """In single coins."""
        theirs = [self.contract(symbol) for symbol in symbols]
        return [self._ours(event) for event in await self._above().examine(rest, theirs, now_ms)]

    async def present(self, rest: RestClient, symbol: str) -> Sequence[MarketEvent]:
        """In single coins."""
        return [self._ours(event) for event in await self._above().present(rest, self.contract(symbol))]

    async def poll(self, rest: RestClient, symbol: str) -> Sequence[MarketEvent]:
        """In single coins."""
        return [self._ours(event) for event in await self._above().poll(rest, self.contract(symbol))]


@cache
def by_coin(venue: type[Venue]) -> type[Venue]:
    """The same exchange by coin: its contract in single coins if it lists one, else by the thousand."""
    return type(venue.__name__, (_ByCoin, venue), {})
