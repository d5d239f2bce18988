"""Lighter perpetuals. https://apidocs.lighter.xyz

Its contracts are margined in USDC; they stand beside the others' USDT contracts under the same name. Markets
have numbers. Open interest was streamed in USD in 2025 and in base coin in 2026: it is held back until it is
that of orderBookDetails, from which it comes meanwhile. The stream's funding rate, whose unit no document
states, is not used: funding that was paid comes by REST.
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
from liqstream.feeds.trial import OFF, Held, Question, Trial
from liqstream.feeds.venue import Instrument, Socket, Topic, Venue, by_symbol
from liqstream.market import (
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

_API = "/api/v1"
_CANDLES_PAGE, _FUNDING_PAGE = 500, 100
_BASE, _USD = "it is in base coin", "it is in USD"
_LIKE = 0.05
"""Of two readings of one open interest, some seconds apart."""
_COMPARED_WITHIN_MS = 60_000
_OFF_EVERY_MS = 60_000
"""How often open interest is asked for by REST while the channel is off."""
_PONG = '{"type":"pong"}'
_READ_ONLY = "?readonly=true"
_ALREADY_SUBSCRIBED = "30003"
_NOT_NEEDED = ("order_book", "ticker", "height", "spot_market_stats")


class Lighter(Venue):
    """See the module."""

    name: ClassVar[str] = "lighter"
    display_name: ClassVar[str] = "Lighter"
    rest_url: ClassVar[str] = "https://mainnet.zklighter.elliot.ai"
    ws_url: ClassVar[str] = "wss://mainnet.zklighter.elliot.ai"
    margin_coin: ClassVar[str] = "USDC"
    checked_on: ClassVar[date] = date(2026, 11, 26)
    documents: ClassVar[tuple[str, ...]] = (
        "https://apidocs.lighter.xyz/docs/websocket-reference",
        "https://apidocs.lighter.xyz/docs/rate-limits",
    )
    unproven: ClassVar[tuple[str, ...]] = ("side of liquidations: those of shorts were not seen yet",)
    questions: ClassVar[Mapping[str, Question]] = {
        "open interest": Question(
            "unit of its open interest", "open_interest", (_BASE, _USD), "orderBookDetails"
        )
    }
    intervals_ms: ClassVar[frozenset[int]] = frozenset(
        INTERVALS_MS[name] for name in ("1m", "5m", "15m", "30m", "1h", "4h", "12h", "1d")
    )
    refusals: ClassVar[RefusalTable] = RefusalTable(text_field="message", item=frozenset({"30005", "20001"}))
    limits: ClassVar[tuple[Limit, ...]] = (Limit(60.0, 60.0),)
    topics_per_message: ClassVar[int] = 1
    send_every_s: ClassVar[float] = 0.4  # it takes 200 messages a minute
    keepalive: ClassVar[tuple[float, str] | None] = (60.0, '{"type":"ping"}')
    list_every_s: ClassVar[float] = 300.0  # no channel tells that a market has another number, or stops
    keeps_open_interest: ClassVar[bool] = False
    notes: ClassVar[str] = (
        f"where lighter is closed, its socket can be read only: add /stream{_READ_ONLY} to its address"
    )

    def __init__(self, exchange: str | None = None) -> None:
        super().__init__(exchange)
        # Numbers of the markets, and their symbols.
        self._number = {"ETHUSDT": 0, "BTCUSDT": 1}
        self._symbol = {0: "ETHUSDT", 1: "BTCUSDT"}
        self._bars = LastStates()
        self._asked_ms = 0  # for open interest while the channel is off

    def topics(self, symbols: Sequence[str], interval_ms: int) -> list[Topic]:
        """Trades and bars of each market, the figures of all in one."""
        interval = interval_name(interval_ms)
        known = [(symbol, self._number[symbol]) for symbol in symbols if symbol in self._number]
        return [
            *(
                topic
                for symbol, number in known
                for topic in (
                    Topic(f"trade/{number}", symbol, ("liquidations",), (f"trade/{number}",)),
                    Topic(f"candle/{number}/{interval}", symbol, ("bars",), (f"candle/{number}/{interval}",)),
                )
            ),
            Topic("market_stats/all", "", ("marks", "open_interest"), ("market_stats/all",)),
        ]

    @property
    def publishes_liquidations(self) -> bool:
        """Among the trades."""
        return True

    def sockets(self, topics: Sequence[Topic], ws_url: str) -> list[Socket]:
        """One socket."""
        url = ws_url if ws_url.endswith(_READ_ONLY) else f"{ws_url}/stream"
        return [Socket("ws", url, tuple(topics))] if topics else []

    def subscription(self, topics: Sequence[Topic], request_id: str) -> str:
        """One channel a message; a refusal names it."""
        (topic,) = topics
        return orjson.dumps({"type": "subscribe", "channel": topic.name}).decode()

    def note_break(self) -> None:
        """A bar's last state before it need not be its last."""
        self._bars.clear()

    def read(self, text: str | bytes) -> Parsed:
        """A channel's push, a ping or an error."""
        message = read_json(text)
        if not isinstance(message, dict):
            raise ValueError("a message is an object")
        if isinstance(error := message.get("error"), dict):
            code = str(error["code"])
            return CONTROL if code == _ALREADY_SUBSCRIBED else refused(code, error.get("message"))
        kind = str(message["type"])
        if kind == "ping":
            return Parsed("control", reply=_PONG)
        if kind in ("connected", "pong", "unsubscribed"):
            return CONTROL
        what, _, channel = kind.partition("/")
        if what not in ("subscribed", "update"):
            return UNKNOWN
        if channel == "trade":
            # What a subscription begins with is past, and was read before.
            return self._trades(message) if what == "update" else Parsed("data")
        if channel == "candle":
            return self._candles(message, is_past=what == "subscribed")
        if channel == "market_stats":
            return self._stats(message)
        return IGNORED if channel in _NOT_NEEDED else UNKNOWN

    def _trades(self, message: Json) -> Parsed:
        rows = message.get("liquidation_trades") or []
        return Parsed("data", self.bad_items.each(rows, self._liquidation))

    def _liquidation(self, trade: Json) -> Liquidation | None:
        symbol = self._symbol.get(trade["market_id"])
        if trade["type"] != "liquidation" or symbol is None:
            return None
        is_maker_ask = trade["is_maker_ask"]
        if not isinstance(is_maker_ask, bool):
            raise ValueError(f"{is_maker_ask!r} is no side")
        # The taker bought what a short had sold.
        side: Side = "short" if is_maker_ask else "long"
        price, quantity = positive(trade["price"]), positive(trade["size"])
        return Liquidation(self.exchange, symbol, utc_ms(trade["timestamp"]), side, price, quantity)

    def _candles(self, message: Json, *, is_past: bool) -> Parsed:
        _, number, interval = str(message["channel"]).replace("/", ":").split(":")
        symbol, rows = self._symbol.get(int(number)), message.get("candles", message.get("candle"))
        if symbol is None or interval not in INTERVALS_MS:
            return IGNORED
        read = partial(self._bar, symbol, INTERVALS_MS[interval], closed=False)
        bad = self.bad_items.count
        bars = self.bad_items.each(rows if isinstance(rows, list) else [rows], read)
        bars.sort(key=lambda bar: bar.open_time_ms)
        bars = bars[-1:] if is_past else bars
        lost = self.bad_items.count > bad
        return Parsed("data", self._bars.take_all(bars, self.now_ms(), self.clock_ms(), lost=lost))

    def _bar(self, symbol: str, interval_ms: int, row: Json, *, closed: bool) -> Candle | None:
        """None for a row of the past without any price: nobody traded then."""
        if closed and all(row.get(name) in (None, "", 0, "0") for name in "ohlc"):
            return None
        figures = [row[name] for name in ("t", "o", "h", "l", "c", "v", "V")]
        return candle_from_row(self.exchange, symbol, interval_ms, figures, closed=closed)

    def _stats(self, message: Json) -> Parsed:
        stats, sent_ms = message["market_stats"], message.get("timestamp")
        rows = [stats] if "market_id" in stats else list(stats.values())
        time_ms = utc_ms(sent_ms) if sent_ms else self.now_ms()
        found = self.bad_items.each(rows, lambda row: self._figures(row, time_ms))
        return Parsed("data", [event for events in found for event in events])

    def _figures(self, row: Json, time_ms: int) -> list[MarketEvent]:
        symbol = self._symbol.get(row["market_id"])
        if symbol is None:
            return []
        price = positive(row["mark_price"])
        events: list[MarketEvent] = [MarkPrice(self.exchange, symbol, time_ms, price)]
        given = self.bad_items.attempt(lambda each: not_negative(each["open_interest"]), row)
        if given is not None:
            readings = {
                _BASE: OpenInterest(self.exchange, symbol, time_ms, given, given),
                _USD: OpenInterest(self.exchange, symbol, time_ms, given / price, given, "usd"),
            }
            events += self.take("open interest", readings)
        return events

    async def examine(self, rest: RestClient, symbols: Sequence[str], now_ms: int) -> Sequence[MarketEvent]:
        """Compare open interest with orderBookDetails, which stands in while the channel is not used."""
        trial: Trial[OpenInterest] = self.trials["open interest"]
        if trial.verdict == OFF and now_ms - self._asked_ms < _OFF_EVERY_MS:
            return trial.settle(now_ms)
        self._asked_ms = now_ms
        known = {row["symbol"]: row for row in await self._details(rest)}
        by_rest = []
        for symbol in symbols:
            row = known.get(_coin(symbol))
            if row is None or not row.get("open_interest"):
                continue
            base = not_negative(row["open_interest"])
            by_rest.append(OpenInterest(self.exchange, symbol, now_ms, base, base))
            for item in trial.pending((symbol,)):
                if abs(item.record.time_ms - now_ms) <= _COMPARED_WITHIN_MS:
                    trial.judge([item], _agreeing(item, base))
                else:
                    trial.drop([item])
        released = trial.settle(now_ms)
        return released or by_rest

    async def _details(self, rest: RestClient) -> list[Json]:
        response = await rest.get(f"{_API}/orderBookDetails")
        rows: list[Json] = response["order_book_details"]
        return rows

    async def server_time_ms(self, rest: RestClient) -> int:
        """GET /, whole seconds."""
        return utc_ms(int((await rest.get("/"))["timestamp"]) * 1000)

    async def instruments(self, rest: RestClient) -> Mapping[str, Instrument]:
        """Perpetuals; their numbers are kept."""
        return self._read_details(await self._details(rest))

    def learn(self, url: str, text: str) -> None:
        """Numbers of the markets, from a recorded list of them."""
        if url.partition("?")[0].endswith(f"{_API}/orderBookDetails"):
            self._read_details(read_json(text)["order_book_details"])

    def _read_details(self, rows: Json) -> dict[str, Instrument]:
        listed = self.bad_items.each(rows, self._instrument)
        return by_symbol(listed)

    def _instrument(self, row: Json) -> Instrument | None:
        symbol, number = f"{row['symbol']}USDT", row["market_id"]
        if row.get("market_type", "perp") != "perp" or not is_symbol(symbol):
            return None
        if isinstance(number, bool) or not isinstance(number, int):
            raise ValueError(f"{number!r} is no number of a market")
        state = str(row["status"])
        if state == "active" or symbol not in self._number:
            # A market that is listed anew has another number; the old one's figures are not its own.
            self._symbol = {old: each for old, each in self._symbol.items() if each != symbol}
            self._number[symbol], self._symbol[number] = number, symbol
        return Instrument(symbol, state == "active", state)

    def _asked(self, symbol: str, resolution: str, most: int) -> dict[str, str | int]:
        return {"market_id": self._number[symbol], "resolution": resolution, "count_back": most}

    async def candles(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[list[Candle]]:
        """GET candles, 500 a page."""
        asked = self._asked(symbol, interval_name(interval_ms), _CANDLES_PAGE)
        for page_ms in range(start_ms, end_ms, _CANDLES_PAGE * interval_ms):
            until_ms = min(end_ms, page_ms + _CANDLES_PAGE * interval_ms)
            span = {"start_timestamp": page_ms, "end_timestamp": until_ms - 1}
            response = await rest.get(f"{_API}/candles", **asked, **span)
            rows = response["c"] if "c" in response else response["candles"]
            bars = self.bad_items.each(rows, partial(self._bar, symbol, interval_ms, closed=True))
            bars.sort(key=lambda bar: bar.open_time_ms)
            yield [bar for bar in bars if page_ms <= bar.open_time_ms < until_ms]

    async def open_interest(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """Nothing: none is kept."""
        yield ()

    async def funding(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """GET fundings, 100 hours a page, times in seconds."""
        asked = self._asked(symbol, "1h", _FUNDING_PAGE)
        for page_ms in range(start_ms, end_ms, _FUNDING_PAGE * HOUR_MS):
            until_ms = min(end_ms, page_ms + _FUNDING_PAGE * HOUR_MS)
            span = {"start_timestamp": page_ms // 1000, "end_timestamp": (until_ms - 1) // 1000}
            rows = (await rest.get(f"{_API}/fundings", **asked, **span))["fundings"]
            paid = self.bad_items.each(rows, lambda row: self._paid(symbol, row))
            paid.sort(key=lambda rate: rate.time_ms)
            yield self.within(paid, page_ms, until_ms)

    def _paid(self, symbol: str, row: Json) -> FundingRate:
        """Per cent, always positive: `direction` is the side that pays."""
        sign = {"long": 1.0, "short": -1.0}[row["direction"]]
        rate = sign * abs(signed(row["rate"])) / 100
        return FundingRate(self.exchange, symbol, utc_ms(int(row["timestamp"]) * 1000), rate)

    async def present(self, rest: RestClient, symbol: str) -> Sequence[MarketEvent]:
        """Open interest of orderBookDetails; there is no mark price by REST."""
        rows = [row for row in await self._details(rest) if row["symbol"] == _coin(symbol)]
        held = [not_negative(row["open_interest"]) for row in rows if row.get("open_interest")]
        return [OpenInterest(self.exchange, symbol, self.now_ms(), base, base) for base in held]


def _coin(symbol: str) -> str:
    return symbol.removesuffix("USDT")


def _agreeing(item: Held[OpenInterest], base: float) -> set[str]:
    return {
        name
        for name, record in item.readings.items()
        if abs(record.open_interest_base - base) <= _LIKE * max(record.open_interest_base, base)
    }
