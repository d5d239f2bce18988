"""Query parameters of REST requests: symbol, market, span; else a 400 that says what would be right."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass

from aiohttp import web

from liqstream.http.app_keys import MAPS, MEASURED_LAYER, SYMBOLS
from liqstream.http.responses import bad_request, unavailable
from liqstream.ingest.measured_layer import MEASURED
from liqstream.market import DAY_MS, HOUR_MS, LAST_DATE_MS, MINUTE_MS, MarketKey
from liqstream.market.identity import followed_symbol, offered
from liqstream.symbols import INTERVALS_MS, interval_ms, interval_name

WINDOWS: dict[str, tuple[int, str]] = {
    "1h": (HOUR_MS, "1m"),
    "4h": (4 * HOUR_MS, "1m"),
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
MAX_MINUTE_COLUMNS = 2880
"""Of a minute where the model's bars are longer: each costs a look at every exchange's book."""
MIN_PRICE_STEP, MAX_PRICE_STEP = 1e-12, 1e9
MAX_PRICE_RATIO = 100.0
MAX_USD = 1e15

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_MAX_NUMBER_CHARS = 40
_NAME = r"[^/]+(?:/[Uu][Ss][Dd][A-Za-z]?(?:(?::|%3[Aa])[^/]+)?)?"
"""A market's name in a path; what follows a slash in it is a quote, as no other part of a path is."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in columns: UTC ms, `end_ms` exclusive."""

    start_ms: int
    end_ms: int
    interval_ms: int

    @property
    def columns(self) -> int:
        """How many there are, the last perhaps in part."""
        return -(-(self.end_ms - self.start_ms) // self.interval_ms)


def of_symbol(path: str) -> str:
    """A route whose `{symbol}` takes every usual form, that with a slash too: BTC/USDT:USDT.

    A proxy that passes on what is below a path of its own writes an encoded slash as a slash.
    """
    return path.replace("{symbol}", f"{{symbol:{_NAME}}}")


def symbol_param(request: web.Request, symbol: str) -> str:
    """The symbol that is meant by a name in any usual form, if it is followed here.

    Else a 400 that names those that are, of many the nearest.
    """
    followed = request.app[SYMBOLS]
    meant = followed_symbol(symbol, followed)
    if meant is None:
        raise bad_request(f"unknown symbol; one of {offered((symbol,), followed)}")
    return meant


def required(request: web.Request, name: str) -> str:
    """A query parameter that must be there."""
    if name not in request.query:
        raise bad_request(f"{name} is missing")
    return request.query[name]


def exchanges_param(request: web.Request, symbol: str) -> tuple[str, ...] | None:
    """The venues of `?exchange=a,b`, in the server's order; None for all of them, where none is named.

    A venue named twice counts once. An empty list or an unknown venue is a 400 that names those there are.
    """
    text = request.query.get("exchange")
    if text is None:
        return None
    if text.strip().lower() == MEASURED and MEASURED_LAYER in request.app:
        return None  # the layer stands beside the candles and liquidations of all
    known = request.app[MAPS].exchanges(symbol)
    if not known:
        raise unavailable(f"no data for {symbol} yet", retry_after_s=5)
    wanted = {name.strip().lower() for name in text.split(",")} - {""}
    if not wanted or not wanted.issubset(known):
        raise bad_request(f"unknown exchange; one of {', '.join(known)}")
    return tuple(name for name in known if name in wanted)


def market_param(request: web.Request, symbol: str) -> MarketKey:
    """The symbol's market on the first venue of `?exchange=`, or on the first of all; else a 503."""
    names = exchanges_param(request, symbol) or request.app[MAPS].exchanges(symbol)
    if not names:
        raise unavailable(f"no data for {symbol} yet", retry_after_s=5)
    return MarketKey(names[0], symbol)


def span_param(request: web.Request, symbol: str, exchanges: Collection[str] | None) -> Span:
    """The window asked for: by `time_window` (or `window`), or by `start_time`; up to `end_time`, if given.

    It ends where the venues' data does: by the data's own time, so that a replay never shows its future.
    A span that has no data yet is empty: its end is its start. 503 while nothing is known of the symbol.
    """
    maps, query = request.app[MAPS], request.query
    newest_ms = maps.data_time_ms(symbol, exchanges)
    if not newest_ms:
        raise unavailable(f"no data for {symbol} yet", retry_after_s=5)
    end_ms = min(newest_ms, end_param(request) or newest_ms)
    if "start_time" in query:
        step_ms = interval_param(request, interval_name(maps.interval_ms))
        start_ms = start_param(request) or 0
        _check_order(start_ms, end_param(request))
    else:
        window = query.get("time_window", query.get("window", "24h"))
        if window not in WINDOWS:
            raise bad_request(f"unknown time_window; one of {', '.join(WINDOWS)}")
        span_ms = WINDOWS[window][0]
        step_ms = interval_param(request, column_interval(window, interval_name(maps.interval_ms)))
        start_ms = max(0, -(-end_ms // step_ms) * step_ms - span_ms)
    start_ms -= start_ms % step_ms
    end_ms = max(start_ms, end_ms)
    span = Span(start_ms, end_ms, step_ms)
    most = MAX_COLUMNS if step_ms >= maps.interval_ms else MAX_MINUTE_COLUMNS
    if span.columns > most:
        raise bad_request(_too_many_columns(span, most))
    return span


def column_interval(window: str, own: str) -> str:
    """The interval of a window's columns, where the model's own is `own`: that at least, or a minute."""
    usual = WINDOWS[window][1]
    return usual if interval_ms(usual) == MINUTE_MS else max(usual, own, key=interval_ms)


def start_param(request: web.Request) -> int | None:
    """`start_time` in UTC ms; None without it."""
    return whole_number(request, "start_time", default=0, most=LAST_DATE_MS) or None


def end_param(request: web.Request) -> int | None:
    """`end_time` in UTC ms, exclusive; None without it."""
    return whole_number(request, "end_time", default=0, most=LAST_DATE_MS) or None


def _check_order(start_ms: int, end_ms: int | None) -> None:
    if end_ms is not None and start_ms >= end_ms:
        raise bad_request("start_time must be before end_time")


def time_range_param(request: web.Request) -> tuple[int | None, int | None]:
    """`start_time` and `end_time`, each None without it; a 400 unless the first is before the second."""
    start_ms, end_ms = start_param(request), end_param(request)
    if start_ms is not None:
        _check_order(start_ms, end_ms)
    return start_ms, end_ms


def _too_many_columns(span: Span, most: int) -> str:
    least_ms = (span.end_ms - span.start_ms) / most
    fitting = next((name for name, ms in INTERVALS_MS.items() if ms >= least_ms), "")
    longer = f"interval={fitting}, or " if fitting else ""
    return (
        f"{span.columns} columns, more than {most}; {longer}a span of at most "
        f"{most * span.interval_ms // HOUR_MS} hours at this interval would fit"
    )


def interval_param(request: web.Request, default: str) -> int:
    """The bar interval of `?interval=` in ms: a whole multiple of the model's own, or a minute."""
    name = request.query.get("interval", default)
    if name not in INTERVALS_MS:
        raise bad_request(f"unknown interval; one of {', '.join(INTERVALS_MS)}")
    own_ms = request.app[MAPS].interval_ms
    if interval_ms(name) % own_ms and interval_ms(name) != MINUTE_MS:
        raise bad_request(f"interval must be 1m, or a multiple of {interval_name(own_ms)}, the model's own")
    return interval_ms(name)


def whole_number(request: web.Request, name: str, *, default: int, most: int) -> int:
    """A whole number from 1 to `most`."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()) or len(text) > 16 or not 1 <= int(text) <= most:
        raise bad_request(f"{name} must be a whole number from 1 to {most}")
    return int(text)


def flag_param(request: web.Request, name: str) -> bool:
    """True for 1, False where it was not given."""
    if request.query.get(name, "1") != "1":
        raise bad_request(f"{name} must be 1, or left out")
    return name in request.query


def usd_param(request: web.Request, name: str) -> float:
    """An amount from 0 to MAX_USD; 0 where it was not given."""
    value = _number(request.query.get(name, "0"))
    if not 0 <= value <= MAX_USD:
        raise bad_request(f"{name} must be a number from 0 to {MAX_USD:g}")
    return value


def price_step_param(request: web.Request) -> float | None:
    """`price_bin_size` in USD, or None where it was not given."""
    text = request.query.get("price_bin_size")
    if text is None:
        return None
    value = _number(text)
    if not MIN_PRICE_STEP <= value <= MAX_PRICE_STEP:
        raise bad_request(f"price_bin_size must be a number from {MIN_PRICE_STEP:g} to {MAX_PRICE_STEP:g}")
    return value


def price_range_param(request: web.Request) -> tuple[float, float] | None:
    """`min_price` and `max_price` in USD, or None without both; a 400 for one alone or in the wrong order."""
    texts = [request.query.get(name) for name in ("min_price", "max_price")]
    if texts == [None, None]:
        return None
    low, high = (_number(text or "") for text in texts)
    if not MIN_PRICE_STEP <= low < high <= MAX_PRICE_STEP or high > MAX_PRICE_RATIO * low:
        raise bad_request(
            f"min_price and max_price must be numbers from {MIN_PRICE_STEP:g} to {MAX_PRICE_STEP:g}, both "
            f"given, the second the higher by a factor of at most {MAX_PRICE_RATIO:g}"
        )
    return low, high


def _number(text: str) -> float:
    """A number as JSON writes it, NaN for any other text: Python would also take "1_0" and " 1"."""
    return float(text) if len(text) <= _MAX_NUMBER_CHARS and _NUMBER.fullmatch(text) else math.nan
