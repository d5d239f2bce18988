"""One field of a CSV row into a number, a time, a side; what is wrong with it said in a few words."""

from __future__ import annotations

import math
from datetime import UTC, datetime

EARLIEST_MS = 1_230_940_800_000  # 2009-01-03, Bitcoin's first block
LATEST_MS = 4_102_444_800_000  # 2100-01-01

_UNITS_PER_MS = {"s": 1e-3, "ms": 1, "us": 1_000, "ns": 1_000_000}

ORDER_SIDE_THAT_CLOSES_LONGS = {"binance": "sell", "okx": "sell", "bybit": "buy"}
"""Where a venue's files say `buy` or `sell`: which of them a liquidated long is. Binance and OKX name the
closing order's side, Bybit names the position's."""


def number(text: str, name: str) -> float:
    """A finite number. Raises ValueError."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} is not a number: {shown(text)}") from None
    if not math.isfinite(value) or "_" in text:
        raise ValueError(f"{name} is not a number: {shown(text)}")
    return value


def price(text: str, name: str) -> float:
    """A number above zero. Raises ValueError."""
    value = number(text, name)
    if value <= 0:
        raise ValueError(f"{name} is not above zero: {shown(text)}")
    return value


def amount(text: str, name: str) -> float:
    """A number not below zero. Raises ValueError."""
    value = number(text, name)
    if value < 0:
        raise ValueError(f"{name} is negative: {shown(text)}")
    return value


def optional_amount(text: str | None, name: str) -> float | None:
    """As `amount`; None for an absent or empty field."""
    return amount(text, name) if text and text.strip() else None


def time_ms(text: str, name: str) -> int:
    """UTC ms of an epoch time in s, ms, us or ns, or of a date and time that is UTC unless it says otherwise.

    Raises ValueError.
    """
    stripped = text.strip().removesuffix(".0")  # what pandas makes of a column with a hole in it
    milliseconds = _epoch_ms(int(stripped)) if stripped.isdecimal() else _date_ms(stripped)
    if milliseconds is None:
        raise ValueError(f"{name} is not a time: {shown(text)}")
    return milliseconds


def _epoch_ms(value: int) -> int | None:
    for per_ms in _UNITS_PER_MS.values():
        if EARLIEST_MS <= value / per_ms < LATEST_MS:
            return int(value * 1_000 if per_ms < 1 else value // per_ms)
    return None


def _date_ms(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    milliseconds = round(moment.timestamp() * 1000)
    return milliseconds if EARLIEST_MS <= milliseconds < LATEST_MS else None


def is_long(text: str, exchange: str) -> bool:
    """True if a row's side says that a long position was closed. Raises ValueError."""
    side = text.strip().lower()
    if side in ("long", "short"):
        return side == "long"
    closes_longs = ORDER_SIDE_THAT_CLOSES_LONGS.get(exchange)
    if side in ("buy", "sell") and closes_longs:
        return side == closes_longs
    raise ValueError(f"side is neither long nor short: {shown(text)}")


def shown(text: str) -> str:
    """A field as it may be shown in a message."""
    return repr(text if len(text) <= 40 else text[:37] + "...")
