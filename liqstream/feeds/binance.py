"""Binance USD-M perpetual futures. https://developers.binance.com/docs/derivatives/usds-margined-futures

What is told of liquidations is a lower bound: at most one forced order per symbol and second. Open interest
is in no stream and is asked for by REST.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import ClassVar

from liqstream.feeds.parsed import (
    CONTROL,
    IGNORED,
    UNKNOWN,
    Json,
    Parsed,
    Trade,
    candle_from_row,
    not_negative,
    positive,
    read_json,
    signed,
    utc_ms,
)
from liqstream.feeds.rest import RestClient
from liqstream.feeds.venue import Socket, Venue
from liqstream.market import (
    DAY_MS,
    Candle,
    FundingRate,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Side,
)
from liqstream.symbols import INTERVALS_MS, interval_name, is_symbol

STREAMS_PER_SOCKET = 180
"""Binance allows 1024; 200 is where others have had trouble."""
_KLINES_PAGE, _OPEN_INTEREST_PAGE, _FUNDING_PAGE = 1500, 500, 1000
_OPEN_INTEREST_KEPT_MS = 29 * DAY_MS
"""They keep 30 days and refuse a question that begins earlier."""
_POSITION_OF_ORDER: dict[str, Side] = {"SELL": "long", "BUY": "short"}
"""The forced order sells what a long held."""
_USD_MARGINED = 1
_NOT_NEEDED = frozenset(
    [
        "bookTicker",
        "depthUpdate",
        "24hrTicker",
        "24hrMiniTicker",
        "indexPriceUpdate",
        "contractInfo",
        "compositeIndex",
        "continuous_kline",
        "assetIndexUpdate",
    ]
)


class Binance(Venue):
    """See the module."""

    name: ClassVar[str] = "binance"
    rest_url: ClassVar[str] = "https://fapi.binance.com"
    ws_url: ClassVar[str] = "wss://fstream.binance.com"
    rest_every_s: ClassVar[float] = 0.3
    poll_every_s: ClassVar[float | None] = 5.0

    def __init__(self, exchange: str | None = None) -> None:
        super().__init__(exchange)
        self._next_funding: dict[str, tuple[int, float]] = {}

    def sockets(self, symbols: Sequence[str], interval_ms: int, ws_url: str) -> list[Socket]:
        streams = [
            f"{symbol.lower()}@{stream}"
            for symbol in symbols
            for stream in (f"kline_{interval_name(interval_ms)}", "markPrice@1s", "forceOrder")
        ]
        return [
            Socket(
                f"ws{start // STREAMS_PER_SOCKET}",
                f"{ws_url}/market/stream?streams=" + "/".join(streams[start : start + STREAMS_PER_SOCKET]),
            )
            for start in range(0, len(streams), STREAMS_PER_SOCKET)
        ]

    def read(self, text: str | bytes) -> Parsed:
        message = read_json(text)
        if isinstance(message, dict) and "data" in message and "stream" in message:
            message = message["data"]
        if isinstance(message, list):
            parts = [self._one(part) for part in message]
            events = [event for part in parts for event in part.events]
            return Parsed("data", events) if events else (parts[0] if parts else IGNORED)
        return self._one(message)

    def _one(self, message: Json) -> Parsed:
        if not isinstance(message, dict):
            raise ValueError("a message is an object")
        kind = message.get("e")
        if kind == "kline":
            return self._kline(message)
        if kind == "markPriceUpdate":
            return self._mark(message)
        if kind == "forceOrder":
            return self._force_order(message)
        if kind in ("trade", "aggTrade"):
            return self._trade(message)
        if kind in _NOT_NEEDED or "lastUpdateId" in message:
            return IGNORED
        return CONTROL if kind is None and {"result", "id"} <= message.keys() else UNKNOWN

    def _kline(self, message: Json) -> Parsed:
        bar = message["k"]
        if not is_symbol(bar["s"]):
            return IGNORED
        if bar["i"] not in INTERVALS_MS:
            return IGNORED
        candle = candle_from_row(
            self.exchange,
            bar["s"],
            INTERVALS_MS[bar["i"]],
            [bar["t"], bar["o"], bar["h"], bar["l"], bar["c"], bar["v"], bar["q"], bar["V"]],
            closed=bar["x"] is True,
        )
        return Parsed("data", (candle,), sent_ms=utc_ms(message["E"]))

    def _mark(self, message: Json) -> Parsed:
        symbol, sent_ms = message["s"], utc_ms(message["E"])
        if not is_symbol(symbol) or message.get("st", _USD_MARGINED) != _USD_MARGINED:
            return IGNORED
        events: list[MarketEvent] = [MarkPrice(self.exchange, symbol, sent_ms, positive(message["p"]))]
        if message.get("r"):
            due_ms, rate = utc_ms(message["T"]), signed(message["r"])
            before = self._next_funding.get(symbol)
            if before is not None and due_ms > before[0]:
                events.append(FundingRate(self.exchange, symbol, *before))
            self._next_funding[symbol] = (due_ms, rate)
        return Parsed("data", events, sent_ms=sent_ms)

    def _force_order(self, message: Json) -> Parsed:
        order = message["o"]
        symbol, quantity = order["s"], not_negative(order["z"])
        sent_ms = utc_ms(message["E"])
        coin_margined = order.get("st", message.get("st", _USD_MARGINED)) != _USD_MARGINED
        if coin_margined or not is_symbol(symbol) or quantity == 0:
            return Parsed("data", sent_ms=sent_ms)
        side = _POSITION_OF_ORDER[order["S"]]
        price = positive(order["ap"])
        event = Liquidation(self.exchange, symbol, utc_ms(order["T"]), side, price, quantity)
        return Parsed("data", (event,), sent_ms=sent_ms)

    def _trade(self, message: Json) -> Parsed:
        symbol, sent_ms = message["s"], message["E"]
        if not is_symbol(symbol) or message.get("X", "MARKET") != "MARKET":
            return IGNORED
        trade = Trade(
            self.exchange,
            symbol,
            utc_ms(message["T"]),
            positive(message["p"]),
            positive(message["q"]),
            taker_is_buyer=message["m"] is False,
        )
        return Parsed("data", trades=(trade,), sent_ms=utc_ms(sent_ms))

    async def server_time_ms(self, rest: RestClient) -> int:
        return utc_ms((await rest.get("/fapi/v1/time"))["serverTime"])

    async def listed(self, rest: RestClient) -> frozenset[str]:
        answer = await rest.get("/fapi/v1/exchangeInfo")
        return frozenset(
            contract["symbol"]
            for contract in answer["symbols"]
            if contract.get("contractType") == "PERPETUAL" and contract.get("status") == "TRADING"
        )

    async def candles(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[list[Candle]]:
        while start_ms < end_ms:
            rows = await rest.get(
                "/fapi/v1/klines",
                symbol=symbol,
                interval=interval_name(interval_ms),
                startTime=start_ms,
                endTime=end_ms - 1,
                limit=_KLINES_PAGE,
            )
            page = [
                candle_from_row(self.exchange, symbol, interval_ms, [*row[:6], row[7], row[9]], closed=True)
                for row in rows
            ]
            yield page
            if len(page) < _KLINES_PAGE:
                return
            start_ms = page[-1].open_time_ms + interval_ms

    async def open_interest(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        period_ms = max(interval_ms, INTERVALS_MS["5m"])
        start_ms = max(start_ms, end_ms - _OPEN_INTEREST_KEPT_MS)
        while start_ms < end_ms:
            until_ms = min(end_ms - 1, start_ms + (_OPEN_INTEREST_PAGE - 1) * period_ms)
            rows = await rest.get(
                "/futures/data/openInterestHist",
                symbol=symbol,
                period=interval_name(period_ms),
                startTime=start_ms,
                endTime=until_ms,
                limit=_OPEN_INTEREST_PAGE,
            )
            yield [
                self._open_interest(symbol, row["timestamp"], row["sumOpenInterest"])
                for row in sorted(rows, key=lambda row: utc_ms(row["timestamp"]))
            ]
            start_ms = until_ms + 1

    def _open_interest(self, symbol: str, time_ms: Json, held: Json) -> OpenInterest:
        base = not_negative(held)
        return OpenInterest(self.exchange, symbol, utc_ms(time_ms), base, base)

    async def funding(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        while start_ms < end_ms:
            rows = await rest.get(
                "/fapi/v1/fundingRate",
                symbol=symbol,
                startTime=start_ms,
                endTime=end_ms - 1,
                limit=_FUNDING_PAGE,
            )
            paid = [
                FundingRate(self.exchange, symbol, utc_ms(row["fundingTime"]), signed(row["fundingRate"]))
                for row in rows
            ]
            yield paid
            if len(paid) < _FUNDING_PAGE:
                return
            start_ms = paid[-1].time_ms + 1

    async def poll(self, rest: RestClient, symbol: str) -> Sequence[MarketEvent]:
        answer = await rest.get("/fapi/v1/openInterest", symbol=symbol)
        return [self._open_interest(symbol, answer["time"], answer["openInterest"])]
