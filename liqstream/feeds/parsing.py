"""What one message of an exchange comes to, and how its numbers are read.

Exchanges send numbers as text and mean them; a NaN, a negative price or a time in another unit is refused
here, at the edge, so that nothing behind it has to doubt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

import orjson

from liqstream.market import Candle, MarketEvent

Json: TypeAlias = Any
"""Parsed JSON; every access is checked by the reader that makes records of it."""

T = TypeVar("T")

UNREADABLE = (ValueError, KeyError, TypeError, IndexError, AttributeError, ArithmeticError)
"""What a reader raises for a message or a response that is not what it should be."""

_EARLIEST_MS, LATEST_MS = 1_230_768_000_000, 4_102_444_800_000
"""2009 to 2100: catches times in seconds, microseconds and nanoseconds."""


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade; only feeds know trades, above them there are bars."""

    exchange: str
    symbol: str
    time_ms: int
    price_usd: float
    quantity_base: float
    taker_is_buyer: bool


@dataclass(frozen=True, slots=True)
class SubscriptionRefusal:
    """A socket's refusal of a subscription: the exchange's code and words, the request's id if it says."""

    code: str
    text: str
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A message's records. `kind`: "data" has something new to say even if nothing of it is for us, "control"
    is an acknowledgement, "ignored" is known and not needed, "unknown" is not known; "refused" is about a
    subscription, "instruments" says that the list of contracts has changed, "closing" that the exchange is
    about to end the connection. `sent_ms` is the exchange's own time, `reply` what it wants to hear back."""

    kind: Literal["data", "control", "ignored", "unknown", "refused", "instruments", "closing"]
    events: Sequence[MarketEvent] = ()
    trades: Sequence[Trade] = ()
    sent_ms: int | None = None
    refusal: SubscriptionRefusal | None = None
    reply: str = ""


lost_here: ContextVar[int] = ContextVar("lost_here", default=0)
"""Items that could not be read in this task, so far: who fetches a page can tell its own from a socket's."""


@dataclass(slots=True)
class BadItems:
    """Items of messages and pages that could not be read, counted while their neighbours are taken."""

    count: int = 0
    last_reason: str = ""

    def each(self, rows: Json, read: Callable[[Json], T | None]) -> list[T]:
        """What `read` makes of each row; a bad row is counted, None is left out. ValueError for no list."""
        if not isinstance(rows, list):
            raise ValueError(f"{type(rows).__name__} instead of a list")
        taken = [self.attempt(read, row) for row in rows]
        return [item for item in taken if item is not None]

    def attempt(self, read: Callable[[Json], T | None], item: Json) -> T | None:
        """What `read` makes of one item; None if it cannot be read, which is counted."""
        try:
            return read(item)
        except UNREADABLE as error:
            self.count += 1
            lost_here.set(lost_here.get() + 1)
            self.last_reason = f"{error!r} in {_shown(item)}"
            return None

    def take(self) -> tuple[int, str]:
        """How many there were since the last call, and why the last could not be read."""
        taken = (self.count, self.last_reason)
        self.count, self.last_reason = 0, ""
        return taken


def _shown(item: Json) -> str:
    """The beginning of an item as JSON; what is nested too deeply to be written is only named."""
    try:
        return orjson.dumps(item)[:200].decode("utf-8", "replace")
    except TypeError:
        return f"a {type(item).__name__}"


CONTROL = Parsed("control")
IGNORED = Parsed("ignored")
UNKNOWN = Parsed("unknown")
INSTRUMENTS = Parsed("instruments")
CLOSING = Parsed("closing")


def refused(code: Json, text: Json, request_id: Json = "") -> Parsed:
    """A refusal of a subscription."""
    return Parsed("refused", refusal=SubscriptionRefusal(str(code), str(text), str(request_id or "")))


def read_json(text: str | bytes) -> Json:
    """Strict JSON (no NaN, no Infinity). Raises ValueError."""
    return orjson.loads(text)


def positive(value: Json) -> float:
    """A finite number above zero, from text or number. Raises ValueError."""
    number = _finite(value)
    if number <= 0:
        raise ValueError(f"{value!r} is not above zero")
    return number


def not_negative(value: Json) -> float:
    """A finite number that is zero or more. Raises ValueError."""
    number = _finite(value)
    if number < 0:
        raise ValueError(f"{value!r} is negative")
    return number


def signed(value: Json) -> float:
    """Any finite number. Raises ValueError."""
    return _finite(value)


def utc_ms(value: Json) -> int:
    """A time in UTC milliseconds between 2009 and 2100. Raises ValueError."""
    number = _finite(value)
    if not _EARLIEST_MS <= number <= LATEST_MS:
        raise ValueError(f"{value!r} is no time in milliseconds")
    return int(number)


def _finite(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is no number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no finite number")
    return number


def candle_from_row(
    exchange: str, symbol: str, interval_ms: int, row: Sequence[Json], *, closed: bool
) -> Candle:
    """The bar of (open time, open, high, low, close, base volume, quote volume, taker-buy base volume).

    The last two may be missing. The range is widened to hold open and close: venues are a price step off
    now and then.
    Raises ValueError for a number that cannot be, and for a high below its low.
    """
    opened, high, low, close = (positive(value) for value in row[1:5])
    if high < low:
        raise ValueError(f"no bar has the high {high} and the low {low}")
    return Candle(
        exchange,
        symbol,
        interval_ms,
        utc_ms(row[0]),
        opened,
        max(high, opened, close),
        min(low, opened, close),
        close,
        volume_base=not_negative(row[5]),
        volume_quote_usd=not_negative(row[6]) if len(row) > 6 else None,
        taker_buy_base=not_negative(row[7]) if len(row) > 7 else None,
        closed=closed,
    )
