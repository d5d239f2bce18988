"""A Venue by coin: the symbols a user may ask for, over the contracts that the exchange lists.

Contracts listed by the thousand appear under their coin, in single coins. Of a coin's contracts the one
settled in USDT is the coin's (BTCUSDT), where there is none that in USDC, then that in USD; each is also a
symbol of its own. Never the other way: BTCUSDC is only the contract that is settled in USDC.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import cache
from typing import Any

from liqstream.feeds.parsing import Parsed, Trade
from liqstream.feeds.rest_client import RestClient
from liqstream.feeds.venue import Instrument, Topic, Venue
from liqstream.market import Candle, ComingFunding, MarketEvent
from liqstream.market.identity import (
    QUOTES,
    Record,
    as_symbol,
    canonical,
    contract_of,
    per_coin,
    single_coins,
)
from liqstream.symbols import is_symbol


class _ByCoin(Venue):
    """Stands before an exchange's own class."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Symbol -> the exchange's contract, where they differ; None before `instruments`, as in a recording:
        # then every contract by the thousand is its coin's.
        self._contracts: dict[str, str] | None = None
        # The exchange's contract -> the symbols its records are of, where these are not just its own.
        self._symbols: dict[str, tuple[str, ...]] = {}

    def _above(self) -> Any:
        """The methods of the exchange's own class, which stands behind this one (see by_coin)."""
        return super()

    def contract(self, symbol: str) -> str:
        """The exchange's own contract of a symbol, by the thousand where it lists no other."""
        if self._contracts is None:
            return _renamed(symbol, self.margin_coin, "USDT") if self.margin_coin else symbol
        return self._contracts.get(symbol, symbol)

    async def instruments(self, rest: RestClient) -> Mapping[str, Instrument]:
        """What may be asked for, over what the exchange lists."""
        found: Mapping[str, Instrument] = await self._above().instruments(rest)
        listed = {name: each for name, each in found.items() if is_symbol(name) and name not in QUOTES}
        own = _by_coin(listed, {name for name, each in listed.items() if each.tradable})
        others = _named_otherwise(own, self.margin_coin)
        contracts = own | others
        self._contracts = {symbol: name for symbol, name in contracts.items() if symbol != name}
        self._symbols = {
            name: tuple(symbol for symbol, each in contracts.items() if each == name)
            for name in self._contracts.values()
        }
        stand_ins = {} if self.margin_coin else others
        return {
            symbol: replace(listed[name], symbol=symbol, stands_in=stand_ins.get(symbol, ""))
            for symbol, name in contracts.items()
        }

    def topics(self, symbols: Sequence[str], interval_ms: int) -> list[Topic]:
        """Of the exchange's contracts of these symbols."""
        asked: dict[str, list[str]] = {}
        for symbol in symbols:
            asked.setdefault(self.contract(symbol), []).append(symbol)
        topics: list[Topic] = self._above().topics(list(asked), interval_ms)
        return [
            replace(topic, symbol=symbol)
            for topic in topics
            for symbol in asked.get(topic.symbol, [topic.symbol])
        ]

    def read(self, text: str | bytes) -> Parsed:
        """In single coins."""
        parsed: Parsed = self._above().read(text)
        if not parsed.events and not parsed.trades:
            return parsed
        return replace(
            parsed,
            events=self._ours(parsed.events),
            trades=[each for trade in parsed.trades for each in self._our_trades(trade)],
        )

    def _ours(self, events: Iterable[MarketEvent]) -> list[MarketEvent]:
        return [
            event if symbol == event.symbol else as_symbol(event, symbol)
            for event in events
            for symbol in self._symbols_of(event.symbol)
        ]

    def _our_trades(self, trade: Trade) -> list[Trade]:
        coins = contract_of(trade.symbol).coins
        return [
            trade
            if symbol == trade.symbol
            else replace(
                trade,
                symbol=symbol,
                price_usd=per_coin(trade.price_usd, coins),
                quantity_base=single_coins(trade.quantity_base, coins),
            )
            for symbol in self._symbols_of(trade.symbol)
        ]

    def _symbols_of(self, name: str) -> tuple[str, ...]:
        """The symbols that records of a contract are of."""
        if self._contracts is not None:
            return self._symbols.get(name, (name,))
        coin = canonical(name)
        return (coin, _renamed(coin, "USDT", self.margin_coin)) if self.margin_coin else (coin,)

    def _of(self, symbol: str, records: Iterable[Record]) -> list[Record]:
        """Records that were asked for: those of the symbol's contract are of the symbol."""
        contract = self.contract(symbol)
        return [as_symbol(each, symbol) if each.symbol == contract != symbol else each for each in records]

    async def candles(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[list[Candle]]:
        """In single coins."""
        pages = self._above().candles(
            rest, self.contract(symbol), interval_ms, start_ms=start_ms, end_ms=end_ms
        )
        async with aclosing(pages):
            async for page in pages:
                yield self._of(symbol, page)

    async def open_interest(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """In single coins."""
        pages = self._above().open_interest(
            rest, self.contract(symbol), interval_ms, start_ms=start_ms, end_ms=end_ms
        )
        async with aclosing(pages):
            async for page in pages:
                yield self._of(symbol, page)

    async def funding(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """Of the exchange's contract of this symbol."""
        pages = self._above().funding(rest, self.contract(symbol), start_ms=start_ms, end_ms=end_ms)
        async with aclosing(pages):
            async for page in pages:
                yield self._of(symbol, page)

    def coming_funding(self, symbol: str) -> ComingFunding | None:
        """Of the exchange's contract of this symbol."""
        coming: ComingFunding | None = self._above().coming_funding(self.contract(symbol))
        return coming

    async def past_liquidations(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """In single coins."""
        pages = self._above().past_liquidations(rest, self.contract(symbol), start_ms=start_ms, end_ms=end_ms)
        async with aclosing(pages):
            async for page in pages:
                yield self._of(symbol, page)

    async def examine(self, rest: RestClient, symbols: Sequence[str], now_ms: int) -> Sequence[MarketEvent]:
        """In single coins."""
        theirs = list(dict.fromkeys(self.contract(symbol) for symbol in symbols))
        return self._ours(await self._above().examine(rest, theirs, now_ms))

    async def present(self, rest: RestClient, symbol: str) -> Sequence[MarketEvent]:
        """In single coins."""
        return self._of(symbol, await self._above().present(rest, self.contract(symbol)))

    async def poll(self, rest: RestClient, symbol: str) -> Sequence[MarketEvent]:
        """In single coins."""
        return self._of(symbol, await self._above().poll(rest, self.contract(symbol)))


def _by_coin(listed: Collection[str], traded: Collection[str]) -> dict[str, str]:
    """Symbol -> contract: each listed one under its own name, or its coin's where it has no other.

    One that does not trade, not yet or not any more, is no other to one that does.
    """
    thousands = {
        coin: name
        for name in listed
        if (coin := canonical(name)) != name
        and (coin not in listed or (name in traded and coin not in traded))
    }
    return {name: name for name in listed if name not in thousands.values()} | thousands


def _named_otherwise(contracts: Mapping[str, str], margin_coin: str) -> dict[str, str]:
    """Further symbols of the contracts: those the margin coin gives them, or the coin's own, USDT."""
    found: dict[str, str] = {}
    for quote in [margin_coin] if margin_coin else QUOTES[1:]:
        for symbol, name in contracts.items():
            other = _renamed(symbol, "USDT", quote) if margin_coin else _renamed(symbol, quote, "USDT")
            if other not in contracts:
                found.setdefault(other, name)
    return found


def _renamed(symbol: str, quote: str, other: str) -> str:
    return f"{symbol.removesuffix(quote)}{other}" if symbol.endswith(quote) else symbol


@cache
def by_coin(venue: type[Venue]) -> type[Venue]:
    """The same exchange by coin, whose symbols are those that a user may ask for."""
    return type(venue.__name__, (_ByCoin, venue), {})
