"""OKX USDT-margined perpetual swaps. https://www.okx.com/docs-v5/en/

Sizes are in contracts and are turned into base coin with the contract value from the list of instruments. At
most one liquidation per contract and second is told, at its bankruptcy price.
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
_CANDLES_PAGE, _OPEN_INTEREST_PAGE, _FUNDING_PAGE = 100, 100, 100
_RECENT_BARS = 1200
"""Younger bars are in /market/candles, older ones in /market/history-candles."""
_OPEN_INTEREST_KEPT = 1440
_ARGS_PER_MESSAGE = 20
_NOT_NEEDED = frozenset(
    ["books", "books5", "bbo-tbt", "tickers", "index-tickers", "orders", "instruments", "price-limit"]
)
_SIDE_OF_ORDER: dict[str, Side] = {"sell": "long", "buy": "short"}
_POSITION: dict[str, Side] = {"long": "long", "short": "short"}


class Okx(Venue):
    """See the module."""

    name: ClassVar[str] = "okx"
    rest_url: ClassVar[str] = "https://www.okx.com"
    ws_url: ClassVar[str] = "wss://ws.okx.com:8443"
    keepalive: ClassVar[tuple[float, str] | None] = (20.0, "ping")
    rest_every_s: ClassVar[float] = 0.25

    def __init__(self, exchange: str | None = None) -> None:
        super().__init__(exchange)
        self._contract_base = {"BTC-USDT-SWAP": 0.01, "ETH-USDT-SWAP": 0.1}
        self._next_funding: dict[str, tuple[int, float]] = {}

    def sockets(self, symbols: Sequence[str], interval_ms: int, ws_url: str) -> list[Socket]:
        contracts = [_contract(symbol) for symbol in symbols]
        public: list[Json] = [
            {"channel": channel, "instId": contract}
            for contract in contracts
            for channel in ("mark-price", "open-interest", "funding-rate")
        ]
        public.append({"channel": "liquidation-orders", "instType": "SWAP"})
        bars = [{"channel": f"candle{_BAR_NAMES[interval_ms]}", "instId": contract} for contract in contracts]
        return [
            Socket("public", f"{ws_url}/ws/v5/public", _subscribe(public)),
            Socket("business", f"{ws_url}/ws/v5/business", _subscribe(bars)),
        ]

    def read(self, text: str | bytes) -> Parsed:
        if text in ("pong", b"pong"):
            return CONTROL
        message = read_json(text)
        if not isinstance(message, dict):
            raise ValueError("a message is an object")
        if "event" in message:
            if message["event"] == "error":
                raise ValueError(f"refused: {message.get('msg')}")
            return CONTROL
        if "arg" not in message:
            return UNKNOWN
        return self._push(str(message["arg"]["channel"]), message)

    def _push(self, channel: str, message: Json) -> Parsed:
        contract, rows = message["arg"].get("instId", ""), message["data"]
        if channel in _NOT_NEEDED:
            return IGNORED
        if channel == "liquidation-orders":
            return Parsed("data", [event for row in rows for event in self._liquidations(row)])
        if channel.startswith("candle"):
            return self._candles(channel.removeprefix("candle"), contract, rows)
        if not contract.endswith("-USDT-SWAP"):
            return IGNORED
        symbol = _symbol(contract)
        if channel == "mark-price":
            marks = [
                MarkPrice(self.exchange, symbol, utc_ms(row["ts"]), positive(row["markPx"])) for row in rows
            ]
            return Parsed("data", marks, sent_ms=marks[-1].time_ms)
        if channel == "open-interest":
            held = [self._open_interest(symbol, row["ts"], row["oi"], row.get("oiCcy")) for row in rows]
            return Parsed("data", held, sent_ms=held[-1].time_ms)
        if channel == "funding-rate":
            return Parsed("data", [paid for row in rows for paid in self._paid(symbol, row)])
        if channel.startswith("trades"):
            return Parsed("data", trades=[self._trade(symbol, contract, row) for row in rows])
        return UNKNOWN

    def _liquidations(self, row: Json) -> list[Liquidation]:
        contract = row["instId"]
        if not contract.endswith("-USDT-SWAP") or contract not in self._contract_base:
            return []
        return [
            Liquidation(
                self.exchange,
                _symbol(contract),
                utc_ms(fill["ts"]),
                _POSITION.get(fill["posSide"]) or _SIDE_OF_ORDER[fill["side"]],
                positive(fill["bkPx"]),
                positive(fill["sz"]) * self._contract_base[contract],
            )
            for fill in row["details"]
        ]

    def _candles(self, bar: str, contract: str, rows: Json) -> Parsed:
        if not contract.endswith("-USDT-SWAP") or bar not in _BAR_OF:
            return IGNORED
        return Parsed("data", [self.read_candle(_symbol(contract), _BAR_OF[bar], row) for row in rows])

    def read_candle(self, symbol: str, interval_ms: int, row: Json) -> Candle:
        """A bar as stream and REST send it."""
        figures = [*row[:5], row[6], row[7]]
        return candle_from_row(self.exchange, symbol, interval_ms, figures, closed=str(row[8]) == "1")

    def _open_interest(self, symbol: str, time_ms: Json, contracts: Json, base: Json) -> OpenInterest:
        reported = not_negative(contracts)
        in_base = not_negative(base) if base else reported * self._contract_base[_contract(symbol)]
        return OpenInterest(self.exchange, symbol, utc_ms(time_ms), in_base, reported, "contracts")

    def _paid(self, symbol: str, row: Json) -> list[FundingRate]:
        due_ms, rate = utc_ms(row["fundingTime"]), signed(row["fundingRate"])
        before = self._next_funding.get(symbol)
        self._next_funding[symbol] = (due_ms, rate)
        if before is not None and due_ms > before[0]:
            return [FundingRate(self.exchange, symbol, *before)]
        return []

    def _trade(self, symbol: str, contract: str, row: Json) -> Trade:
        quantity = positive(row["sz"]) * self._contract_base[contract]
        return Trade(
            self.exchange,
            symbol,
            utc_ms(row["ts"]),
            positive(row["px"]),
            quantity,
            taker_is_buyer=row["side"] == "buy",
        )

    async def _get(self, rest: RestClient, path: str, **params: str | int) -> Json:
        answer = await rest.get(path, **params)
        if answer["code"] != "0":
            raise RestRefusedError(f"{answer['code']}: {answer['msg']}")
        return answer["data"]

    async def server_time_ms(self, rest: RestClient) -> int:
        return utc_ms((await self._get(rest, "/api/v5/public/time"))[0]["ts"])

    async def listed(self, rest: RestClient) -> frozenset[str]:
        return self.read_instruments(await self._get(rest, "/api/v5/public/instruments", instType="SWAP"))

    def learn(self, url: str, text: str) -> None:
        if "/public/instruments" in url and "instType=SWAP" in url:
            self.read_instruments(read_json(text)["data"])

    def read_instruments(self, rows: Json) -> frozenset[str]:
        """Our names of the live linear USDT swaps; their contract values are kept."""
        sizes = {
            row["instId"]: positive(row["ctVal"]) * positive(row["ctMult"])
            for row in rows
            if row["ctType"] == "linear" and row["settleCcy"] == "USDT" and row["state"] == "live"
        }
        self._contract_base |= sizes
        return frozenset(_symbol(contract) for contract in sizes)

    async def candles(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[list[Candle]]:
        for page_ms in range(start_ms, end_ms, _CANDLES_PAGE * interval_ms):
            recent = page_ms > end_ms - _RECENT_BARS * interval_ms
            rows = await self._get(
                rest,
                "/api/v5/market/candles" if recent else "/api/v5/market/history-candles",
                instId=_contract(symbol),
                bar=_BAR_NAMES[interval_ms],
                before=page_ms - 1,
                after=min(end_ms, page_ms + _CANDLES_PAGE * interval_ms),
                limit=_CANDLES_PAGE,
            )
            yield [self.read_candle(symbol, interval_ms, row) for row in reversed(rows)]

    async def open_interest(
        self, rest: RestClient, symbol: str, interval_ms: int, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        period_ms = max(interval_ms, INTERVALS_MS["5m"])
        start_ms = max(start_ms, end_ms - _OPEN_INTEREST_KEPT * period_ms)
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
            yield [self._open_interest(symbol, row[0], row[1], row[2]) for row in reversed(rows)]

    async def funding(
        self, rest: RestClient, symbol: str, *, start_ms: int, end_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
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

    def read_funding(self, rows: Json) -> list[FundingRate]:
        """Rows of the funding history, made ascending; the rate that was really paid where it is told."""
        return [
            FundingRate(
                self.exchange,
                _symbol(row["instId"]),
                utc_ms(row["fundingTime"]),
                signed(row.get("realizedRate") or row["fundingRate"]),
            )
            for row in reversed(rows)
        ]


def _contract(symbol: str) -> str:
    return f"{symbol.removesuffix('USDT')}-USDT-SWAP"


def _symbol(contract: str) -> str:
    return contract.removesuffix("-SWAP").replace("-", "")


def _subscribe(args: Sequence[Json]) -> tuple[str, ...]:
    return tuple(
        orjson.dumps({"op": "subscribe", "args": list(args[start : start + _ARGS_PER_MESSAGE])}).decode()
        for start in range(0, len(args), _ARGS_PER_MESSAGE)
    )
