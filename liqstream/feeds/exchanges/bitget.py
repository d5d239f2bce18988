"""Bitget USDT-margined perpetual futures, API v3. https://www.bitget.com/api-doc/uta/intro

Of each symbol and second the largest long and the largest short liquidation are sent. Whether their `amount`
is in base or quote coin no document says and clients differ: they are held back until the amounts have shown
it, which in base coin are multiples of the contract's quantity step, and REST has the same liquidations.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
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
from liqstream.feeds.step_amounts import BASE, QUOTE, StepAmounts
from liqstream.feeds.trial import Question, Trial
from liqstream.feeds.venue import Instrument, Socket, Topic, Venue, by_symbol
from liqstream.market import (
    Candle,
    FundingRate,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Side,
)
from liqstream.market.record_bounds import time_of
from liqstream.symbols import INTERVALS_MS, is_symbol

_MARKET = "/api/v3/market"
_CATEGORY = "USDT-FUTURES"
_BAR_NAMES = {ms: name if name.endswith("m") else name.upper() for name, ms in INTERVALS_MS.items()}
_BAR_OF = {name: ms for ms, name in _BAR_NAMES.items()}
_CANDLES_PAGE, _FUNDING_PAGE, _LIQUIDATIONS_PAGE = 100, 100, 100
_MOST_PAGES = 50
_POSITION: dict[str, Side] = {"buy": "long", "sell": "short"}
_NO_END = ("", "0", "-1")


class Bitget(Venue):
    """See the module."""

    name: ClassVar[str] = "bitget"
    display_name: ClassVar[str] = "Bitget"
    rest_url: ClassVar[str] = "https://api.bitget.com"
    ws_url: ClassVar[str] = "wss://ws.bitget.com"
    checked_on: ClassVar[date] = date(2026, 11, 26)
    documents: ClassVar[tuple[str, ...]] = ("https://www.bitget.com/api-doc/uta/intro",)
    unproven: ClassVar[tuple[str, ...]] = ("open interest: one side", "price of liquidations: bankruptcy")
    questions: ClassVar[Mapping[str, Question]] = {
        "liquidations": Question(
            "unit of its liquidations", "liquidations", (BASE, QUOTE), "its REST interface", past=True
        )
    }
    ping_path: ClassVar[str] = "/api/v2/public/time"
    refusals: ClassVar[RefusalTable] = RefusalTable(
        fine=frozenset({"00000", "0"}),
        limits=frozenset({"429", "30006", "30007"}),
        item=frozenset({"40034", "40102", "40309", "30001", "30003"}),
    )
    # Each path takes 20 a second, and all together 6000 a minute: by the first no two paths go beyond either.
    limits: ClassVar[tuple[Limit, ...]] = (Limit(20.0, 1.0), Limit(5.0, 1.0, "liquidations"))
    topics_per_message: ClassVar[int] = 10
    refused_every_s: ClassVar[float] = 20.0  # it takes 240 subscriptions an hour
    keepalive: ClassVar[tuple[float, str] | None] = (25.0, "ping")
    keeps_open_interest: ClassVar[bool] = False
    keeps_liquidations: ClassVar[bool] = True

    def __init__(self, exchange: str | None = None) -> None:
        super().__init__(exchange)
        self._bars = LastStates()
        # Base coin of the smallest step of a quantity, by symbol.
        self.contract_sizes = {"BTCUSDT": 0.0001, "ETHUSDT": 0.01}
        self._amounts = StepAmounts(self.contract_sizes, self._newest)

    def topics(self, symbols: Sequence[str], interval_ms: int) -> list[Topic]:
        """Bars and the ticker of each symbol, the liquidations of all."""
        bar = _BAR_NAMES[interval_ms]
        return [
            *(
                topic
                for symbol in symbols
                for topic in (
                    Topic(f"kline/{symbol}/{bar}", symbol, ("bars",), ("kline", symbol, bar)),
                    Topic(
                        f"ticker/{symbol}", symbol, ("marks", "open_interest", "funding"), ("ticker", symbol)
                    ),
                )
            ),
            Topic("liquidation", "", ("liquidations",), ("liquidation",)),
        ]

    def sockets(self, topics: Sequence[Topic], ws_url: str) -> list[Socket]:
        """One public socket."""
        return [Socket("ws", f"{ws_url}/v3/ws/public", tuple(topics))] if topics else []

    def subscription(self, topics: Sequence[Topic], request_id: str) -> str:
        """Topics that are refused are refused one by one, and named."""
        args = []
        for topic in topics:
            parts = zip(("topic", "symbol", "interval"), topic.name.split("/"), strict=False)
            args.append({"instType": "usdt-futures", **dict(parts)})
        return orjson.dumps({"op": "subscribe", "args": args}).decode()

    def note_break(self) -> None:
        """A bar's last state before it need not be its last."""
        self._bars.clear()

    def read(self, text: str | bytes) -> Parsed:
        """A topic's push, a pong or an event."""
        if text in ("pong", b"pong"):
            return CONTROL
        message = read_json(text)
        if not isinstance(message, dict):
            raise ValueError("a message is an object")
        arg = message.get("arg") or {}
        if message.get("event") == "error":
            words = " ".join(str(arg[name]) for name in ("topic", "symbol", "interval") if name in arg)
            return refused(message.get("code"), f"{message.get('msg')} {words}".strip())
        if "event" in message:
            return CONTROL
        topic, rows = arg.get("topic") or self._topic_of(message), message["data"]
        if topic == "kline":
            return self._klines(arg, rows, message.get("action") == "snapshot")
        if topic == "ticker":
            sent_ms = utc_ms(message["ts"])
            found = self.bad_items.each(rows, lambda row: self._ticker(str(arg["symbol"]), sent_ms, row))
            return Parsed("data", [event for events in found for event in events], sent_ms=sent_ms)
        if topic == "liquidation":
            given = self.bad_items.each(rows, self._liquidated)
            return Parsed("data", [each for one in given for each in self.take("liquidations", one)])
        return IGNORED if topic in ("books", "books5", "publicTrade") else UNKNOWN

    def _topic_of(self, message: Json) -> str:
        """Examples of the liquidation topic are written without their `arg`."""
        rows = message.get("data")
        is_liquidation = isinstance(rows, list) and rows and isinstance(rows[0], dict) and "amount" in rows[0]
        return "liquidation" if is_liquidation else ""

    def _klines(self, arg: Json, rows: Json, is_past: bool) -> Parsed:
        """The first message holds bars of the past, which REST has too; no bar is marked as closed."""
        symbol, interval_ms = str(arg["symbol"]), _BAR_OF.get(str(arg["interval"]))
        if interval_ms is None or not is_symbol(symbol):
            return IGNORED
        bad = self.bad_items.count
        bars = self.bad_items.each(rows, lambda row: self._kline(symbol, interval_ms, row))
        bars.sort(key=lambda bar: bar.open_time_ms)
        bars = bars[-1:] if is_past else bars
        lost = self.bad_items.count > bad
        return Parsed("data", self._bars.take_all(bars, self.now_ms(), self.clock_ms(), lost=lost))

    def _kline(self, symbol: str, interval_ms: int, bar: Json) -> Candle:
        row = [bar[name] for name in ("start", "open", "high", "low", "close", "volume", "turnover")]
        return candle_from_row(self.exchange, symbol, interval_ms, row, closed=False)

    def _ticker(self, symbol: str, sent_ms: int, row: Json) -> list[MarketEvent]:
        if not is_symbol(symbol):
            return []
        events: list[MarketEvent] = []
        for read in (self._mark, self._held, self._paid):
            events += self.bad_items.attempt(partial(read, symbol, sent_ms), row) or ()
        return events

    def _mark(self, symbol: str, time_ms: int, row: Json) -> list[MarkPrice]:
        if not row.get("markPrice"):
            return []
        return [MarkPrice(self.exchange, symbol, time_ms, positive(row["markPrice"]))]

    def _held(self, symbol: str, time_ms: int, row: Json) -> list[OpenInterest]:
        if not row.get("openInterest"):
            return []
        base = not_negative(row["openInterest"])
        return [OpenInterest(self.exchange, symbol, time_ms, base, base)]

    def _paid(self, symbol: str, time_ms: int, row: Json) -> list[FundingRate]:
        # "0" or nothing announces no payment.
        if not row.get("fundingRate") or str(row.get("nextFundingTime") or "") in _NO_END:
            return []
        due_ms = utc_ms(row["nextFundingTime"])
        return self.announced.paid(symbol, time_ms, due_ms, signed(row["fundingRate"]))

    def _liquidated(self, row: Json) -> dict[str, Liquidation] | None:
        """A row of socket or REST, its amount in both readings."""
        symbol, price, amount = row["symbol"], positive(row["price"]), positive(row["amount"])
        if not is_symbol(symbol):
            return None
        in_base = Liquidation(self.exchange, symbol, utc_ms(row["ts"]), _POSITION[row["side"]], price, amount)
        return {BASE: in_base, QUOTE: replace(in_base, quantity_base=amount / price)}

    def _liquidated_then(self, row: Json) -> dict[str, Liquidation] | None:
        return self._liquidated({**row, "ts": self.not_ahead(utc_ms(row["ts"]))})

    async def examine(self, rest: RestClient, symbols: Sequence[str], now_ms: int) -> Sequence[MarketEvent]:
        """Compare what is held with the steps of the contracts and the liquidations REST has."""
        trial = self.trials["liquidations"]
        if trial.is_open:
            await self._amounts.compare(trial, rest, symbols, now_ms)
        return trial.settle(now_ms)

    async def _newest(self, rest: RestClient, symbol: str) -> list[dict[str, Liquidation]]:
        found, _ = await self._page(rest, symbol, "")
        return found

    async def _get(self, rest: RestClient, path: str, **params: str | int) -> Json:
        response = await rest.get(f"{_MARKET}/{path}", category=_CATEGORY, **params)
        return response["data"]

    async def server_time_ms(self, rest: RestClient) -> int:
        """GET /api/v2/public/time."""
        return utc_ms((await rest.get("/api/v2/public/time"))["data"]["serverTime"])

    async def instruments(self, rest: RestClient) -> Mapping[str, Instrument]:
        """USDT perpetuals; the steps of their quantities are kept."""
        listed = self.bad_items.each(await self._get(rest, "instruments"), self._instrument)
        return by_symbol(listed)

    def _instrument(self, row: Json) -> Instrument | None:
        symbol = row["symbol"]
        if row["type"] != "perpetual" or row.get("quoteCoin", "USDT") != "USDT" or not is_symbol(symbol):
            return None
        state, step = str(row["status"]), positive(row["quantityMultiplier"])
        if state == "online" or symbol not in self.contract_sizes:
            self.contract_sizes[symbol] = step
        ends_ms = self.delisting_ms(row.get("offTime"))
        return Instrument(symbol, state == "online", state, delists_at_ms=ends_ms)

    async def candles(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[list[Candle]]:
        """GET history-candles, 100 a page, and of the newest GET candles, which has no older ones."""
        newest_ms = self.now_ms() - _CANDLES_PAGE * interval_ms
        for page_ms in range(start_ms, end_ms, _CANDLES_PAGE * interval_ms):
            until_ms = min(end_ms, page_ms + _CANDLES_PAGE * interval_ms)
            rows = await self._get(
                rest,
                "candles" if until_ms > newest_ms else "history-candles",
                symbol=symbol,
                interval=_BAR_NAMES[interval_ms],
                startTime=page_ms,
                endTime=until_ms - 1,
                limit=_CANDLES_PAGE,
            )
            bars = self.bad_items.each(
                rows, lambda row: candle_from_row(self.exchange, symbol, interval_ms, row[:7], closed=True)
            )
            bars.sort(key=lambda bar: bar.open_time_ms)
            # Where an end belongs to the span or does not, a bar beyond it is another page's.
            yield [bar for bar in bars if page_ms <= bar.open_time_ms < until_ms]

    async def open_interest(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """Nothing: none is kept."""
        yield ()

    async def funding(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """GET history-fund-rate, newest first, 100 a page; pages have numbers."""
        for number in range(1, _MOST_PAGES):
            data = await self._get(
                rest, "history-fund-rate", symbol=symbol, limit=_FUNDING_PAGE, cursor=number
            )
            paid = self.bad_items.each(data["resultList"], lambda row: self._rate(symbol, row))
            paid.sort(key=lambda rate: rate.time_ms)
            yield self.within(paid, start_ms, end_ms)
            if len(paid) < _FUNDING_PAGE or paid[0].time_ms < start_ms:
                return

    def _rate(self, symbol: str, row: Json) -> FundingRate:
        return FundingRate(
            self.exchange, symbol, utc_ms(row["fundingRateTimestamp"]), signed(row["fundingRate"])
        )

    async def past_liquidations(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """GET liquidations, newest first, 100 a page, of the last three days."""
        trial: Trial[Liquidation] = self.trials["liquidations"]
        cursor = ""
        for _ in range(_MOST_PAGES * 10):
            found, following = await self._page(rest, symbol, cursor)
            events = [each for readings in found for each in trial.take(readings)]
            yield sorted((each for each in events if start_ms <= each.time_ms < end_ms), key=time_of)
            oldest_ms = min((each.time_ms for each in events), default=start_ms)
            if not following or following == cursor or oldest_ms < start_ms:
                return
            cursor = following

    async def _page(
        self, rest: RestClient, symbol: str, cursor: str
    ) -> tuple[list[dict[str, Liquidation]], str]:
        """A page of the past in both readings, and the cursor of the one before it."""
        more = {"cursor": cursor} if cursor else {}
        asked: dict[str, str | int] = {"symbol": symbol, "limit": _LIQUIDATIONS_PAGE, **more}
        response = await rest.get(f"{_MARKET}/liquidations", 1.0, "liquidations", category=_CATEGORY, **asked)
        rows = response["data"]["list"]
        found = self.bad_items.each(rows, self._liquidated_then)
        following = str(response["data"].get("cursor") or "")
        return found, following if len(rows) >= _LIQUIDATIONS_PAGE else ""

    async def present(self, rest: RestClient, symbol: str) -> Sequence[MarketEvent]:
        """GET tickers."""
        response = await rest.get(f"{_MARKET}/tickers", category=_CATEGORY, symbol=symbol)
        time_ms = utc_ms(response["requestTime"])
        return [each for row in response["data"] for each in self._ticker(symbol, time_ms, row)]
