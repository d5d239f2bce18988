"""OKX perpetual swaps settled in USDT or USDC. https://www.okx.com/docs-v5/en/

Sizes are contracts, made base coin by the list of instruments. At most one liquidation a contract and second
is sent, at its bankruptcy price. Port 8443 has been off since 2026-10-31.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import ClassVar

import orjson

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
    refused,
    signed,
    utc_ms,
)
from liqstream.feeds.refusals import RefusalTable
from liqstream.feeds.rest_client import RestClient
from liqstream.feeds.venue import Instrument, RecordKind, Region, Socket, Topic, Venue, by_symbol
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
from liqstream.symbols import INTERVALS_MS, interval_name

_BAR_NAMES = {
    ms: name if ms < HOUR_MS else {"6h": "6Hutc", "12h": "12Hutc", "1d": "1Dutc"}.get(name, name.upper())
    for name, ms in INTERVALS_MS.items()
}
"""Hours are written H, and from six hours on a plain name would mean Hong Kong time."""
_BAR_OF = {name: ms for ms, name in _BAR_NAMES.items()}
_CANDLES_PAGE, _OLD_CANDLES_PAGE, _OPEN_INTEREST_PAGE, _FUNDING_PAGE = 300, 100, 100, 400
_RECENT_BARS = 1200
"""Younger bars are in /market/candles, older ones in /market/history-candles."""
_OPEN_INTEREST_KEPT, _LIQUIDATIONS_PAGE = 1440, 100
_NOT_NEEDED = frozenset(["books", "books5", "bbo-tbt", "tickers", "index-tickers", "orders", "price-limit"])
_ALL, _LINEAR = "SWAP", ("-USDT-SWAP", "-USDC-SWAP")
_POSITION: dict[str, Side] = {"long": "long", "short": "short", "sell": "long", "buy": "short"}
"""By the position's side, else by the order's, which is opposite."""


class Okx(Venue):
    """See the module."""

    name: ClassVar[str] = "okx"
    display_name: ClassVar[str] = "OKX"
    rest_url: ClassVar[str] = "https://www.okx.com"
    ws_url: ClassVar[str] = "wss://ws.okx.com"
    regions: ClassVar[Mapping[str, Region]] = {
        "eea": Region("https://eea.okx.com", "wss://wseea.okx.com"),
        "us": Region("https://us.okx.com", "wss://wsus.okx.com"),
    }
    checked_on: ClassVar[date] = date(2026, 11, 26)
    documents: ClassVar[tuple[str, ...]] = tuple(
        f"https://www.okx.com/docs-v5/{at}/" for at in ("en", "log_en")
    )
    unproven: ClassVar[tuple[str, ...]] = ("open interest: one side",)
    ping_path: ClassVar[str] = "/api/v5/public/time"
    keepalive: ClassVar[tuple[float, str] | None] = (20.0, "ping")
    refusals: ClassVar[RefusalTable] = RefusalTable(
        limits=frozenset({"50011", "50061"}), item=frozenset({"51001", "60012", "60018"}), window_s=2.0
    )
    limits: ClassVar[tuple[Limit, ...]] = (Limit(10.0, 2.0),)  # the smallest of those of the paths
    topics_per_message: ClassVar[int] = 20
    refused_every_s: ClassVar[float] = 10.0  # it takes 480 subscriptions an hour
    keeps_liquidations: ClassVar[bool] = True

    def __init__(self, exchange: str | None = None) -> None:
        super().__init__(exchange)
        self.contract_sizes = {"BTC-USDT-SWAP": 0.01, "ETH-USDT-SWAP": 0.1}

    @classmethod
    def address_warning(cls, rest_url: str, ws_url: str) -> str:
        """Port 8443, which every older guide names."""
        right = ws_url.replace(":8443", "")
        return f"OKX switched port 8443 off on 2026-10-31: use {right}" if right != ws_url else ""

    def topics(self, symbols: Sequence[str], interval_ms: int) -> list[Topic]:
        """Four channels a symbol; liquidations and changes of the contracts of all swaps in one each."""
        kinds: dict[str, RecordKind] = {
            "mark-price": "marks",
            "open-interest": "open_interest",
            "funding-rate": "funding",
            f"candle{_BAR_NAMES[interval_ms]}": "bars",
        }
        return [
            *(
                Topic(f"{channel}/{_contract(symbol)}", symbol, (kind,), (channel, _contract(symbol)))
                for symbol in symbols
                for channel, kind in kinds.items()
            ),
            Topic(f"liquidation-orders/{_ALL}", "", ("liquidations",), ("liquidation-orders",)),
            Topic(f"instruments/{_ALL}", "", ("instruments",), ("instruments",)),
        ]

    def sockets(self, topics: Sequence[Topic], ws_url: str) -> list[Socket]:
        """A public socket and, for bars, a business one; bars of a minute have no kind, but their name."""
        carried: dict[str, list[Topic]] = {"public": [], "business": []}
        for topic in topics:
            carried["business" if topic.name.startswith("candle") else "public"].append(topic)
        return [Socket(name, f"{ws_url}/ws/v5/{name}", tuple(each)) for name, each in carried.items() if each]

    def subscription(self, topics: Sequence[Topic], request_id: str) -> str:
        """Channels that are refused are refused one by one."""
        pairs = [topic.name.split("/") for topic in topics]
        args = [
            {"channel": channel, **({"instType": "SWAP"} if contract == _ALL else {"instId": contract})}
            for channel, contract in pairs
        ]
        return orjson.dumps({"id": request_id, "op": "subscribe", "args": args}).decode()

    def read(self, text: str | bytes) -> Parsed:
        """A channel's push, a pong or an event."""
        if text in ("pong", b"pong"):
            return CONTROL
        message = read_json(text)
        if not isinstance(message, dict):
            raise ValueError("a message is an object")
        if "event" in message:
            if message["event"] == "error":
                return refused(message.get("code"), message.get("msg"), message.get("id"))
            closing = (message["event"], str(message.get("code"))) == ("notice", "64008")
            return CLOSING if closing else CONTROL
        if "arg" not in message:
            return UNKNOWN
        return self._push(str(message["arg"]["channel"]), message)

    def _push(self, channel: str, message: Json) -> Parsed:
        contract, rows = message["arg"].get("instId", ""), message["data"]
        if channel in _NOT_NEEDED:
            return IGNORED
        if channel == "instruments":
            return INSTRUMENTS
        if channel == "liquidation-orders":
            each = self.bad_items.each(rows, self._liquidations)
            return Parsed("data", [event for events in each for event in events])
        if channel.startswith("candle"):
            return self._candles(channel.removeprefix("candle"), contract, rows)
        if not contract.endswith(_LINEAR):
            return IGNORED
        symbol = _symbol(contract)
        if channel == "mark-price":
            return Parsed("data", self.bad_items.each(rows, partial(self._mark, symbol)))
        if channel == "open-interest":
            return Parsed("data", self.bad_items.each(rows, partial(self._held, symbol)))
        if channel == "funding-rate":
            paid = self.bad_items.each(rows, partial(self._announced, symbol))
            return Parsed("data", [event for events in paid for event in events])
        if channel.startswith("trades"):
            trades = self.bad_items.each(rows, lambda row: self._trade(symbol, contract, row))
            return Parsed("data", trades=trades)
        return UNKNOWN

    def _liquidations(self, row: Json) -> list[Liquidation]:
        contract = row["instId"]
        if not contract.endswith(_LINEAR) or contract not in self.contract_sizes:
            return []
        return self.bad_items.each(row["details"], lambda fill: self._liquidation(contract, fill))

    def _liquidation(self, contract: str, fill: Json) -> Liquidation:
        side = _POSITION.get(fill.get("posSide")) or _POSITION[fill["side"]]
        price, quantity = positive(fill["bkPx"]), positive(fill["sz"]) * self.contract_sizes[contract]
        return Liquidation(self.exchange, _symbol(contract), utc_ms(fill["ts"]), side, price, quantity)

    def _mark(self, symbol: str, row: Json) -> MarkPrice:
        return MarkPrice(self.exchange, symbol, utc_ms(row["ts"]), positive(row["markPx"]))

    def _candles(self, bar: str, contract: str, rows: Json) -> Parsed:
        if not contract.endswith(_LINEAR) or bar not in _BAR_OF:
            return IGNORED
        read = partial(self.read_candle, _symbol(contract), _BAR_OF[bar])
        return Parsed("data", self.bad_items.each(rows, read))

    def read_candle(self, symbol: str, interval_ms: int, row: Json) -> Candle:
        """A bar as stream and REST send it."""
        figures = [*row[:5], row[6], row[7]]
        return candle_from_row(self.exchange, symbol, interval_ms, figures, closed=str(row[8]) == "1")

    def _held(self, symbol: str, row: Json) -> OpenInterest:
        return self._open_interest(symbol, row["ts"], row["oi"], row.get("oiCcy"))

    def _open_interest(self, symbol: str, time_ms: Json, contracts: Json, base: Json) -> OpenInterest:
        reported = not_negative(contracts)
        in_base = not_negative(base) if base else reported * self.contract_sizes[_contract(symbol)]
        return OpenInterest(self.exchange, symbol, utc_ms(time_ms), in_base, reported, "contracts")

    def _announced(self, symbol: str, row: Json) -> list[FundingRate]:
        sent_ms = utc_ms(row["ts"]) if row.get("ts") else self.now_ms()
        due_ms, rate = utc_ms(row["fundingTime"]), signed(row["fundingRate"])
        return self.announced.paid(symbol, sent_ms, due_ms, rate)

    def _trade(self, symbol: str, contract: str, row: Json) -> Trade:
        price, quantity = positive(row["px"]), positive(row["sz"]) * self.contract_sizes[contract]
        is_buy = row["side"] == "buy"
        return Trade(self.exchange, symbol, utc_ms(row["ts"]), price, quantity, taker_is_buyer=is_buy)

    async def _get(self, rest: RestClient, path: str, **params: str | int) -> Json:
        return (await rest.get(path, **params))["data"]

    async def server_time_ms(self, rest: RestClient) -> int:
        """GET /api/v5/public/time."""
        return utc_ms((await self._get(rest, "/api/v5/public/time"))[0]["ts"])

    async def instruments(self, rest: RestClient) -> Mapping[str, Instrument]:
        """Linear swaps; their contract values are kept."""
        return self.read_instruments(await self._get(rest, "/api/v5/public/instruments", instType="SWAP"))

    def learn(self, url: str, text: str) -> None:
        """Contract values, from a recorded list of instruments."""
        if "/public/instruments" in url and "instType=SWAP" in url:
            self.read_instruments(read_json(text)["data"])

    def read_instruments(self, rows: Json) -> Mapping[str, Instrument]:
        """The linear swaps by our symbols; their contract values are kept."""
        found = by_symbol(self.bad_items.each(rows, self._instrument))
        self.contract_sizes |= {_contract(symbol): one.contract_base for symbol, one in found.items()}
        return found

    def _instrument(self, row: Json) -> Instrument | None:
        if row["ctType"] != "linear" or not row["instId"].endswith(_LINEAR):
            return None
        state = str(row["state"])
        size = positive(row["ctVal"]) * positive(row["ctMult"])
        ends_ms = self.delisting_ms(row.get("expTime"))
        return Instrument(_symbol(row["instId"]), state == "live", state, size, ends_ms)

    async def candles(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[list[Candle]]:
        """Two paths: the youngest 1200 bars are in one, older ones in the other."""
        page_ms = start_ms
        while page_ms < end_ms:
            recent = page_ms > self.now_ms() - _RECENT_BARS * interval_ms
            count = _CANDLES_PAGE if recent else _OLD_CANDLES_PAGE
            rows = await self._get(
                rest,
                "/api/v5/market/candles" if recent else "/api/v5/market/history-candles",
                instId=_contract(symbol),
                bar=_BAR_NAMES[interval_ms],
                before=page_ms - 1,
                after=min(end_ms, page_ms + count * interval_ms),
                limit=count,
            )
            yield self.bad_items.each(rows, partial(self.read_candle, symbol, interval_ms))[::-1]
            page_ms += count * interval_ms

    async def open_interest(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """The newest 1440 readings, in contracts and base coin."""
        period_ms = max(interval_ms, INTERVALS_MS["5m"])
        start_ms = max(start_ms, self.now_ms() - _OPEN_INTEREST_KEPT * period_ms)
        for page_ms in range(start_ms, end_ms, _OPEN_INTEREST_PAGE * period_ms):
            rows = await self._get(
                rest,
                "/api/v5/rubik/stat/contracts/open-interest-history",
                instId=_contract(symbol),
                period=interval_name(period_ms) if period_ms < HOUR_MS else _BAR_NAMES[period_ms],
                begin=page_ms,
                end=min(end_ms, page_ms + _OPEN_INTEREST_PAGE * period_ms) - 1,
                limit=_OPEN_INTEREST_PAGE,
            )
            yield self.bad_items.each(rows, lambda row: self._open_interest(symbol, *row[:3]))[::-1]

    async def funding(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """GET /api/v5/public/funding-rate-history, 400 a page."""
        span_ms = _FUNDING_PAGE * HOUR_MS
        for page_ms in range(start_ms, end_ms, span_ms):
            rows = await self._get(
                rest,
                "/api/v5/public/funding-rate-history",
                instId=_contract(symbol),
                before=page_ms - 1,
                after=min(end_ms, page_ms + span_ms),
                limit=_FUNDING_PAGE,
            )
            yield self.read_funding(rows)

    async def past_liquidations(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """GET /api/v5/public/liquidation-orders, 100 a page, newest first; it keeps some days. KeyError while
        the contract's size is not known."""
        family = _contract(symbol).removesuffix("-SWAP")
        while end_ms > start_ms and self.contract_sizes[_contract(symbol)]:
            rows = await self._get(
                rest,
                "/api/v5/public/liquidation-orders",
                instType=_ALL,
                instFamily=family,
                state="filled",
                after=end_ms,
                limit=_LIQUIDATIONS_PAGE,
            )
            each = self.bad_items.each(rows, self._liquidations)
            found = [event for events in each for event in events if event.symbol == symbol]
            yield [event for event in found if event.time_ms >= start_ms]
            oldest_ms = min((event.time_ms for event in found), default=start_ms)
            details = self.bad_items.each(rows, lambda row: len(row["details"]))
            if sum(details) < _LIQUIDATIONS_PAGE or oldest_ms >= end_ms:
                return
            end_ms = oldest_ms

    async def present(self, rest: RestClient, symbol: str) -> Sequence[MarketEvent]:
        """GET /api/v5/public/mark-price and open-interest."""
        asked = {"instType": _ALL, "instId": _contract(symbol)}
        marks = await self._get(rest, "/api/v5/public/mark-price", **asked)
        held = await self._get(rest, "/api/v5/public/open-interest", **asked)
        return [self._mark(symbol, marks[0]), self._held(symbol, held[0])]

    def read_funding(self, rows: Json) -> list[FundingRate]:
        """Rows of the funding history, made ascending; the rate that was really paid where it is given."""
        return self.bad_items.each(rows, self._paid)[::-1]

    def _paid(self, row: Json) -> FundingRate:
        rate = signed(row.get("realizedRate") or row["fundingRate"])
        return FundingRate(self.exchange, _symbol(row["instId"]), utc_ms(row["fundingTime"]), rate)


def _contract(symbol: str) -> str:
    return f"{symbol[:-4]}-{symbol[-4:]}-SWAP"


def _symbol(contract: str) -> str:
    return contract.removesuffix("-SWAP").replace("-", "")
