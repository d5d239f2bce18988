"""Bybit v5 linear perpetuals. https://bybit-exchange.github.io/docs/v5/intro

Every liquidation is sent, in batches twice a second, at its bankruptcy price. `S` is the side of the
*position* there: "Buy" is a long, the opposite of Binance. Tickers send only what changed. `openInterest`
counts both sides; `singleOpenInterest` (since 2026-06-11) one, as every record of ours does. BTCPERP is
settled in USDC.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import ClassVar

import orjson

from liqstream.feeds.pacing import Limit
from liqstream.feeds.parsing import (
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
    refused,
    signed,
    utc_ms,
)
from liqstream.feeds.refusals import RefusalTable
from liqstream.feeds.rest_client import RestClient
from liqstream.feeds.venue import Instrument, RecordKind, Region, Socket, Topic, Venue, by_symbol
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
_KLINES_PAGE, _OPEN_INTEREST_PAGE, _FUNDING_PAGE, _INSTRUMENTS_PAGE, _MOST_PAGES = 1000, 200, 200, 1000, 50
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
    display_name: ClassVar[str] = "Bybit"
    rest_url: ClassVar[str] = "https://api.bybit.com"
    ws_url: ClassVar[str] = "wss://stream.bybit.com"
    regions: ClassVar[Mapping[str, Region]] = {
        "eu": Region("https://api.bybit.eu", "wss://stream.bybit.eu"),
        "kz": Region("https://api.bybit.kz", "wss://stream.bybit.kz"),
        # No document names a socket of their own for these.
        "tr": Region("https://api.bybit.tr", ws_url),
        "nl": Region("https://api.bybit.nl", ws_url),
        "ae": Region("https://api.bybit.ae", ws_url),
        "id": Region("https://api.bybit.id", ws_url),
        "ge": Region("https://api.bybitgeorgia.ge", ws_url),
    }
    checked_on: ClassVar[date] = date(2026, 11, 26)
    documents: ClassVar[tuple[str, ...]] = tuple(
        f"https://bybit-exchange.github.io/docs/{at}" for at in ("v5/guide", "v5/ws/connect", "changelog/v5")
    )
    unproven: ClassVar[tuple[str, ...]] = ("sockets of the regions tr, nl, ae, id, ge",)
    ping_path: ClassVar[str] = "/v5/market/time"
    refusals: ClassVar[RefusalTable] = RefusalTable(
        code_field="retCode",
        text_field="retMsg",
        limits=frozenset({"10006", "10018"}),
        item=frozenset({"10001", "10029"}),
        window_s=5.0,
        phrases=(("access too frequent", 600.0),),
    )
    limits: ClassVar[tuple[Limit, ...]] = (Limit(600.0, 5.0, left_header="X-Bapi-Limit-Status"),)
    topics_per_message: ClassVar[int] = ARGS_PER_MESSAGE
    keepalive: ClassVar[tuple[float, str] | None] = (20.0, '{"op":"ping"}')

    def __init__(self, exchange: str | None = None) -> None:
        super().__init__(exchange)
        self._ticker: dict[str, dict[str, Json]] = {}
        self._listed_as: dict[str, str] = {}

    def topics(self, symbols: Sequence[str], interval_ms: int) -> list[Topic]:
        """Three topics a symbol."""
        kinds: dict[str, tuple[RecordKind, ...]] = {
            f"kline.{_KLINE_NAME[interval_ms]}": ("bars",),
            "tickers": ("marks", "open_interest", "funding"),
            "allLiquidation": ("liquidations",),
        }
        return [
            Topic(name, symbol, carried, (name,))
            for symbol in symbols
            for channel, carried in kinds.items()
            for name in (f"{channel}.{self._contract(symbol)}",)
        ]

    def sockets(self, topics: Sequence[Topic], ws_url: str) -> list[Socket]:
        """One public linear socket."""
        return [Socket("ws", f"{ws_url}/v5/public/linear", tuple(topics))] if topics else []

    def subscription(self, topics: Sequence[Topic], request_id: str) -> str:
        """One topic that is refused has all of its message refused."""
        message = {"op": "subscribe", "req_id": request_id, "args": [topic.name for topic in topics]}
        return orjson.dumps(message).decode()

    def read(self, text: str | bytes) -> Parsed:
        """A topic's message, or an answer to a command."""
        message = read_json(text)
        if not isinstance(message, dict):
            raise ValueError("a message is an object")
        topic = message.get("topic")
        if topic is None:
            return self._control(message)
        kind, _, rest = str(topic).partition(".")
        if kind == "kline":
            return self._klines(message, *_symbol(rest).split(".", 1))
        if kind == "tickers":
            return self._tickers(message, _symbol(rest))
        if kind == "allLiquidation":
            return self._liquidations(message)
        if kind in ("publicTrade", "trade"):
            return self._trades(message)
        return IGNORED if kind in _NOT_NEEDED else UNKNOWN

    def _control(self, message: Json) -> Parsed:
        if message.get("success") is False:
            text = str(message.get("ret_msg"))
            if "already subscribed" in text:
                return CONTROL
            # Its answers to commands carry no code: they refuse a topic, or the rate of the commands.
            code = "10006" if "too many" in text.lower() else "10001"
            return refused(message.get("ret_code") or code, text, message.get("req_id"))
        return CONTROL if "op" in message else UNKNOWN

    def _klines(self, message: Json, interval: str, symbol: str) -> Parsed:
        if not is_symbol(symbol) or interval not in _INTERVAL_OF:
            return IGNORED
        candles = self.bad_items.each(
            message["data"], lambda bar: self._kline(symbol, _INTERVAL_OF[interval], bar)
        )
        return Parsed("data", candles, sent_ms=utc_ms(message["ts"]))

    def _kline(self, symbol: str, interval_ms: int, bar: Json) -> Candle:
        row = [bar[name] for name in ("start", "open", "high", "low", "close", "volume", "turnover")]
        return candle_from_row(self.exchange, symbol, interval_ms, row, closed=bar["confirm"] is True)

    def _tickers(self, message: Json, symbol: str) -> Parsed:
        """Only the fields that are there have changed; the others are as they were."""
        if not is_symbol(symbol):
            return IGNORED
        data, sent_ms = message["data"], utc_ms(message["ts"])
        known = {} if message["type"] == "snapshot" else self._ticker.get(symbol, {})
        known |= {name: value for name, value in data.items() if value not in ("", None)}
        self._ticker[symbol] = known
        events: list[MarketEvent] = []
        # Each on its own: one figure that cannot be read costs nothing but itself.
        for read in (self._held, self._mark, self._paid):
            events += self.bad_items.attempt(partial(read, symbol, sent_ms, data), known) or ()
        return Parsed("data", events, sent_ms=sent_ms)

    def _held(self, symbol: str, sent_ms: int, data: Json, _known: Json) -> list[MarketEvent]:
        if not data.get("singleOpenInterest") and not data.get("openInterest"):
            return []
        return [self._open_interest(symbol, sent_ms, data)]

    def _mark(self, symbol: str, sent_ms: int, data: Json, _known: Json) -> list[MarketEvent]:
        if not data.get("markPrice"):
            return []
        return [MarkPrice(self.exchange, symbol, sent_ms, positive(data["markPrice"]))]

    def _paid(self, symbol: str, sent_ms: int, _data: Json, known: Json) -> list[FundingRate]:
        # "0" announces no payment.
        if not known.get("fundingRate") or known.get("nextFundingTime", "0") in ("0", 0):
            return []
        due_ms = utc_ms(known["nextFundingTime"])
        return self.announced.paid(symbol, sent_ms, due_ms, signed(known["fundingRate"]))

    def _open_interest(self, symbol: str, time_ms: int, row: Json) -> OpenInterest:
        """One side: as the exchange gives it, else half of the both it counts."""
        single = row.get("singleOpenInterest")
        base = not_negative(single) if single else not_negative(row["openInterest"]) / 2
        return OpenInterest(self.exchange, symbol, time_ms, base, base)

    def _liquidations(self, message: Json) -> Parsed:
        events = self.bad_items.each(message["data"], self._liquidation)
        return Parsed("data", events, sent_ms=utc_ms(message["ts"]))

    def _liquidation(self, fill: Json) -> Liquidation | None:
        symbol = _symbol(fill["s"])
        if not is_symbol(symbol):
            return None
        price, quantity = positive(fill["p"]), positive(fill["v"])
        return Liquidation(self.exchange, symbol, utc_ms(fill["T"]), _POSITION[fill["S"]], price, quantity)

    def _trades(self, message: Json) -> Parsed:
        trades = self.bad_items.each(message["data"], self._trade)
        return Parsed("data", trades=trades, sent_ms=utc_ms(message["ts"]))

    def _trade(self, trade: Json) -> Trade | None:
        if not is_symbol(trade["s"]):
            return None
        return Trade(
            self.exchange,
            _symbol(trade["s"]),
            utc_ms(trade["T"]),
            positive(trade["p"]),
            positive(trade["v"]),
            taker_is_buyer=trade["S"] == "Buy",
        )

    def _contract(self, symbol: str) -> str:
        return self._listed_as.get(symbol, symbol)

    async def _get(self, rest: RestClient, path: str, **params: str | int) -> Json:
        return (await rest.get(path, **params))["result"]

    async def server_time_ms(self, rest: RestClient) -> int:
        """GET /v5/market/time."""
        response = await self._get(rest, "/v5/market/time")
        return utc_ms(int(response["timeNano"]) // 1_000_000)

    async def instruments(self, rest: RestClient) -> Mapping[str, Instrument]:
        """Linear perpetuals, page by page; what is not trading yet or any more is not in the list."""
        listed: list[Instrument] = []
        cursor = ""
        for _ in range(_MOST_PAGES):
            more = {"cursor": cursor} if cursor else {}
            response = await self._get(
                rest,
                "/v5/market/instruments-info",
                category="linear",
                limit=_INSTRUMENTS_PAGE,
                **more,
            )
            listed += self.bad_items.each(response["list"], self._instrument)
            last, cursor = cursor, response.get("nextPageCursor", "")
            if not cursor or cursor == last:
                break
        return by_symbol(listed)

    def _instrument(self, contract: Json) -> Instrument | None:
        symbol = _symbol(contract["symbol"])
        is_linear = contract["contractType"] == "LinearPerpetual" and symbol.endswith(contract["quoteCoin"])
        if not is_linear or not is_symbol(symbol):
            return None
        self._listed_as[symbol] = contract["symbol"]
        state = str(contract["status"])
        # A perpetual that has a delivery time will be delisted then.
        ends_ms = self.delisting_ms(contract.get("deliveryTime"))
        return Instrument(symbol, state == "Trading", state, delists_at_ms=ends_ms)

    async def candles(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[list[Candle]]:
        """GET /v5/market/kline, 1000 a page, newest first there."""
        for page_ms in range(start_ms, end_ms, _KLINES_PAGE * interval_ms):
            response = await self._get(
                rest,
                "/v5/market/kline",
                category="linear",
                symbol=self._contract(symbol),
                interval=_KLINE_NAME[interval_ms],
                start=page_ms,
                end=min(end_ms, page_ms + _KLINES_PAGE * interval_ms) - 1,
                limit=_KLINES_PAGE,
            )
            page = self.bad_items.each(
                response["list"],
                lambda row: candle_from_row(self.exchange, symbol, interval_ms, row[:7], closed=True),
            )
            yield page[::-1]

    async def open_interest(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """At the longest period that is no longer than the interval."""
        period_ms = max((known for known in _OPEN_INTEREST_PERIODS if known <= interval_ms), default=300_000)
        for page_ms in range(start_ms, end_ms, _OPEN_INTEREST_PAGE * period_ms):
            response = await self._get(
                rest,
                "/v5/market/open-interest",
                category="linear",
                symbol=self._contract(symbol),
                intervalTime=_OPEN_INTEREST_PERIODS[period_ms],
                startTime=page_ms,
                endTime=min(end_ms, page_ms + _OPEN_INTEREST_PAGE * period_ms) - 1,
                limit=_OPEN_INTEREST_PAGE,
            )
            page = self.bad_items.each(
                response["list"], lambda row: self._open_interest(symbol, utc_ms(row["timestamp"]), row)
            )
            yield page[::-1]

    async def funding(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """GET /v5/market/funding/history, 200 a page, newest first there."""
        page_span_ms = _FUNDING_PAGE * 3_600_000
        for page_ms in range(start_ms, end_ms, page_span_ms):
            response = await self._get(
                rest,
                "/v5/market/funding/history",
                category="linear",
                symbol=self._contract(symbol),
                startTime=page_ms,
                endTime=min(end_ms, page_ms + page_span_ms) - 1,
                limit=_FUNDING_PAGE,
            )
            yield self.read_funding(response["list"])

    async def present(self, rest: RestClient, symbol: str) -> Sequence[MarketEvent]:
        """GET /v5/market/tickers."""
        response = await rest.get("/v5/market/tickers", category="linear", symbol=self._contract(symbol))
        (row,), time_ms = response["result"]["list"], utc_ms(response["time"])
        return [*self._held(symbol, time_ms, row, row), *self._mark(symbol, time_ms, row, row)]

    def read_funding(self, rows: Json) -> list[FundingRate]:
        """Rows of the funding history, made ascending."""
        return self.bad_items.each(rows, self._funding_rate)[::-1]

    def _funding_rate(self, row: Json) -> FundingRate:
        time_ms, rate = utc_ms(row["fundingRateTimestamp"]), signed(row["fundingRate"])
        return FundingRate(self.exchange, _symbol(row["symbol"]), time_ms, rate)


def _symbol(contract: str) -> str:
    return f"{contract.removesuffix('PERP')}USDC" if contract.endswith("PERP") else contract
