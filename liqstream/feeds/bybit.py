"""Bybit v5 linear perpetuals. https://bybit-exchange.github.io/docs/v5/intro

Every liquidation is told, in batches twice a second. `S` is the side of the *position* there: "Buy" is a
long, the opposite of Binance. Tickers send only what changed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import ClassVar

import orjson

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
from liqstream.feeds.rest import RestClient, RestRefusedError
from liqstream.feeds.venue import Socket, Venue
from liqstream.market import (
    Candle,
    FundingRate,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Side,
)
from liqstream.symbols import INTERVALS_MS, is_symbol

ARGS_PER_MESSAGE = 10
_KLINES_PAGE, _OPEN_INTEREST_PAGE, _FUNDING_PAGE, _INSTRUMENTS_PAGE = 1000, 200, 200, 1000
_POSITION: dict[str, Side] = {"Buy": "long", "Sell": "short"}
_INTERVAL_NAMES = {name: str(ms // 60_000) for name, ms in INTERVALS_MS.items() if name != "1d"} | {"1d": "D"}
_INTERVAL_OF = {_INTERVAL_NAMES[name]: ms for name, ms in INTERVALS_MS.items()}
_KLINE_NAME = {ms: name for name, ms in _INTERVAL_OF.items()}
_OPEN_INTEREST_PERIODS = {
    300_000: "5min",
    900_000: "15min",
    1_800_000: "30min",
    3_600_000: "1h",
    14_400_000: "4h",
    86_400_000: "1d",
}
_NOT_NEEDED = ("orderbook", "liquidation", "price_limit", "insurance", "adlAlert")


class Bybit(Venue):
    """See the module."""

    name: ClassVar[str] = "bybit"
    rest_url: ClassVar[str] = "https://api.bybit.com"
    ws_url: ClassVar[str] = "wss://stream.bybit.com"
    keepalive: ClassVar[tuple[float, str] | None] = (20.0, '{"op":"ping"}')

    def __init__(self, exchange: str | None = None) -> None:
        super().__init__(exchange)
        self._next_funding: dict[str, tuple[int, float]] = {}
        self._ticker: dict[str, dict[str, Json]] = {}

    def sockets(self, symbols: Sequence[str], interval_ms: int, ws_url: str) -> list[Socket]:
        topics = [
            f"{topic}.{symbol}"
            for symbol in symbols
            for topic in (f"kline.{_KLINE_NAME[interval_ms]}", "tickers", "allLiquidation")
        ]
        hello = tuple(
            orjson.dumps({"op": "subscribe", "args": topics[start : start + ARGS_PER_MESSAGE]}).decode()
            for start in range(0, len(topics), ARGS_PER_MESSAGE)
        )
        return [Socket("ws", f"{ws_url}/v5/public/linear", hello)]

    def read(self, text: str | bytes) -> Parsed:
        message = read_json(text)
        if not isinstance(message, dict):
            raise ValueError("a message is an object")
        topic = message.get("topic")
        if topic is None:
            return self._control(message)
        kind, _, rest = str(topic).partition(".")
        if kind == "kline":
            return self._klines(message, *rest.split(".", 1))
        if kind == "tickers":
            return self._tickers(message, rest)
        if kind == "allLiquidation":
            return self._liquidations(message)
        if kind in ("publicTrade", "trade"):
            return self._trades(message)
        return IGNORED if kind in _NOT_NEEDED else UNKNOWN

    def _control(self, message: Json) -> Parsed:
        if message.get("success") is False:
            raise ValueError(f"refused: {message.get('ret_msg')}")
        return CONTROL if "op" in message else UNKNOWN

    def _klines(self, message: Json, interval: str, symbol: str) -> Parsed:
        if not is_symbol(symbol) or interval not in _INTERVAL_OF:
            return IGNORED
        candles = [
            candle_from_row(
                self.exchange,
                symbol,
                _INTERVAL_OF[interval],
                [bar[name] for name in ("start", "open", "high", "low", "close", "volume", "turnover")],
                closed=bar["confirm"] is True,
            )
            for bar in message["data"]
        ]
        return Parsed("data", candles, sent_ms=utc_ms(message["ts"]))

    def _tickers(self, message: Json, symbol: str) -> Parsed:
        """Only the fields that are there have changed; the others are as they were."""
        if not is_symbol(symbol):
            return IGNORED
        data, sent_ms = message["data"], utc_ms(message["ts"])
        known = {} if message["type"] == "snapshot" else self._ticker.get(symbol, {})
        known |= {name: value for name, value in data.items() if value != ""}
        self._ticker[symbol] = known
        events: list[MarketEvent] = []
        if data.get("openInterest"):
            base = not_negative(data["openInterest"])
            events.append(OpenInterest(self.exchange, symbol, sent_ms, base, base))
        if data.get("markPrice"):
            events.append(MarkPrice(self.exchange, symbol, sent_ms, positive(data["markPrice"])))
        if known.get("nextFundingTime") and known.get("fundingRate"):
            events += self._paid(symbol, utc_ms(known["nextFundingTime"]), signed(known["fundingRate"]))
        return Parsed("data", events, sent_ms=sent_ms)

    def _paid(self, symbol: str, due_ms: int, rate: float) -> list[FundingRate]:
        """When the next payment is announced, the one before it was made at the rate last told."""
        before = self._next_funding.get(symbol)
        self._next_funding[symbol] = (due_ms, rate)
        if before is not None and due_ms > before[0]:
            return [FundingRate(self.exchange, symbol, *before)]
        return []

    def _liquidations(self, message: Json) -> Parsed:
        events = [
            Liquidation(
                self.exchange,
                fill["s"],
                utc_ms(fill["T"]),
                _POSITION[fill["S"]],
                positive(fill["p"]),
                positive(fill["v"]),
            )
            for fill in message["data"]
            if is_symbol(fill["s"])
        ]
        return Parsed("data", events, sent_ms=utc_ms(message["ts"]))

    def _trades(self, message: Json) -> Parsed:
        trades = [
            Trade(
                self.exchange,
                trade["s"],
                utc_ms(trade["T"]),
                positive(trade["p"]),
                positive(trade["v"]),
                taker_is_buyer=trade["S"] == "Buy",
            )
            for trade in message["data"]
            if is_symbol(trade["s"])
        ]
        return Parsed("data", trades=trades, sent_ms=utc_ms(message["ts"]))

    async def _get(self, rest: RestClient, path: str, **params: str | int) -> Json:
        answer = await rest.get(path, **params)
        if answer["retCode"] != 0:
            raise RestRefusedError(f"{answer['retCode']}: {answer['retMsg']}")
        return answer["result"]

    async def server_time_ms(self, rest: RestClient) -> int:
        answer = await self._get(rest, "/v5/market/time")
        return int(answer["timeNano"]) // 1_000_000

    async def listed(self, rest: RestClient) -> frozenset[str]:
        names: set[str] = set()
        cursor = ""
        while True:
            more = {"cursor": cursor} if cursor else {}
            answer = await self._get(
                rest,
                "/v5/market/instruments-info",
                category="linear",
                status="Trading",
                limit=_INSTRUMENTS_PAGE,
                **more,
            )
            names |= {
                contract["symbol"]
                for contract in answer["list"]
                if contract["contractType"] == "LinearPerpetual" and contract["quoteCoin"] == "USDT"
            }
            cursor = answer.get("nextPageCursor", "")
            if not cursor:
                return frozenset(names)

    async def candles(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[list[Candle]]:
        for page_ms in range(start_ms, end_ms, _KLINES_PAGE * interval_ms):
            answer = await self._get(
                rest,
                "/v5/market/kline",
                category="linear",
                symbol=symbol,
                interval=_KLINE_NAME[interval_ms],
                start=page_ms,
                end=min(end_ms, page_ms + _KLINES_PAGE * interval_ms) - 1,
                limit=_KLINES_PAGE,
            )
            yield [
                candle_from_row(self.exchange, symbol, interval_ms, row[:7], closed=True)
                for row in reversed(answer["list"])
            ]

    async def open_interest(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        period_ms = max((known for known in _OPEN_INTEREST_PERIODS if known <= interval_ms), default=300_000)
        for page_ms in range(start_ms, end_ms, _OPEN_INTEREST_PAGE * period_ms):
            answer = await self._get(
                rest,
                "/v5/market/open-interest",
                category="linear",
                symbol=symbol,
                intervalTime=_OPEN_INTEREST_PERIODS[period_ms],
                startTime=page_ms,
                endTime=min(end_ms, page_ms + _OPEN_INTEREST_PAGE * period_ms) - 1,
                limit=_OPEN_INTEREST_PAGE,
            )
            yield [
                OpenInterest(
                    self.exchange,
                    symbol,
                    utc_ms(row["timestamp"]),
                    not_negative(row["openInterest"]),
                    not_negative(row["openInterest"]),
                )
                for row in reversed(answer["list"])
            ]

    async def funding(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        page_span_ms = _FUNDING_PAGE * 3_600_000
        for page_ms in range(start_ms, end_ms, page_span_ms):
            answer = await self._get(
                rest,
                "/v5/market/funding/history",
                category="linear",
                symbol=symbol,
                startTime=page_ms,
                endTime=min(end_ms, page_ms + page_span_ms) - 1,
                limit=_FUNDING_PAGE,
            )
            yield self.read_funding(answer["list"])

    def read_funding(self, rows: Json) -> list[FundingRate]:
        """Rows of the funding history, made ascending."""
        return [
            FundingRate(
                self.exchange, row["symbol"], utc_ms(row["fundingRateTimestamp"]), signed(row["fundingRate"])
            )
            for row in reversed(rows)
        ]
