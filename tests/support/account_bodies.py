"""Answers to clearinghouseState whose levels follow from the documentation's rules, made number by number.

The reported level is found by bisection on value less margin, not by the formulas under test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Tiers = Sequence[tuple[float, float]]
"""(lower bound in USD, maximum leverage), ascending."""

BTC: Tiers = ((0.0, 40.0), (150e6, 20.0))
ETH: Tiers = ((0.0, 25.0), (100e6, 15.0))
SOL: Tiers = ((0.0, 20.0), (70e6, 10.0))
META: dict[str, Any] = {
    "universe": [
        {"name": "BTC", "maxLeverage": 40, "marginTableId": 56},
        {"name": "ETH", "maxLeverage": 25, "marginTableId": 55},
        {"name": "SOL", "maxLeverage": 20, "marginTableId": 54},
        {"name": "ATOM", "maxLeverage": 5, "marginTableId": 5},
    ],
    "marginTables": [
        [number, {"marginTiers": [{"lowerBound": str(low), "maxLeverage": most} for low, most in tiers]}]
        for number, tiers in ((56, BTC), (55, ETH), (54, SOL))
    ],
}
TIERS: Mapping[str, Tiers] = {
    "BTC": BTC,
    "ETH": ETH,
    "SOL": SOL,
    "ATOM": ((0.0, 5.0),),
    "kPEPE": ((0.0, 10.0),),
}


@dataclass(frozen=True, slots=True)
class Held:
    """One position: signed size, entry and mark in USD; `raw_usd` for isolated."""

    coin: str
    size: float
    entry: float
    mark: float
    raw_usd: float | None = None


def margin(tiers: Tiers, notional: float) -> float:
    """The maintenance margin, tier by tier: each part of the notional at its own rate."""
    total = 0.0
    for number, (low, leverage) in enumerate(tiers):
        high = tiers[number + 1][0] if number + 1 < len(tiers) else float("inf")
        total += max(0.0, min(notional, high) - low) / (2 * leverage)
    return total


def level(held: Held, others: Sequence[Held], total_raw: float) -> float | None:
    """Where the account's value less its margin is 0, if this coin alone moves; None for nowhere to 1e15."""
    raw, at_marks = (total_raw, others) if held.raw_usd is None else (held.raw_usd, ())

    def excess(price: float) -> float:
        value = raw + held.size * price - margin(TIERS[held.coin], abs(held.size) * price)
        return value + sum(
            each.size * each.mark - margin(TIERS[each.coin], abs(each.size) * each.mark) for each in at_marks
        )

    low, high = 1e-9, 1e15
    if (excess(low) < 0) == (excess(high) < 0):
        return None
    for _ in range(300):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if (excess(middle) < 0) == (excess(low) < 0) else (low, middle)
    return low


def body(positions: Sequence[Held], *, time_ms: int, total_raw: float = 0.0) -> dict[str, Any]:
    """The answer for an account that holds these."""
    crosses = [held for held in positions if held.raw_usd is None]
    rows = []
    for held in positions:
        found = level(held, [each for each in crosses if each is not held], total_raw)
        leverage: dict[str, Any] = {"type": "cross", "value": 10}
        if held.raw_usd is not None:
            leverage = {"type": "isolated", "value": 10, "rawUsd": str(held.raw_usd)}
        position = {
            "coin": held.coin,
            "szi": str(held.size),
            "entryPx": str(held.entry),
            "positionValue": str(abs(held.size) * held.mark),
            "liquidationPx": None if found is None else str(found),
            "marginUsed": "0",
            "maxLeverage": TIERS[held.coin][0][1],
            "leverage": leverage,
        }
        rows.append({"type": "oneWay", "position": position})
    used = sum(margin(TIERS[held.coin], abs(held.size) * held.mark) for held in crosses)
    value = total_raw + sum(held.size * held.mark for held in crosses)
    return {
        "assetPositions": rows,
        "crossMarginSummary": {"accountValue": str(value), "totalRawUsd": str(total_raw)},
        "crossMaintenanceMarginUsed": str(used),
        "time": time_ms,
    }


def address(number: int) -> str:
    """An address of 42 characters."""
    return f"0x{number:040x}"
