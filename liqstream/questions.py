"""What a REST request asks for: a symbol, a market, a span; else a 400 that says what would be right."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from aiohttp import web

from liqstream.answers import bad_request, unavailable
from liqstream.market import DAY_MS, HOUR_MS, MarketKey
from liqstream.resources import MAPS, SYMBOLS
from liqstream.symbols import INTERVALS_MS, interval_ms, interval_name

WINDOWS: dict[str, tuple[int, str]] = {
    "12h": (12 * HOUR_MS, "5m"),
    "24h": (24 * HOUR_MS, "5m"),
    "48h": (48 * HOUR_MS, "15m"),
    "3d": (3 * DAY_MS, "15m"),
    "7d": (7 * DAY_MS, "15m"),
    "14d": (14 * DAY_MS, "30m"),
    "30d": (30 * DAY_MS, "1h"),
    "60d": (60 * DAY_MS, "2h"),
    "90d": (90 * DAY_MS, "2h"),
    "180d": (180 * DAY_MS, "4h"),
    "1y": (365 * DAY_MS, "12h"),
}
"""Window -> (span in ms, the interval that gives a readable number of columns)."""

MAX_COLUMNS = 10_000


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in columns: UTC ms, `end_ms` exclusive."""

    start_ms: int
    end_ms: int
    interval_ms: int


def symbol_asked_for(request: web.Request, symbol: str) -> str:
    """`symbol` if it is followed here; else a 400 that names those that are."""
    followed = request.app[SYMBOLS]
    if symbol not in followed:
        raise bad_request(f"unknown symbol; one of {', '.join(followed)}")
    return symbol


def required(request: web.Request, name: str) -> str:
    """A query parameter that must be there."""
    if name not in request.query:
        raise bad_request(f"{name} is missing")
    return request.query[name]


def exchanges_asked_for(request: web.Request, symbol: str) -> tuple[str, ...] | None:
    """The venues of `?exchange=a,b`, in the server's order; None for all of them, where none is named.

    A venue named twice counts once. An empty list or an unknown venue is a 400 that names those there are.
    """
    said = request.query.get("exchange")
    if said is None:
        return None
    known = request.app[MAPS].exchanges(symbol)
    if not known:
        raise unavailable(f"no data for {symbol} yet", retry_after_s=5)
    wanted = {name.strip().lower() for name in said.split(",")} - {""}
    if not wanted or not wanted.issubset(known):
        raise bad_request(f"unknown exchange; one of {', '.join(known)}")
    return tuple(name for name in known if name in wanted)


def market_asked_for(request: web.Request, symbol: str) -> MarketKey:
    """The symbol's market on the first venue of `?exchange=`, or on the first of all; else a 503."""
    names = exchanges_asked_for(request, symbol) or request.app[MAPS].exchanges(symbol)
    if not names:
        raise unavailable(f"no data for {symbol} yet", retry_after_s=5)
    return MarketKey(names[0], symbol)


def span_asked_for(request: web.Request, symbol: str, exchanges: Collection[str] | None) -> Span:
    """The window asked for, by `time_window` (or `window`) or by `start_time` and `end_time`.

    It ends where the venues' data does: by the data's own time, so that a replay never shows its future.
    """
    maps, query = request.app[MAPS], request.query
    newest_ms = maps.data_time_ms(symbol, exchanges)
    if "start_time" in query:
        start_ms = whole_number(request, "start_time", default=0, most=2**53)
        end_ms = min(newest_ms, whole_number(request, "end_time", default=newest_ms, most=2**53))
        step_ms = interval_asked_for(request, interval_name(maps.interval_ms))
    else:
        window = query.get("time_window", query.get("window", "24h"))
        if window not in WINDOWS:
            raise bad_request(f"unknown time_window; one of {', '.join(WINDOWS)}")
        span_ms, usual = WINDOWS[window]
        step_ms = interval_asked_for(request, interval_name(max(maps.interval_ms, interval_ms(usual))))
        end_ms = newest_ms
        start_ms = end_ms - end_ms % step_ms + step_ms - span_ms
    if start_ms >= end_ms:
        raise bad_request(f"nothing between start_time and {end_ms}: start_time must be before end_time")
    start_ms -= start_ms % step_ms
    if (end_ms - start_ms) // step_ms > MAX_COLUMNS:
        raise bad_request(f"more than {MAX_COLUMNS} columns; ask for a longer interval or a shorter span")
    return Span(start_ms, end_ms, step_ms)


def interval_asked_for(request: web.Request, default: str) -> int:
    """The bar interval of `?interval=` in ms: a whole multiple of the model's own."""
    name = request.query.get("interval", default)
    if name not in INTERVALS_MS:
        raise bad_request(f"unknown interval; one of {', '.join(INTERVALS_MS)}")
    own_ms = request.app[MAPS].interval_ms
    if interval_ms(name) % own_ms:
        raise bad_request(f"interval must be a multiple of {interval_name(own_ms)}, the model's own")
    return interval_ms(name)


def whole_number(request: web.Request, name: str, *, default: int, most: int) -> int:
    """A whole number from 1 to `most`."""
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isdecimal() or len(text) > 16 or not 1 <= int(text) <= most:
        raise bad_request(f"{name} must be a whole number from 1 to {most}")
    return int(text)


def positive_number(request: web.Request, name: str) -> float | None:
    """A number above 0, or None where it was not given."""
    text = request.query.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise bad_request(f"{name} must be a number above 0")
    return value
