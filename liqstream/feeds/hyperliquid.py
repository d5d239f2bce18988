"""Hyperliquid perpetuals. https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api

There is no public feed of liquidations; its open interest and prices are used. Its contracts are margined in
USDC; they stand beside the others' USDT contracts under the same name.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import ClassVar

import orjson

from liqstream.feeds.parsed import (
    CONTROL,
    IGNORED,
    UNKNOWN,
    Json,
    Parsed,
    candle_from_row,
    not_negative,
    positive,
    read_json,
    signed,
    utc_ms,
)
from liqstream.feeds.rest import RestClient
from liqstream.feeds.venue import Socket, Venue
from liqstream.market import Candle, FundingRate, MarketEvent, MarkPrice, OpenInterest
from liqstream.symbols import INTERVALS_MS, interval_name

_CANDLES_PAGE = 500
_CANDLES_KEPT = 5000
_NOT_NEEDED = frozenset(
    ["user", "userFills", "userEvents", "trades", "l2Book", "bbo", "allMids", "notification"]
)


class Hyperliquid(Venue):
    """See the module."""

    name: ClassVar[str] = "hyperliquid"
    rest_url: ClassVar[str] = "https://api.hyperliquid.xyz"
    ws_url: ClassVar[str] = "wss://api.hyperliquid.xyz"
    keepalive: ClassVar[tuple[float, str] | None] = (50.0, '{"method":"ping"}')
    rest_every_s: ClassVar[float] = 0.6
    notes: ClassVar[str] = "hyperliquid publishes no liquidations: its price and open interest are used"

    def __init__(
        self,
        exchange: str | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        super().__init__(exchange)
        self._universe: list[str] = []
        self._forming: dict[tuple[str, int], Candle] = {}
        self._now_ms = now_ms

    def sockets(self, symbols: Sequence[str], interval_ms: int, ws_url: str) -> list[Socket]:
        wanted: list[Json] = [
            subscription
            for symbol in symbols
            for subscription in (
                {"type": "candle", "coin": _coin(symbol), "interval": interval_name(interval_ms)},
                {"type": "activeAssetCtx", "coin": _coin(symbol)},
            )
        ]
        hello = tuple(
            orjson.dumps({"method": "subscribe", "subscription": subscription}).decode()
            for subscription in wanted
        )
        return [Socket("ws", f"{ws_url}/ws", hello)]

    def read(self, text: str | bytes) -> Parsed:
        message = read_json(text)
        if not isinstance(message, dict):
            raise ValueError("a message is an object")
        channel = message.get("channel")
        if channel == "candle":
            return self._candle(message["data"])
        if channel == "activeAssetCtx":
            data = message["data"]
            return Parsed("data", self._context(str(data["coin"]), data["ctx"]))
        if channel == "allDexsAssetCtxs":
            return self._contexts(message["data"]["ctxs"])
        if channel in ("subscriptionResponse", "pong"):
            return CONTROL
        if channel == "error":
            raise ValueError(f"refused: {message.get('data')}")
        return IGNORED if channel in _NOT_NEEDED else UNKNOWN

    def _candle(self, bar: Json) -> Parsed:
        """The stream never says that a bar is closed; the first picture of the next one does."""
        if bar["i"] not in INTERVALS_MS:
            return IGNORED
        forming = self._read_bar(bar, closed=False)
        key = (forming.symbol, forming.interval_ms)
        before = self._forming.get(key)
        self._forming[key] = forming
        if before is not None and forming.open_time_ms > before.open_time_ms:
            return Parsed("data", (_as_closed(before), forming))
        return Parsed("data", (forming,))

    def _read_bar(self, bar: Json, *, closed: bool) -> Candle:
        row = [bar[name] for name in ("t", "o", "h", "l", "c", "v")]
        return candle_from_row(self.exchange, _symbol(bar["s"]), INTERVALS_MS[bar["i"]], row, closed=closed)

    def _context(self, coin: str, context: Json) -> list[MarketEvent]:
        """The message carries no time: it is as of now."""
        symbol, base = _symbol(coin), not_negative(context["openInterest"])
        return [
            OpenInterest(self.exchange, symbol, self._now_ms(), base, base),
            MarkPrice(self.exchange, symbol, self._now_ms(), positive(context["markPx"])),
        ]

    def _contexts(self, per_exchange: Json) -> Parsed:
        for name, contexts in per_exchange:
            if name == "":
                pairs = zip(self._universe, contexts, strict=False)
                return Parsed("data", [event for coin, ctx in pairs for event in self._context(coin, ctx)])
        return IGNORED

    async def server_time_ms(self, rest: RestClient) -> int:
        answer = await rest.post("/info", {"type": "l2Book", "coin": "BTC"})
        return utc_ms(answer["time"])

    async def listed(self, rest: RestClient) -> frozenset[str]:
        return self.read_universe(await rest.post("/info", {"type": "meta"}))

    def read_universe(self, meta: Json) -> frozenset[str]:
        """Our names of the listed perpetuals; their order, which contexts refer to, is kept."""
        self._universe = [contract["name"] for contract in meta["universe"]]
        return frozenset(
            _symbol(contract["name"]) for contract in meta["universe"] if not contract.get("isDelisted")
        )

    async def candles(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[list[Candle]]:
        start_ms = max(start_ms, end_ms - end_ms % interval_ms - _CANDLES_KEPT * interval_ms)
        for page_ms in range(start_ms, end_ms, _CANDLES_PAGE * interval_ms):
            until_ms = min(end_ms, page_ms + _CANDLES_PAGE * interval_ms) - 1
            wanted = {
                "coin": _coin(symbol),
                "interval": interval_name(interval_ms),
                "startTime": page_ms,
                "endTime": until_ms,
            }
            rows = await rest.post("/info", {"type": "candleSnapshot", "req": wanted})
            yield [self._read_bar(row, closed=True) for row in rows]

    async def open_interest(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        yield ()  # it keeps none

    async def funding(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        rows = await rest.post(
            "/info",
            {"type": "fundingHistory", "coin": _coin(symbol), "startTime": start_ms, "endTime": end_ms - 1},
        )
        yield self.read_funding(rows)

    def read_funding(self, rows: Json) -> list[FundingRate]:
        """Rows of the funding history, ascending as they come."""
        return [
            FundingRate(self.exchange, _symbol(row["coin"]), utc_ms(row["time"]), signed(row["fundingRate"]))
            for row in rows
        ]


def _coin(symbol: str) -> str:
    return symbol.removesuffix("USDT")


def _symbol(coin: str) -> str:
    return f"{coin}USDT"


def _as_closed(bar: Candle) -> Candle:
    return Candle(
        bar.exchange,
        bar.symbol,
        bar.interval_ms,
        bar.open_time_ms,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        volume_base=bar.volume_base,
    )
