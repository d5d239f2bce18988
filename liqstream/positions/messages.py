"""Hyperliquid's messages about accounts, as values: trades, contexts of all coins, fills that liquidated."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from liqstream.market import LAST_DATE_MS, Side
from liqstream.market.record_bounds import LARGEST_SIZE_BASE, is_price
from liqstream.positions.tracker import AccountTrade

HLP = "0xdfc24b077bc1425ad1dea75bcb6f8158e10df303"
"""The exchange's own vault; its children liquidate."""
LIQUIDATOR_VAULTS = frozenset(
    {
        "0x2e3d94f0562703b25c83308a05046ddaf9a8dd14",
        "0xb0a55f13d22f66e6d495ac98113841b2326e9540",
        "0x5e177e5e39c0f4e421f5865a6d8beed8d921cb70",
        "0x2ed5c4484ea3ff8b57d5f2fb152a40d9f2b68308",
    }
)
"""Those of its children that take over positions, as of 2026-11."""
ADDRESS = re.compile("0x[0-9a-f]{40}")
LEAST_HELD = 1e-12
"""Base coin: no open interest but 0 is less."""


@dataclass(frozen=True, slots=True)
class LiquidationFill:
    """A fill by which a position was liquidated: its side, USD, base coin, UTC ms."""

    coin: str
    time_ms: int
    side: Side
    price: float
    size: float
    trade_id: int
    liquidated: str


def is_address(text: object) -> bool:
    """Whether it is an address as the exchange writes it."""
    return isinstance(text, str) and ADDRESS.fullmatch(text) is not None


def shortened(address: str) -> str:
    """An address as it is shown: 0x1234..abcd."""
    return f"{address[:6]}..{address[-4:]}"


def read_trades(data: Any, latest_ms: int = LAST_DATE_MS) -> tuple[list[AccountTrade], int]:
    """The trades of a message, and how many of its rows are none, as is one later than `latest_ms` (UTC)."""
    if not isinstance(data, list):
        return [], 1
    found, bad = [], 0
    for row in data:
        try:
            found.append(_trade(row, latest_ms))
        except (KeyError, TypeError, ValueError):
            bad += 1
    return found, bad


def _trade(row: Any, latest_ms: int) -> AccountTrade:
    buyer, seller = (str(user).lower() for user in row["users"])
    price, size = float(row["px"]), float(row["sz"])
    if not (is_address(buyer) and is_address(seller) and _is_amount(price, size)):
        raise ValueError("a trade has two accounts, a price and a size")
    time_ms, number = int(row["time"]), int(row["tid"])
    if not 0 < time_ms <= latest_ms:
        raise ValueError("a trade is of the past")
    return AccountTrade(str(row["coin"]), price, size, time_ms, number, buyer, seller, row["side"] == "B")


def _is_amount(price: float, size: float) -> bool:
    """Whether a price (USD) and a size (base coin) are some that can be."""
    return is_price(price) and 0 < size < LARGEST_SIZE_BASE


def read_contexts(universe: Sequence[str], data: Any) -> list[tuple[str, float, float]]:
    """Each listed coin's mark (USD) and open interest (base coin), of a message about all of them.

    Raises KeyError or TypeError for a message of another form; a coin's unreadable values are left out.
    """
    for name, contexts in data["ctxs"]:
        if name == "":
            found = []
            for coin, context in zip(universe, contexts, strict=False):
                mark, held = _amount(context, "markPx"), _amount(context, "openInterest")
                if (
                    mark is not None
                    and held is not None
                    and is_price(mark)
                    and (not held or held >= LEAST_HELD)
                ):
                    found.append((coin, mark, held))
            return found
    return []


def _amount(context: Any, name: str) -> float | None:
    try:
        value = float(context[name])
    except (KeyError, TypeError, ValueError):
        return None
    return value if math.isfinite(value) and value >= 0 else None


def read_liquidation(
    fill: Any, owner: str, vaults: frozenset[str] = LIQUIDATOR_VAULTS
) -> LiquidationFill | None:
    """The liquidation that a fill of `owner` was, None if it was none, or is counted elsewhere.

    The liquidated sold a long or bought a short; `owner` may be he or the counterparty. A vault that is
    liquidated sells what was counted when it took it over; auto-deleveraging ends the winning side. Raises
    KeyError, TypeError or ValueError for a fill that is none.
    """
    named = fill.get("liquidation")
    if named is None or fill.get("dir") == "Auto-Deleveraging":
        return None
    liquidated = str(named["liquidatedUser"]).lower()
    if liquidated in vaults or not is_address(liquidated):
        return None
    sold = (fill["side"] == "A") == (liquidated == owner.lower())
    price = float(named["markPx"] if named.get("method") == "backstop" else fill["px"])
    size = float(fill["sz"])
    if not _is_amount(price, size):
        raise ValueError("a fill has a price and a size")
    side: Side = "long" if sold else "short"
    return LiquidationFill(
        str(fill["coin"]), int(fill["time"]), side, price, size, int(fill["tid"]), liquidated
    )
