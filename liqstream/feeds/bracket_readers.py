"""Maintenance-margin brackets out of the exchanges' public tables, as rows of the form our own files have.

A row is [floor USD, cap USD, maintenance margin rate, highest leverage, cumulative USD], ascending. Exchanges
without a public table (Binance and Aster show theirs to key holders alone) have no reader.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TypeAlias, TypeVar

from liqstream.feeds.parsing import UNREADABLE, Json
from liqstream.feeds.rest_client import RestClient, RestRefusedError

T = TypeVar("T")

Row: TypeAlias = list[float]
Rows: TypeAlias = dict[str, list[Row]]
"""By symbol."""

Contracts: TypeAlias = Mapping[str, str]
"""Our symbol -> the contract the exchange lists of it, as we write it (1000PEPEUSDT)."""

_NO_CAP_USD = 1e13
"""Of the last bracket where the exchange names none."""
_FLAT_BELOW = 50
"""A margin table of Hyperliquid with a smaller id is that leverage for every size."""
_IN_ONE = 10_000.0
"""Lighter's fractions count ten thousandths."""
_MAX_PAGES = 200


def rows_of(steps: Iterable[tuple[float, float, float]]) -> list[Row]:
    """Rows of (cap USD, maintenance margin rate, highest leverage), ascending by cap.

    The cumulative amount is what makes the margin continuous from bracket to bracket.
    """
    rows: list[Row] = []
    floor, cumulative, rate_before = 0.0, 0.0, 0.0
    for cap, rate, leverage in steps:
        if not cap > floor:
            raise ValueError(f"a bracket up to {cap:g} USD after one up to {floor:g}")
        cumulative += floor * (rate - rate_before)
        rows.append([floor, cap, rate, leverage, cumulative])
        floor, rate_before = cap, rate
    return rows


async def bybit(rest: RestClient, contracts: Contracts) -> Rows:
    """Of `/v5/market/risk-limit`, which lists all contracts 15 a page."""
    by_contract: dict[str, list[Json]] = {}
    cursor = ""
    for _ in range(_MAX_PAGES):
        more = {"cursor": cursor} if cursor else {}
        result = (await rest.get("/v5/market/risk-limit", category="linear", **more))["result"]
        # BTCPERP is settled in USDC.
        for name, row in _rows(result["list"], lambda row: (re.sub(r"PERP\Z", "USDC", row["symbol"]), row)):
            by_contract.setdefault(name, []).append(row)
        cursor = str(result.get("nextPageCursor") or "")
        if not cursor:
            break
    return _each(contracts, lambda contract: rows_of(_ascending(map(_bybit_step, by_contract[contract]))))


def _bybit_step(row: Json) -> tuple[float, float, float]:
    leverage, rate = float(row["maxLeverage"]), float(row["maintenanceMargin"])
    # Percent in some answers: a fraction is below the initial margin of the highest leverage.
    return float(row["riskLimitValue"]), rate if rate < 1 / leverage else rate / 100, leverage


async def okx(rest: RestClient, contracts: Contracts) -> Rows:
    """Of `/api/v5/public/position-tiers`: sizes in contracts, made USD by contract size and mark price."""
    listed = await _okx(rest, "/api/v5/public/instruments", instType="SWAP")
    base = dict(_rows(listed, lambda row: (row["instId"], float(row["ctVal"]) * float(row["ctMult"] or 1))))
    marks = await _okx(rest, "/api/v5/public/mark-price", instType="SWAP")
    prices = dict(_rows(marks, lambda row: (row["instId"], float(row["markPx"]))))
    found: Rows = {}
    for symbol, contract in contracts.items():
        family = f"{contract[:-4]}-{contract[-4:]}"
        usd = base.get(f"{family}-SWAP", 0.0) * prices.get(f"{family}-SWAP", 0.0)
        if not usd:
            continue
        try:
            tiers = await _okx(
                rest, "/api/v5/public/position-tiers", instType="SWAP", tdMode="cross", instFamily=family
            )
            steps = [(float(row["maxSz"]) * usd, float(row["mmr"]), float(row["maxLever"])) for row in tiers]
            found[symbol] = rows_of(_ascending(steps))
        except (RestRefusedError, *UNREADABLE):
            continue  # the others are read; this one keeps what it had
    return found


async def _okx(rest: RestClient, path: str, **params: str) -> Json:
    return (await rest.get(path, **params))["data"]


def _rows(rows: Iterable[Json], read: Callable[[Json], tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """What `read` makes of each row, by name; one that cannot be read is left out, and costs no other."""
    for row in rows:
        with suppress(*UNREADABLE):
            name, found = read(row)
            yield str(name), found


async def hyperliquid(rest: RestClient, contracts: Contracts) -> Rows:
    """Of `meta`: each coin's margin table; maintenance is half of the initial margin."""
    meta = await rest.post("/info", {"type": "meta"}, weight=20)
    tables = dict(_rows(meta["marginTables"], lambda row: (str(int(row[0])), row[1]["marginTiers"])))
    coins = dict(_rows(meta["universe"], lambda coin: (coin["name"], coin)))

    def of(contract: str) -> list[Row]:
        name = contract.removesuffix("USDT")
        coin = coins.get(name) or coins[f"k{name.removeprefix('1000')}"]
        number = int(coin.get("marginTableId") or coin["maxLeverage"])
        if number < _FLAT_BELOW:
            return rows_of([(_NO_CAP_USD, 0.5 / number, float(number))])
        tiers = sorted(
            {(float(tier["lowerBound"]), float(tier["maxLeverage"])) for tier in tables[str(number)]}
        )
        caps = [floor for floor, _ in tiers[1:]] + [_NO_CAP_USD]
        return rows_of((cap, 0.5 / most, most) for cap, (_, most) in zip(caps, tiers, strict=True))

    return _each(contracts, of)


async def gate(rest: RestClient, contracts: Contracts) -> Rows:
    """Of `risk_limit_tiers`, contract by contract."""

    async def tiers(contract: str) -> list[Row]:
        name = f"{contract.removesuffix('USDT')}_USDT"
        found = await rest.get("/api/v4/futures/usdt/risk_limit_tiers", contract=name)
        return rows_of(
            _ascending(
                (float(row["risk_limit"]), float(row["maintenance_rate"]), float(row["leverage_max"]))
                for row in found
            )
        )

    return await _one_by_one(contracts, tiers)


async def bitget(rest: RestClient, contracts: Contracts) -> Rows:
    """Of `/api/v3/market/position-tier`, contract by contract."""

    async def tiers(contract: str) -> list[Row]:
        answer = await rest.get("/api/v3/market/position-tier", category="USDT-FUTURES", symbol=contract)
        return rows_of(
            _ascending(
                (float(row["maxTierValue"]), float(row["mmr"]), float(row["leverage"]))
                for row in answer["data"]
            )
        )

    return await _one_by_one(contracts, tiers)


async def lighter(rest: RestClient, contracts: Contracts) -> Rows:
    """Of `orderBookDetails`: one leverage for every size, fractions in ten thousandths."""
    answer = await rest.get("/api/v1/orderBookDetails")
    markets = dict(_rows(answer["order_book_details"], lambda row: (row["symbol"], row)))

    def of(contract: str) -> list[Row]:
        row = markets[contract.removesuffix("USDT")]
        leverage = _IN_ONE / float(row["min_initial_margin_fraction"])
        return rows_of([(_NO_CAP_USD, float(row["maintenance_margin_fraction"]) / _IN_ONE, leverage)])

    return _each(contracts, of)


def _ascending(steps: Iterable[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    return sorted(set(steps))  # a page may come twice


def _each(contracts: Contracts, rows: Callable[[str], list[Row]]) -> Rows:
    """The rows of each contract; one that is not listed, or whose rows cannot be read, is left out."""
    found: Rows = {}
    for symbol, contract in contracts.items():
        try:
            found[symbol] = rows(contract)
        except UNREADABLE:
            continue
    return {symbol: each for symbol, each in found.items() if each}


async def _one_by_one(contracts: Contracts, rows: Callable[[str], Awaitable[list[Row]]]) -> Rows:
    """The same where each contract is a request of its own."""
    found: Rows = {}
    for symbol, contract in contracts.items():
        try:
            if each := await rows(contract):
                found[symbol] = each
        except (RestRefusedError, *UNREADABLE):
            continue
    return found


READERS: Mapping[str, Callable[[RestClient, Contracts], Awaitable[Rows]]] = {
    "bybit": bybit,
    "okx": okx,
    "hyperliquid": hyperliquid,
    "gate": gate,
    "bitget": bitget,
    "lighter": lighter,
}
"""By the exchange's name."""
