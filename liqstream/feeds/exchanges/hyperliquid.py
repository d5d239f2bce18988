"""Hyperliquid perpetuals. https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api

There is no public feed of liquidations; its open interest and prices are used. Its accounts' positions and
fills are public: liqstream/positions reads them, and finds liquidations in them, apart from this feed. Its
contracts are margined in USDC; they stand beside the others' USDT contracts under the same name.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import ClassVar

import orjson

from liqstream.feeds.last_state import LastStates
from liqstream.feeds.pacing import Limit
from liqstream.feeds.parsing import (
    CONTROL,
    IGNORED,
    UNKNOWN,
    Json,
    Parsed,
    candle_from_row,
    not_negative,
    positive,
    read_json,
    refused,
    signed,
    utc_ms,
)
from liqstream.feeds.refusals import RefusalTable
from liqstream.feeds.rest_client import RestClient
from liqstream.feeds.venue import Instrument, Socket, Topic, Venue, by_symbol
from liqstream.market import HOUR_MS, Candle, FundingRate, MarketEvent, MarkPrice, OpenInterest
from liqstream.symbols import INTERVALS_MS, interval_name

_CANDLES_KEPT = 5000
"""As many come in one answer."""
_FUNDING_PAGE = 500
_ROWS_PER_WEIGHT, _PAYMENTS_PER_WEIGHT = 60, 20
"""Rows of an answer that cost 1, beside the 20 that each costs."""
_GREETING = "Websocket connection established."
"""The first message of some connections, which is no JSON."""
_ALREADY_SUBSCRIBED = "Already subscribed"
_INVALID = "invalid"
"""Its errors carry no code, only words."""
_NOT_NEEDED = frozenset(
    ["user", "userFills", "userEvents", "trades", "l2Book", "bbo", "allMids", "notification"]
)


class Hyperliquid(Venue):
    """See the module."""

    name: ClassVar[str] = "hyperliquid"
    display_name: ClassVar[str] = "Hyperliquid"
    rest_url: ClassVar[str] = "https://api.hyperliquid.xyz"
    ws_url: ClassVar[str] = "wss://api.hyperliquid.xyz"
    margin_coin: ClassVar[str] = "USDC"
    checked_on: ClassVar[date] = date(2026, 11, 26)
    documents: ClassVar[tuple[str, ...]] = (
        "https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint",
        "https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/rate-limits-and-user-limits",
        "https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions",
    )
    unproven: ClassVar[tuple[str, ...]] = ("open interest: one side",)
    intervals_ms: ClassVar[frozenset[int]] = frozenset(INTERVALS_MS.values()) - {INTERVALS_MS["6h"]}
    keepalive: ClassVar[tuple[float, str] | None] = (50.0, '{"method":"ping"}')
    refusals: ClassVar[RefusalTable] = RefusalTable(item=frozenset({_INVALID}))
    limits: ClassVar[tuple[Limit, ...]] = (Limit(1200.0, 60.0),)
    topics_per_message: ClassVar[int] = 1
    keeps_open_interest: ClassVar[bool] = False
    notes: ClassVar[str] = "hyperliquid publishes no liquidations: its price and open interest are used"

    def __init__(self, exchange: str | None = None) -> None:
        super().__init__(exchange)
        self._universe: list[str] = []
        self._bars = LastStates()

    def topics(self, symbols: Sequence[str], interval_ms: int) -> list[Topic]:
        """Bars and the contract's present, of each symbol."""
        interval = interval_name(interval_ms)
        return [
            topic
            for symbol in symbols
            for coin in (_coin(symbol),)
            for topic in (
                Topic(f"candle/{coin}/{interval}", symbol, ("bars",), ("candle", coin, interval)),
                Topic(f"activeAssetCtx/{coin}", symbol, ("marks", "open_interest"), ("activeAssetCtx", coin)),
            )
        ]

    def sockets(self, topics: Sequence[Topic], ws_url: str) -> list[Socket]:
        """One socket."""
        return [Socket("ws", f"{ws_url}/ws", tuple(topics))] if topics else []

    def subscription(self, topics: Sequence[Topic], request_id: str) -> str:
        """One subscription a message; its answers carry no id."""
        (topic,) = topics
        kind, coin, *interval = topic.name.split("/")
        wanted = {"type": kind, "coin": coin, **({"interval": interval[0]} if interval else {})}
        return orjson.dumps({"method": "subscribe", "subscription": wanted}).decode()

    def read(self, text: str | bytes) -> Parsed:
        """A channel's message, an acknowledgement or an error."""
        if text in (_GREETING, _GREETING.encode()):
            return CONTROL
        message = read_json(text)
        if not isinstance(message, dict):
            raise ValueError("a message is an object")
        channel = message.get("channel")
        if channel == "candle":
            return self._candles(message["data"])
        if channel == "activeAssetCtx":
            data = message["data"]
            return Parsed("data", self._context(str(data["coin"]), data["ctx"]))
        if channel == "allDexsAssetCtxs":
            return self._contexts(message["data"]["ctxs"])
        if channel in ("subscriptionResponse", "pong"):
            return CONTROL
        if channel == "error":
            text = str(message.get("data"))
            if text.startswith(_ALREADY_SUBSCRIBED):
                return CONTROL
            return refused(_INVALID if "invalid" in text.lower() else "", text)
        return IGNORED if channel in _NOT_NEEDED else UNKNOWN

    def _candles(self, data: Json) -> Parsed:
        """The stream never says that a bar is closed; the first state of the next one does."""
        rows = data if isinstance(data, list) else [data]
        bad = self.bad_items.count
        bars = self.bad_items.each([row for row in rows if row["i"] in INTERVALS_MS], self._forming)
        lost = self.bad_items.count > bad
        return Parsed("data", self._bars.take_all(bars, self.now_ms(), self.clock_ms(), lost=lost))

    def _forming(self, bar: Json) -> Candle:
        return self._read_bar(bar, closed=False)

    def note_break(self) -> None:
        """A bar's last state before the break need not be its last: REST has it as it was."""
        self._bars.clear()

    def _read_bar(self, bar: Json, *, closed: bool) -> Candle:
        row = [bar[name] for name in ("t", "o", "h", "l", "c", "v")]
        return candle_from_row(self.exchange, _symbol(bar["s"]), INTERVALS_MS[bar["i"]], row, closed=closed)

    def _context(self, coin: str, context: Json) -> list[MarketEvent]:
        """The message carries no time: it is as of now."""
        symbol = _symbol(coin)
        held = self.bad_items.attempt(partial(self._held, symbol), context)
        mark = self.bad_items.attempt(partial(self._mark, symbol), context)
        return [event for event in (held, mark) if event is not None]

    def _held(self, symbol: str, context: Json) -> OpenInterest:
        base = not_negative(context["openInterest"])
        return OpenInterest(self.exchange, symbol, self.now_ms(), base, base)

    def _mark(self, symbol: str, context: Json) -> MarkPrice:
        return MarkPrice(self.exchange, symbol, self.now_ms(), positive(context["markPx"]))

    def _contexts(self, per_exchange: Json) -> Parsed:
        for name, contexts in per_exchange:
            if name == "":
                pairs = zip(self._universe, contexts, strict=False)
                return Parsed("data", [event for coin, ctx in pairs for event in self._context(coin, ctx)])
        return IGNORED

    async def server_time_ms(self, rest: RestClient) -> int:
        """The time of an order book: there is no call for the time alone."""
        response = await rest.post("/info", {"type": "l2Book", "coin": "BTC"}, weight=2.0)
        return utc_ms(response["time"])

    async def instruments(self, rest: RestClient) -> Mapping[str, Instrument]:
        """Perpetuals of the first exchange that are not delisted."""
        return self.read_universe(await rest.post("/info", {"type": "meta"}, weight=20.0))

    def read_universe(self, meta: Json) -> Mapping[str, Instrument]:
        """The listed perpetuals by our symbols; their order, which contexts refer to, is kept."""
        self._universe = _names(meta["universe"])
        listed = self.bad_items.each(meta["universe"], self._instrument)
        return by_symbol(listed)

    def _instrument(self, contract: Json) -> Instrument | None:
        if contract.get("isDelisted"):
            return None
        return Instrument(_symbol(contract["name"]), tradable=True, state="listed")

    async def candles(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[list[Candle]]:
        """The newest 5000 bars, in one answer; older ones are not kept."""
        start_ms = max(start_ms, (self.now_ms() // interval_ms - _CANDLES_KEPT) * interval_ms)
        if start_ms >= end_ms:
            return
        wanted = {
            "coin": _coin(symbol),
            "interval": interval_name(interval_ms),
            "startTime": start_ms,
            "endTime": end_ms - 1,
        }
        weight = 20.0 + (end_ms - start_ms) / interval_ms / _ROWS_PER_WEIGHT
        rows = await rest.post("/info", {"type": "candleSnapshot", "req": wanted}, weight=weight)
        yield self.bad_items.each(rows, lambda row: self._read_bar(row, closed=True))

    async def open_interest(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """Nothing: none is kept."""
        yield ()  # it keeps none

    async def funding(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """The funding history, oldest first, 500 payments a page."""
        while start_ms < end_ms:
            wanted = {"coin": _coin(symbol), "startTime": start_ms, "endTime": end_ms - 1}
            weight = 20.0 + min(_FUNDING_PAGE, (end_ms - start_ms) / HOUR_MS) / _PAYMENTS_PER_WEIGHT
            rows = await rest.post("/info", {"type": "fundingHistory", **wanted}, weight=weight)
            paid = self.read_funding(rows)
            yield paid
            if len(rows) < _FUNDING_PAGE:
                return
            start_ms = self.page_after(paid, start_ms, 1, _FUNDING_PAGE * HOUR_MS)

    async def present(self, rest: RestClient, symbol: str) -> Sequence[MarketEvent]:
        """The contexts of all contracts, of which one is taken."""
        meta, contexts = await rest.post("/info", {"type": "metaAndAssetCtxs"}, weight=20.0)
        at = _names(meta["universe"]).index(_coin(symbol))
        return self._context(_coin(symbol), contexts[at])

    def read_funding(self, rows: Json) -> list[FundingRate]:
        """Rows of the funding history, ascending as they come."""
        return self.bad_items.each(rows, self._paid)

    def _paid(self, row: Json) -> FundingRate:
        time_ms, rate = utc_ms(row["time"]), signed(row["fundingRate"])
        return FundingRate(self.exchange, _symbol(row["coin"]), time_ms, rate)


def _names(universe: Json) -> list[str]:
    """The contracts' names in their places; "" for one that has none."""
    return [str(each.get("name", "")) if isinstance(each, dict) else "" for each in universe]


def _coin(symbol: str) -> str:
    """kPEPE is a thousand PEPE; we call that 1000PEPEUSDT."""
    base = symbol.removesuffix("USDT")
    return f"k{base[4:]}" if base.startswith("1000") else base


def _symbol(coin: str) -> str:
    return f"1000{coin[1:]}USDT" if coin[:1] == "k" and coin[1:].isupper() else f"{coin}USDT"
