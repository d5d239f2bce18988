"""The contracts' margin brackets in the wire formats of the exchanges that publish theirs without a key.

Hyperliquid's tables are its own, with the accounts (`hyperliquid_account_wire`).
"""

from __future__ import annotations

from collections.abc import Sequence

from liqstream.simulator.contracts import CONTRACTS
from liqstream.simulator.dialect import Message, text

BYBIT_PAGE = 15
"""Symbols in one answer of Bybit's."""
_IN_ONE = 10_000
"""Lighter's fractions count ten thousandths."""


def bybit(symbols: Sequence[str], first: int) -> Message:
    """The page of risk limits that begins with the symbol of that number; the cursor is the next page's."""
    rows = []
    for symbol in symbols[first : first + BYBIT_PAGE]:
        for number, (cap, rate, leverage, cumulative) in enumerate(CONTRACTS[symbol].brackets):
            rows.append(
                {
                    "id": number + 1,
                    "symbol": symbol,
                    "riskLimitValue": text(cap),
                    "maintenanceMargin": text(rate),
                    "initialMargin": text(1 / leverage),
                    "isLowestRisk": int(number == 0),
                    "maxLeverage": f"{leverage:.2f}",
                    "mmDeduction": text(cumulative),
                }
            )
    following = first + BYBIT_PAGE
    cursor = str(following) if following < len(symbols) else ""
    return {"category": "linear", "list": rows, "nextPageCursor": cursor}


def okx(symbol: str, family: str, usd_per_contract: float) -> list[Message]:
    """Position tiers, whose sizes are whole contracts."""
    rows, floor = [], 0
    for number, (cap, rate, leverage, _) in enumerate(CONTRACTS[symbol].brackets):
        most = round(cap / usd_per_contract)
        rows.append(
            {
                "instFamily": family,
                "instId": "",
                "uly": family,
                "tier": str(number + 1),
                "minSz": str(floor),
                "maxSz": str(most),
                "mmr": text(rate),
                "imr": text(1 / leverage),
                "maxLever": text(leverage),
                "optMgnFactor": "0",
                "quoteMaxLoan": "",
                "baseMaxLoan": "",
            }
        )
        floor = most
    return rows


def gate(symbol: str, contract: str) -> list[Message]:
    """Risk limit tiers of a contract."""
    return [
        {
            "tier": number + 1,
            "contract": contract,
            "risk_limit": text(cap),
            "initial_rate": text(1 / leverage),
            "maintenance_rate": text(rate),
            "leverage_max": text(leverage),
            "deduction": text(cumulative),
        }
        for number, (cap, rate, leverage, cumulative) in enumerate(CONTRACTS[symbol].brackets)
    ]


def bitget(symbol: str) -> list[Message]:
    """Position tiers of a symbol."""
    rows, floor = [], 0.0
    for number, (cap, rate, leverage, _) in enumerate(CONTRACTS[symbol].brackets):
        rows.append(
            {
                "tier": str(number + 1),
                "minTierValue": text(floor),
                "maxTierValue": text(cap),
                "leverage": text(leverage),
                "mmr": text(rate),
            }
        )
        floor = cap
    return rows


def lighter(symbol: str) -> Message:
    """The margin fractions of a market, which are those of every size."""
    _, rate, leverage, _ = CONTRACTS[symbol].brackets[0]
    return {
        "min_initial_margin_fraction": round(_IN_ONE / leverage),
        "maintenance_margin_fraction": round(_IN_ONE * rate),
    }
