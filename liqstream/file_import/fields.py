"""One field of a CSV row into a number, a time, a side; what is wrong with it in a few words."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal

from liqstream.symbols import INTERVALS_MS

EARLIEST_MS = 1_230_940_800_000  # 2009-01-03, Bitcoin's first block
LATEST_MS = 4_102_444_800_000  # 2100-01-01

_ABSENT = frozenset({"", "nan", "null", "none", "n/a", "na", "nat", "-"})
"""How files write that a value is not known."""

_UNITS_PER_MS = {"s": Decimal("0.001"), "ms": Decimal(1), "us": Decimal(1_000), "ns": Decimal(1_000_000)}
_NUMBER = re.compile(r"[0-9]{1,30}(\.[0-9]{1,12})?")

ORDER_SIDE_THAT_CLOSES_LONGS = {
    "binance": "sell",
    "aster": "sell",
    "okx": "sell",
    "bybit": "buy",
    "bitget": "buy",
}
"""Which of `buy` and `sell` a liquidated long is in an exchange's files. Binance, Aster and OKX name the
closing order's side, Bybit and Bitget the position's."""

EXCHANGES_THAT_COUNT_CONTRACTS = frozenset({"okx", "gate"})
"""Exchanges whose sizes are in contracts, of so much base coin each as only their lists say."""

EXCHANGES_WITH_COIN_MARGIN = frozenset({"binance", "aster", "okx", "bybit", "gate", "bitget"})
"""Exchanges whose contracts quoted in USD are margined in the coin: their amounts are USD, or contracts."""


EXCHANGES_THAT_COUNT_BOTH_SIDES = frozenset({"bybit"})
"""Exchanges whose published open interest counts each contract on its long and its short side."""

_BOOLEANS = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}


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
    """As `amount`; None for an absent field."""
    return None if is_absent(text) else amount(text or "", name)


def is_absent(text: str | None) -> bool:
    """True for a field that is not there or says that its value is not known."""
    return (text or "").strip().lower() in _ABSENT


def time_ms(text: str, name: str) -> int:
    """UTC ms of an epoch time in s, ms, us or ns, or of a date and time, UTC unless it names another zone.

    Raises ValueError.
    """
    stripped = text.strip()
    # pandas makes 1779724800.0 of an integer column with an empty field; others write 1779724800.123.
    milliseconds = _epoch_ms(Decimal(stripped)) if _NUMBER.fullmatch(stripped) else _date_ms(stripped)
    if milliseconds is None:
        raise ValueError(f"{name} is not a time: {shown(text)}")
    return milliseconds


def _epoch_ms(value: Decimal) -> int | None:
    for per_ms in _UNITS_PER_MS.values():
        if EARLIEST_MS <= value / per_ms < LATEST_MS:
            return int(value / per_ms)
    return None


def _date_ms(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(re.sub(r" ?(UTC|GMT)\Z", "+00:00", text))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    milliseconds = round(moment.timestamp() * 1000)
    return milliseconds if EARLIEST_MS <= milliseconds < LATEST_MS else None


def sides_counted(one_sided: str | None, exchange: str) -> int:
    """How many sides of each contract a row's open interest counts, 1 or 2.

    By its `one_sided`; without one, as the exchange publishes it. Raises ValueError.
    """
    text = (one_sided or "").strip().lower()
    if is_absent(text):
        return 2 if exchange in EXCHANGES_THAT_COUNT_BOTH_SIDES else 1
    if text not in _BOOLEANS:
        raise ValueError(f"one_sided is neither true nor false: {shown(text)}")
    return 1 if _BOOLEANS[text] else 2


def is_false(text: str | None) -> bool:
    """Whether a field says no; what is neither yes nor no says nothing."""
    return _BOOLEANS.get((text or "").strip().lower()) is False


def interval_ms(text: str | None) -> int | None:
    """What a row's bars last, written 5m, 5min, 1H or 1Dutc; None where it says nothing that is known."""
    plain = re.sub(r"(min|utc)\Z", lambda end: "m" if end[0] == "min" else "", (text or "").strip().lower())
    return INTERVALS_MS.get(plain)


def is_long(text: str, exchange: str) -> bool:
    """True if a row's side means that a long position was closed. Raises ValueError."""
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
