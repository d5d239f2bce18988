"""Accounts, trades and fills of the simulated market in Hyperliquid's wire format."""

from __future__ import annotations

from collections.abc import Sequence

from liqstream.simulator.accounts import AccountTruth, Print, raw_usd_of, tiers_of
from liqstream.simulator.dialect import Message, text

BY_THOUSAND = "1000"


def coin_of(symbol: str) -> str:
    """Hyperliquid's name of a contract: kPEPE is a thousand PEPE."""
    base = symbol.removesuffix("USDT")
    return f"k{base.removeprefix(BY_THOUSAND)}" if base.startswith(BY_THOUSAND) else base


def symbol_of(coin: str) -> str:
    """The contract that Hyperliquid calls so."""
    return f"{BY_THOUSAND}{coin[1:]}USDT" if coin[:1] == "k" else f"{coin}USDT"


def universe(symbols: Sequence[str]) -> Message:
    """The listed contracts and their margin tables."""
    tables = {tiers_of(coin_of(symbol)) for symbol in symbols}
    return {
        "universe": [
            {
                "name": coin_of(symbol),
                "szDecimals": 5,
                "maxLeverage": tiers_of(coin_of(symbol))[1][0][1],
                "marginTableId": tiers_of(coin_of(symbol))[0],
            }
            for symbol in symbols
        ],
        "marginTables": [
            [
                number,
                {
                    "description": f"tiered {tiers[0][1]}x",
                    "marginTiers": [
                        {"lowerBound": text(low), "maxLeverage": leverage} for low, leverage in tiers
                    ],
                },
            ]
            for number, tiers in sorted(tables)
            if number >= 50
        ],
    }


def account_state(held: tuple[str, AccountTruth] | None, price: float, time_ms: int) -> Message:
    """clearinghouseState of an account; `price` is the mark of what it holds."""
    positions = [] if held is None else [_position(coin_of(held[0]), held[1], price)]
    value = text(sum(float(each["position"]["marginUsed"]) for each in positions))
    summary = {"accountValue": value, "totalNtlPos": "0", "totalRawUsd": "0", "totalMarginUsed": "0"}
    if held is not None and held[1].level is None:
        summary["totalRawUsd"] = text(raw_usd_of(coin_of(held[0]), held[1]))
    return {
        "marginSummary": summary,
        "crossMarginSummary": summary,
        "crossMaintenanceMarginUsed": "0",
        "withdrawable": "0",
        "assetPositions": positions,
        "time": time_ms,
    }


def _position(coin: str, truth: AccountTruth, price: float) -> Message:
    value = abs(truth.size) * price
    raw = raw_usd_of(coin, truth)
    leverage: Message = {"type": "cross", "value": 1}
    if truth.level is not None:
        leverage = {"type": "isolated", "value": round(truth.leverage), "rawUsd": text(raw)}
    return {
        "type": "oneWay",
        "position": {
            "coin": coin,
            "szi": text(truth.size),
            "leverage": leverage,
            "entryPx": text(truth.entry),
            "positionValue": text(value),
            "unrealizedPnl": text(truth.size * (price - truth.entry)),
            "returnOnEquity": "0",
            "liquidationPx": None if truth.level is None else text(truth.level),
            "marginUsed": text(max(0.0, raw + truth.size * price) if truth.level is not None else value),
            "maxLeverage": tiers_of(coin)[1][0][1],
            "cumFunding": {"allTime": "0", "sinceOpen": "0", "sinceChange": "0"},
        },
    }


def trade(each: Print) -> Message:
    """One trade; `users` are buyer and seller, the trader is the aggressor."""
    users = [each.trader, each.maker] if each.trader_buys else [each.maker, each.trader]
    return {
        "coin": coin_of(each.symbol),
        "side": "B" if each.trader_buys else "A",
        "px": text(each.price),
        "sz": text(each.size),
        "hash": f"0x{each.trade_id:064x}",
        "time": each.time_ms,
        "tid": each.trade_id,
        "users": users,
    }


def fill(each: Print, user: str) -> Message:
    """A trade as one of its two accounts sees it; a forced one names the liquidated on both sides."""
    is_trader = user == each.trader
    buys = each.trader_buys == is_trader
    found: Message = {
        "coin": coin_of(each.symbol),
        "px": text(each.price),
        "sz": text(each.size),
        "side": "B" if buys else "A",
        "time": each.time_ms,
        "startPosition": "0",
        "dir": "Open Long" if buys else "Open Short",
        "closedPnl": "0",
        "hash": f"0x{each.trade_id:064x}",
        "oid": each.trade_id,
        "crossed": is_trader,
        "fee": "0",
        "tid": each.trade_id,
        "feeToken": "USDC",
        "twapId": None,
    }
    if each.level is not None:
        method = "backstop" if each.backstop else "market"
        found["liquidation"] = {
            "liquidatedUser": each.trader,
            "markPx": text(each.level),
            "method": method,
        }
    return found
