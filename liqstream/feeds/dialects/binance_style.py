"""Linear perpetuals as Binance USD-M speaks of them; others took its interface over.

A stream's liquidations are a lower bound: one forced order per symbol and second. Open interest is in no
stream and is asked for by REST.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import ClassVar

from liqstream.feeds.pacing import Limit
from liqstream.feeds.parsing import (
    CLOSING,
    CONTROL,
    IGNORED,
    INSTRUMENTS,
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
from liqstream.feeds.refusals import RefusalTable
from liqstream.feeds.rest_client import RestClient
from liqstream.feeds.venue import Instrument, RecordKind, Socket, Topic, Venue, by_symbol
from liqstream.market import (
    DAY_MS,
    HOUR_MS,
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
"""Binance allows 1024 and others 200; above 200 losses have been seen."""
_KLINES_PAGE, _OPEN_INTEREST_PAGE, _FUNDING_PAGE = 499, 500, 1000
"""499 bars cost 2 of the weight, 249 bars each; 1500 would cost 10, 150 each."""
_FUTURES_DATA = "/futures/data"
"""These paths have a limit of their own."""
FUNDING_RATE = "/fapi/v1/fundingRate"
FUNDING_LIMIT = Limit(500.0, 300.0, FUNDING_RATE)
"""Beside the weight: hundreds of markets together would go beyond it."""
_OPEN_INTEREST_KEPT_MS = 29 * DAY_MS
"""Binance keeps 30 days and refuses a request that begins earlier."""
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
        "compositeIndex",
        "continuous_kline",
        "assetIndexUpdate",
    ]
)


class BinanceStyle(Venue):
    """An exchange of this interface; a subclass adds its facts."""

    stream_path: ClassVar[str] = "/stream"
    """Where combined streams are."""
    announces_contracts: ClassVar[bool] = False
    """Whether a stream tells of changes of the contracts."""
    ping_path: ClassVar[str] = "/fapi/v1/ping"
    refusals: ClassVar[RefusalTable] = RefusalTable(
        limits=frozenset({"-1003", "-1008", "-1015"}), item=frozenset({"-1121", "-4108"})
    )
    limits: ClassVar[tuple[Limit, ...]] = (
        Limit(2400.0, 60.0, used_header="X-MBX-USED-WEIGHT-1M"),
        Limit(1000.0, 300.0, _FUTURES_DATA),
        FUNDING_LIMIT,
    )
    poll_every_s: ClassVar[float | None] = 5.0

    def topics(self, symbols: Sequence[str], interval_ms: int) -> list[Topic]:
        """Three streams a symbol, and one that tells of changes of the contracts."""
        kinds: dict[str, tuple[RecordKind, ...]] = {
            f"kline_{interval_name(interval_ms)}": ("bars",),
            "markPrice@1s": ("marks", "funding"),
            "forceOrder": ("liquidations",),
        }
        streams = [
            Topic(f"{symbol.lower()}@{stream}", symbol, carried)
            for symbol in symbols
            for stream, carried in kinds.items()
        ]
        changes = [Topic("!contractInfo", "", ("instruments",))] if self.announces_contracts else []
        return [*streams, *changes]

    def sockets(self, topics: Sequence[Topic], ws_url: str) -> list[Socket]:
        """Combined streams, at most STREAMS_PER_SOCKET to a socket, named in its address."""
        parts = [topics[at : at + STREAMS_PER_SOCKET] for at in range(0, len(topics), STREAMS_PER_SOCKET)]
        return [
            Socket(
                f"ws{number}",
                f"{ws_url}{self.stream_path}?streams=" + "/".join(topic.name for topic in part),
                tuple(part),
                subscribes=False,
            )
            for number, part in enumerate(parts)
        ]

    def read(self, text: str | bytes) -> Parsed:
        """A message of a combined or a raw stream, or a list of them."""
        message = read_json(text)
        if isinstance(message, dict) and "data" in message and "stream" in message:
            message = message["data"]
        if isinstance(message, list):
            parts = self.bad_items.each(message, self._one)
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
        if kind == "contractInfo":
            return INSTRUMENTS
        if kind == "serverShutdown":
            return CLOSING
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
            paid = self.bad_items.attempt(
                lambda part: self.announced.paid(symbol, sent_ms, utc_ms(part["T"]), signed(part["r"])),
                message,
            )
            events += paid or []
        return Parsed("data", events, sent_ms=sent_ms)

    def _force_order(self, message: Json) -> Parsed:
        order = message["o"]
        symbol, quantity = order["s"], not_negative(order["z"])
        sent_ms = utc_ms(message["E"])
        coin_margined = order.get("st", message.get("st", _USD_MARGINED)) != _USD_MARGINED
        if coin_margined or not is_symbol(symbol) or quantity == 0:
            return Parsed("data", sent_ms=sent_ms)
        side = _POSITION_OF_ORDER[order["S"]]
        # The average price is 0 in an order that is reported before its fill: its limit price then stands.
        average = order.get("ap") or 0
        price = positive(order["p"] if not_negative(average) == 0 else average)
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
        """GET /fapi/v1/time."""
        return utc_ms((await rest.get("/fapi/v1/time"))["serverTime"])

    async def instruments(self, rest: RestClient) -> Mapping[str, Instrument]:
        """Perpetuals of GET /fapi/v1/exchangeInfo."""
        response = await rest.get("/fapi/v1/exchangeInfo")
        listed = self.bad_items.each(response["symbols"], self._instrument)
        return by_symbol(listed)

    def _instrument(self, contract: Json) -> Instrument | None:
        if contract["contractType"] != "PERPETUAL" or not is_symbol(contract["symbol"]):
            return None
        state = str(contract["status"])
        ends_ms = self.delisting_ms(contract.get("deliveryDate"))
        return Instrument(contract["symbol"], state == "TRADING", state, delists_at_ms=ends_ms)

    async def candles(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[list[Candle]]:
        """GET /fapi/v1/klines, 499 a page."""
        while start_ms < end_ms:
            rows = await rest.get(
                "/fapi/v1/klines",
                2.0,
                symbol=symbol,
                interval=interval_name(interval_ms),
                startTime=start_ms,
                endTime=end_ms - 1,
                limit=_KLINES_PAGE,
            )
            bars = self.bad_items.each(rows, lambda row: self._bar(symbol, interval_ms, row))
            yield bars
            if len(rows) < _KLINES_PAGE:
                return
            start_ms = self.page_after(bars, start_ms, interval_ms, _KLINES_PAGE * interval_ms)

    def _bar(self, symbol: str, interval_ms: int, row: Json) -> Candle:
        figures = [*row[:6], row[7], row[9]]
        return candle_from_row(self.exchange, symbol, interval_ms, figures, closed=True)

    async def open_interest(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """Of the last 29 days, at periods of at least 5 minutes, where any are kept."""
        if not self.keeps_open_interest:
            return
        period_ms = max(interval_ms, INTERVALS_MS["5m"])
        start_ms = max(start_ms, self.now_ms() - _OPEN_INTEREST_KEPT_MS)
        while start_ms < end_ms:
            until_ms = min(end_ms - 1, start_ms + (_OPEN_INTEREST_PAGE - 1) * period_ms)
            rows = await rest.get(
                "/futures/data/openInterestHist",
                1.0,
                _FUTURES_DATA,
                symbol=symbol,
                period=interval_name(period_ms),
                startTime=start_ms,
                endTime=until_ms,
                limit=_OPEN_INTEREST_PAGE,
            )
            held: list[OpenInterest] = self.bad_items.each(
                rows, lambda row: self._open_interest(symbol, row["timestamp"], row["sumOpenInterest"])
            )
            held.sort(key=lambda event: event.time_ms)
            yield held
            start_ms = until_ms + 1

    def _open_interest(self, symbol: str, time_ms: Json, held: Json) -> OpenInterest:
        base = not_negative(held)
        return OpenInterest(self.exchange, symbol, utc_ms(time_ms), base, base)

    async def funding(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """GET /fapi/v1/fundingRate, 1000 a page."""
        while start_ms < end_ms:
            rows = await rest.get(
                FUNDING_RATE,
                1.0,
                FUNDING_RATE,
                symbol=symbol,
                startTime=start_ms,
                endTime=end_ms - 1,
                limit=_FUNDING_PAGE,
            )
            paid = self.bad_items.each(rows, lambda row: self._paid(symbol, row))
            yield paid
            if len(rows) < _FUNDING_PAGE:
                return
            start_ms = self.page_after(paid, start_ms, 1, _FUNDING_PAGE * HOUR_MS)

    def _paid(self, symbol: str, row: Json) -> FundingRate:
        return FundingRate(self.exchange, symbol, utc_ms(row["fundingTime"]), signed(row["fundingRate"]))

    async def present(self, rest: RestClient, symbol: str) -> Sequence[MarketEvent]:
        """The mark of GET /fapi/v1/premiumIndex, and open interest."""
        mark = await rest.get("/fapi/v1/premiumIndex", symbol=symbol)
        price = MarkPrice(self.exchange, symbol, utc_ms(mark["time"]), positive(mark["markPrice"]))
        return [price, *await self.poll(rest, symbol)]

    async def poll(self, rest: RestClient, symbol: str) -> Sequence[MarketEvent]:
        """Open interest, which no stream carries."""
        response = await rest.get("/fapi/v1/openInterest", symbol=symbol)
        return [self._open_interest(symbol, response["time"], response["openInterest"])]
