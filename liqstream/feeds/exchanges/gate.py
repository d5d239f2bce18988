"""Gate USDT-margined perpetual futures. https://www.gate.com/docs/developers/futures/

Sizes are in contracts of `quanto_multiplier` base coin. Every liquidation is sent (since 2026-08-20). Whether
the sign of its size is the position's or the order's no document says for the socket, and clients differ on
REST: both are held back until their sums of five minutes are those of contract_stats.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import ClassVar

import orjson

from liqstream.feeds import summed_sides
from liqstream.feeds.last_state import LastStates
from liqstream.feeds.pacing import Limit
from liqstream.feeds.parsing import (
    CLOSING,
    CONTROL,
    IGNORED,
    INSTRUMENTS,
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
from liqstream.feeds.trial import Question
from liqstream.feeds.venue import Instrument, RecordKind, Socket, Topic, Venue, by_symbol
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
from liqstream.market.record_bounds import time_of
from liqstream.symbols import INTERVALS_MS, interval_name, is_symbol

_FUTURES = "/api/v4/futures/usdt"
_CANDLES_PAGE, _CANDLES_KEPT, _FUNDING_PAGE, _STATS_PAGE = 2000, 9_990, 1000, 100
_FULL_PAGE = 100
"""How many liquidations an answer holds at most is disputed: for so many or more the span is halved."""


class Gate(Venue):
    """See the module."""

    name: ClassVar[str] = "gate"
    display_name: ClassVar[str] = "Gate"
    rest_url: ClassVar[str] = "https://api.gateio.ws"
    ws_url: ClassVar[str] = "wss://fx-ws.gateio.ws"
    checked_on: ClassVar[date] = date(2026, 11, 26)
    documents: ClassVar[tuple[str, ...]] = (
        "https://www.gate.com/docs/developers/apiv4/en/#futures",
        "https://www.gate.com/docs/developers/futures/ws/en/",
    )
    questions: ClassVar[Mapping[str, Question]] = summed_sides.QUESTIONS
    intervals_ms: ClassVar[frozenset[int]] = frozenset(
        INTERVALS_MS[name] for name in ("1m", "5m", "15m", "30m", "1h", "4h", "1d")
    )
    ping_path: ClassVar[str] = "/api/v4/spot/time"
    refusals: ClassVar[RefusalTable] = RefusalTable(
        code_field="label",
        text_field="message",
        limits=frozenset({"TOO_MANY_REQUESTS"}),
        item=frozenset({"CONTRACT_NOT_FOUND", "INVALID_PARAM_VALUE", "1", "2"}),
        window_s=10.0,
    )
    limits: ClassVar[tuple[Limit, ...]] = (
        Limit(200.0, 10.0, left_header="X-Gate-RateLimit-Requests-Remain"),
    )
    topics_per_message: ClassVar[int] = 1
    keeps_liquidations: ClassVar[bool] = True
    liquidations_in_s: ClassVar[bool] = True

    def __init__(self, exchange: str | None = None) -> None:
        super().__init__(exchange)
        # Base coin of a contract, by our symbol.
        self.contract_sizes = {"BTCUSDT": 0.0001, "ETHUSDT": 0.01}
        self._bars = LastStates()
        self._sides = summed_sides.SummedSides(self._sums, self._orders)

    def topics(self, symbols: Sequence[str], interval_ms: int) -> list[Topic]:
        """Bars and the ticker of each symbol; liquidations and contracts of all in one each."""
        interval = interval_name(interval_ms)
        return [
            *(
                topic
                for symbol in symbols
                for topic in (
                    _topic(symbol, ("bars",), "futures.candlesticks", interval, _contract(symbol)),
                    _topic(symbol, ("marks", "open_interest"), "futures.tickers", _contract(symbol)),
                )
            ),
            _topic("", ("liquidations",), "futures.public_liquidates", "!all"),
            _topic("", ("instruments",), "futures.contract_info", "!all"),
        ]

    def sockets(self, topics: Sequence[Topic], ws_url: str) -> list[Socket]:
        """One socket."""
        return [Socket("ws", f"{ws_url}/v4/ws/usdt", tuple(topics))] if topics else []

    def subscription(self, topics: Sequence[Topic], request_id: str) -> str:
        """One channel a message; the answer has its number."""
        (topic,) = topics
        channel, *payload = topic.name.split("/")
        asked = {"channel": channel, "event": "subscribe", "payload": payload}
        return orjson.dumps({"time": self.now_ms() // 1000, "id": int(request_id[1:]), **asked}).decode()

    def note_break(self) -> None:
        """A bar's last state before it need not be its last, and sums over it are not whole."""
        self._bars.clear()
        self._sides.note_break()

    def read(self, text: str | bytes) -> Parsed:
        """A channel's push, or the answer to a subscription."""
        message = read_json(text)
        if not isinstance(message, dict):
            raise ValueError("a message is an object")
        channel, event = str(message.get("channel", "")), message.get("event")
        notice = message.get("result") if channel == "futures.system" else message
        if isinstance(notice, dict) and notice.get("type") == "upgrade":
            return CLOSING
        if message.get("error") is not None:
            error = message["error"] if isinstance(message["error"], dict) else {"message": message["error"]}
            words = " ".join(map(str, (error["message"], channel, *(message.get("payload") or ()))))
            return refused(error.get("code"), words, f"s{message.get('id')}")
        if event in ("subscribe", "unsubscribe") or channel == "futures.pong":
            return CONTROL
        if event not in ("update", "all"):
            return UNKNOWN
        rows = message["result"] if isinstance(message["result"], list) else [message["result"]]
        self._sides.is_receiving = True
        if channel == "futures.candlesticks":
            bad, bars = self.bad_items.count, self.bad_items.each(rows, self._candle)
            lost = self.bad_items.count > bad
            return Parsed("data", self._bars.take_all(bars, self.now_ms(), self.clock_ms(), lost=lost))
        if channel == "futures.tickers":
            sent_ms = utc_ms(message["time_ms"])
            found = self.bad_items.each(rows, lambda row: self._ticker(row, sent_ms))
            return Parsed("data", [each for events in found for each in events], sent_ms=sent_ms)
        if channel == "futures.public_liquidates":
            given = self.bad_items.each(rows, self._liquidated)
            return Parsed("data", [each for one in given for each in self.take(summed_sides.LIVE, one)])
        if channel == "futures.contract_info":
            return INSTRUMENTS
        return IGNORED if channel.startswith("futures.") else UNKNOWN

    def _candle(self, row: Json) -> Candle | None:
        interval, _, contract = str(row["n"]).partition("_")
        if (symbol := _symbol(contract)) not in self.contract_sizes or interval not in INTERVALS_MS:
            return None
        return self._bar(symbol, INTERVALS_MS[interval], row, closed=False)

    def _bar(self, symbol: str, interval_ms: int, row: Json, *, closed: bool) -> Candle:
        volume = not_negative(row["v"]) * self.contract_sizes[symbol]
        figures = [int(row["t"]) * 1000, *(row[name] for name in "ohlc"), volume]
        sums = [row["sum"]] if row.get("sum") else []
        return candle_from_row(self.exchange, symbol, interval_ms, figures + sums, closed=closed)

    def _ticker(self, row: Json, time_ms: int) -> list[MarketEvent]:
        symbol = _symbol(row["contract"])
        if symbol not in self.contract_sizes:
            return []
        mark = self.bad_items.attempt(partial(self._mark, symbol, time_ms), row.get("mark_price"))
        held = self.bad_items.attempt(partial(self._held, symbol, time_ms), row.get("total_size"))
        return [event for event in (mark, held) if event is not None]

    def _mark(self, symbol: str, time_ms: int, price: Json) -> MarkPrice | None:
        return MarkPrice(self.exchange, symbol, time_ms, positive(price)) if price else None

    def _held(self, symbol: str, time_ms: int, contracts: Json) -> OpenInterest | None:
        if contracts is None:
            return None
        reported = not_negative(contracts)
        base = reported * self.contract_sizes[symbol]
        return OpenInterest(self.exchange, symbol, time_ms, base, reported, "contracts")

    def _liquidated(self, row: Json) -> dict[str, Liquidation] | None:
        """A row of the socket in both readings; `time` was in seconds once, beside `time_ms`."""
        time_ms = float(row.get("time_ms") or row["time"])
        time_ms = time_ms * 1000 if time_ms < 1e11 else time_ms
        return self._in_readings(row["contract"], time_ms, row["price"], row["size"], row["size"])

    def _in_readings(
        self, contract: str, time_ms: float, price: Json, size: Json, filled: Json
    ) -> dict[str, Liquidation] | None:
        symbol = _symbol(contract)
        if symbol not in self.contract_sizes or not signed(filled):
            return None
        sign, base = signed(size), positive(abs(signed(filled))) * self.contract_sizes[symbol]
        side: Side = "long" if sign > 0 else "short"
        return summed_sides.in_readings(
            Liquidation(self.exchange, symbol, utc_ms(time_ms), side, positive(price), base)
        )

    async def examine(self, rest: RestClient, symbols: Sequence[str], now_ms: int) -> Sequence[MarketEvent]:
        """Compare the sums of five minutes with those of contract_stats."""
        return await self._sides.examine(self.trials, rest, symbols, now_ms)

    async def _sums(self, rest: RestClient, symbol: str, start_ms: int, end_ms: int) -> summed_sides.Sums:
        """Liquidated longs and shorts in base coin, by the time of the sum."""
        rows = await self._stats(rest, symbol, summed_sides.SUMS_MS, start_ms)
        size = self.contract_sizes[symbol]
        found = self.bad_items.each(
            rows,
            lambda row: (
                int(row["time"]) * 1000,
                not_negative(row["long_liq_size"]) * size,
                not_negative(row["short_liq_size"]) * size,
            ),
        )
        return {at_ms: (long, short) for at_ms, long, short in found if start_ms <= at_ms <= end_ms}

    async def _get(self, rest: RestClient, path: str, **params: str | int) -> Json:
        return await rest.get(f"{_FUTURES}/{path}", **params)

    async def server_time_ms(self, rest: RestClient) -> int:
        """GET /api/v4/spot/time."""
        return utc_ms((await rest.get("/api/v4/spot/time"))["server_time"])

    async def instruments(self, rest: RestClient) -> Mapping[str, Instrument]:
        """USDT perpetuals; what a contract holds is kept."""
        return self._read_contracts(await self._get(rest, "contracts"))

    def learn(self, url: str, text: str) -> None:
        """Contract sizes, from a recorded list of contracts."""
        if url.partition("?")[0].endswith(f"{_FUTURES}/contracts"):
            self._read_contracts(read_json(text))

    def _read_contracts(self, rows: Json) -> dict[str, Instrument]:
        found = by_symbol(self.bad_items.each(rows, self._instrument))
        self.contract_sizes |= {symbol: one.contract_base for symbol, one in found.items()}
        return found

    def _instrument(self, row: Json) -> Instrument | None:
        symbol = _symbol(row["name"])
        if not is_symbol(symbol) or row.get("type", "direct") != "direct":
            return None
        state = "in delisting" if row.get("in_delisting") else str(row.get("status", "trading"))
        return Instrument(symbol, state == "trading", state, positive(row["quanto_multiplier"]))

    async def candles(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[list[Candle]]:
        """GET candlesticks, at most 2000 of a span; both its ends belong to it. It keeps 10,000."""
        span_ms = (_CANDLES_PAGE - 1) * interval_ms
        start_ms = max(start_ms, (self.now_ms() // interval_ms - _CANDLES_KEPT) * interval_ms)
        asked = {"contract": _contract(symbol), "interval": interval_name(interval_ms)}
        for page_ms in range(start_ms, end_ms, span_ms):
            span = {"from": page_ms // 1000, "to": (min(end_ms, page_ms + span_ms) - 1) // 1000}
            rows = await self._get(rest, "candlesticks", **asked, **span)
            bars = self.bad_items.each(rows, partial(self._bar, symbol, interval_ms, closed=True))
            yield sorted(bars, key=time_of)

    async def _stats(self, rest: RestClient, symbol: str, period_ms: int, start_ms: int) -> Json:
        asked = {"contract": _contract(symbol), "interval": interval_name(period_ms)}
        span = {"from": start_ms // 1000, "limit": _STATS_PAGE}
        return await self._get(rest, "contract_stats", **asked, **span)

    async def open_interest(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """GET contract_stats, at most 100 an answer: the next begins after the last."""
        period_ms = max(interval_ms, summed_sides.SUMS_MS)
        while start_ms < end_ms:
            rows = await self._stats(rest, symbol, period_ms, start_ms)
            held: list[OpenInterest] = self.bad_items.each(
                rows, lambda row: self._held(symbol, utc_ms(int(row["time"]) * 1000), row["open_interest"])
            )
            held.sort(key=time_of)
            yield self.within(held, start_ms, end_ms)
            if not held or held[-1].time_ms < start_ms:
                return
            start_ms = held[-1].time_ms + period_ms

    async def funding(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """GET funding_rate, 1000 an answer."""
        for page_ms in range(start_ms, end_ms, _FUNDING_PAGE * HOUR_MS):
            until_ms = min(end_ms, page_ms + _FUNDING_PAGE * HOUR_MS) - 1
            span = {"from": page_ms // 1000, "to": until_ms // 1000, "limit": _FUNDING_PAGE}
            rows = await self._get(rest, "funding_rate", contract=_contract(symbol), **span)
            yield sorted(self.bad_items.each(rows, partial(self._paid, symbol)), key=time_of)

    def _paid(self, symbol: str, row: Json) -> FundingRate:
        return FundingRate(self.exchange, symbol, utc_ms(int(row["t"]) * 1000), signed(row["r"]))

    async def past_liquidations(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """GET liq_orders, an hour at a time, in the reading that was found right."""
        for hour_ms in range(start_ms, end_ms, HOUR_MS):
            rows = await self._orders(rest, symbol, hour_ms, min(end_ms, hour_ms + HOUR_MS))
            yield [each for readings in rows for each in self.trials[summed_sides.PAST].take(readings)]

    async def _orders(
        self, rest: RestClient, symbol: str, start_ms: int, end_ms: int
    ) -> list[dict[str, Liquidation]]:
        """Those of [start_ms, end_ms), at most an hour, ascending, in both readings. Needs its size."""
        start_s, end_s = -(-start_ms // 1000), -(-end_ms // 1000) - 1
        if start_s > end_s or not self.contract_sizes[symbol]:
            return []
        rows = await self._get(
            rest, "liq_orders", contract=_contract(symbol), limit=1000, **{"from": start_s, "to": end_s}
        )
        if len(rows) >= _FULL_PAGE and end_s > start_s:
            middle_ms = (start_s + end_s + 1) // 2 * 1000
            earlier = await self._orders(rest, symbol, start_ms, middle_ms)
            return [*earlier, *await self._orders(rest, symbol, middle_ms, end_ms)]
        found = self.bad_items.each(rows, self._order)
        return sorted(found, key=lambda readings: readings[summed_sides.POSITION].time_ms)

    def _order(self, row: Json) -> dict[str, Liquidation] | None:
        """What was filled of an order; `size` is the position's, `order_size` has the opposite sign."""
        filled = abs(signed(row["order_size"])) - abs(signed(row.get("left") or 0))
        size, time_ms = row.get("size") or -signed(row["order_size"]), self.not_ahead(int(row["time"]) * 1000)
        return self._in_readings(row["contract"], time_ms, row["fill_price"], size, filled)

    async def present(self, rest: RestClient, symbol: str) -> Sequence[MarketEvent]:
        """GET tickers, which bears no time."""
        rows = await self._get(rest, "tickers", contract=_contract(symbol))
        return [each for row in rows for each in self._ticker(row, self.now_ms())]


def _topic(symbol: str, kinds: tuple[RecordKind, ...], *parts: str) -> Topic:
    return Topic("/".join(parts), symbol, kinds, tuple(part for part in parts if part != "!all"))


def _contract(symbol: str) -> str:
    return f"{symbol.removesuffix('USDT')}_USDT"


def _symbol(contract: str) -> str:
    return f"{contract.removesuffix('_USDT')}USDT" if contract.endswith("_USDT") else ""
