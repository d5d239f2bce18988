"""REST: the latest map, its history, prices and realised liquidations, for the page, for bots, and for
those whose network lets no WebSocket through.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from liqstream.answers import bad_request, cacheable, json_answer, unavailable
from liqstream.heatmap.history import Histories
from liqstream.heatmap.history_encoding import HistoryMatrix, encode_history, history_columns
from liqstream.heatmap.latest import LevelMix, LiveMaps
from liqstream.heatmap.snapshot import HeatmapSnapshot, iso_utc
from liqstream.market import DAY_MS, HOUR_MS, Bars, MarketKey, as_one_bar, join_bars
from liqstream.store.columns import LiquidationColumns, LiquidationTotals
from liqstream.store.market_store import MarketStore
from liqstream.symbols import INTERVALS_MS, interval_ms, interval_name

LATEST: web.AppKey[Callable[[str], Awaitable[HeatmapSnapshot | None]]] = web.AppKey("latest")
"""A symbol's newest snapshot: the maps', or the fleet's where several servers share one stream."""
MAPS = web.AppKey("maps", LiveMaps)
STORE = web.AppKey("store", MarketStore)
HISTORIES = web.AppKey("histories", Histories)
SYMBOLS = web.AppKey("symbols", tuple[str, ...])

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
MAX_KLINES = 1500
MAX_LIQUIDATIONS = 20_000


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in columns: UTC ms, `end_ms` exclusive."""

    start_ms: int
    end_ms: int
    interval_ms: int


async def latest_heatmap(request: web.Request) -> web.Response:
    """GET /api/heatmap/{symbol}: the v1 snapshot; `?columns=1`: columns on the grid with leverage mix."""
    symbol, maps = symbol_asked_for(request, request.match_info["symbol"]), request.app.get(MAPS)
    snapshot = await request.app[LATEST](symbol)
    if snapshot is None:
        raise unavailable(f"no data for {symbol} yet", retry_after_s=5)
    if request.query.get("columns") != "1":
        return json_answer(request, {"type": "snapshot", **_head(snapshot), "data": _levels(snapshot)})
    mix = await maps.level_mix(symbol, _exchanges(request)) if maps else None
    body = {
        **_head(snapshot),
        "checksum": snapshot.checksum,
        "exchanges": [market.key.exchange for market in maps.markets(symbol)] if maps else [],
        "data": _columns(snapshot),
        "mix": None if mix is None else _mix(mix),
    }
    return json_answer(request, body)


def _head(snapshot: HeatmapSnapshot) -> dict[str, Any]:
    return {
        "symbol": snapshot.symbol,
        "timestamp": snapshot.timestamp,
        "epoch": snapshot.epoch,
        "seq": snapshot.seq,
        "stale": snapshot.stale,
        "source": snapshot.source,
        "quality": list(snapshot.quality),
        "kernel": snapshot.kernel,
    }


def _tail(snapshot: HeatmapSnapshot) -> dict[str, Any]:
    return {
        "current_price": snapshot.current_price,
        "positions_created": snapshot.positions_created,
        "positions_consumed": snapshot.positions_consumed,
    }


def _levels(snapshot: HeatmapSnapshot) -> dict[str, Any]:
    return {"levels": snapshot.levels, **_tail(snapshot)}


def _columns(snapshot: HeatmapSnapshot) -> dict[str, Any]:
    return {
        "p0": snapshot.grid.p0,
        "step": snapshot.grid.step,
        "long": snapshot.long.tolist(),
        "short": snapshot.short.tolist(),
        **_tail(snapshot),
    }


def _mix(mix: LevelMix) -> dict[str, Any]:
    return {
        "groups": list(mix.groups),
        "p0": mix.grid.p0,
        "step": mix.grid.step,
        "long": mix.long_usd.round().astype(int).tolist(),
        "short": mix.short_usd.round().astype(int).tolist(),
    }


async def heatmap_history(request: web.Request) -> web.Response:
    """GET /api/heatmap/{symbol}/history: the time x price matrix, compact; JSON for those who ask for it."""
    symbol = symbol_asked_for(request, request.match_info["symbol"])
    matrix = await _matrix(request, symbol)
    if "application/json" in request.headers.get("Accept", ""):
        return json_answer(request, await asyncio.to_thread(_timeseries, matrix))
    body = await asyncio.to_thread(encode_history, matrix)
    return cacheable(request, body, content_type="application/octet-stream")


async def heatmap_timeseries(request: web.Request) -> web.Response:
    """GET /liquidations/heatmap-timeseries: the same matrix as objects, a list of levels per column."""
    matrix = await _matrix(request, symbol_asked_for(request, _required(request, "symbol")))
    return json_answer(request, await asyncio.to_thread(_timeseries, matrix))


async def _matrix(request: web.Request, symbol: str) -> HistoryMatrix:
    span = _span(request, symbol)
    matrix = await request.app[HISTORIES].matrix(
        symbol,
        start_ms=span.start_ms,
        end_ms=span.end_ms,
        interval_ms=span.interval_ms,
        exchanges=_exchanges(request),
        step=_number(request, "price_bin_size"),
    )
    if matrix is None:
        raise unavailable(f"no data for {symbol} yet", retry_after_s=5)
    return matrix


def _timeseries(matrix: HistoryMatrix) -> dict[str, Any]:
    return {
        "data": list(history_columns(matrix)),
        "meta": {
            "symbol": matrix.symbol,
            "interval": interval_name(matrix.interval_ms),
            "start_time": iso_utc(matrix.t0_ms),
            "end_time": iso_utc(matrix.t0_ms + matrix.columns * matrix.interval_ms),
            "price_bin_size": matrix.grid.step,
            "columns": matrix.columns,
            "source": matrix.source,
            "stale": matrix.stale,
            "quality": list(matrix.quality),
            "kernel": matrix.kernel,
        },
    }


async def klines(request: web.Request) -> web.Response:
    """GET /prices/klines: the last closed bars and the forming one, of one venue."""
    symbol = symbol_asked_for(request, _required(request, "symbol"))
    step_ms = _interval(request, interval_name(request.app[MAPS].interval_ms))
    limit = _whole(request, "limit", default=500, most=MAX_KLINES)
    market = market_asked_for(request, symbol)
    bars = await _bars_to_now(request, market, step_ms, limit)
    rows = _kline_rows(bars)[-limit:]
    return json_answer(
        request,
        {"symbol": symbol, "interval": interval_name(step_ms), "count": len(rows), "data": rows},
    )


async def _bars_to_now(request: web.Request, market: MarketKey, step_ms: int, limit: int) -> Bars:
    """The last closed bars and the one that is still open, made of the model's own bars so far."""
    maps, store = request.app[MAPS], request.app[STORE]
    now_ms = _now_ms(maps, market.symbol)
    open_ms = now_ms - now_ms % step_ms
    start_ms = open_ms - limit * step_ms
    closed = await store.bars(market.exchange, market.symbol, step_ms, start_ms=start_ms, end_ms=open_ms)
    fine = await store.bars(market.exchange, market.symbol, maps.interval_ms, start_ms=open_ms, end_ms=now_ms)
    forming = maps.market(market).forming_bars()
    if forming is not None and forming.open_time_ms[0] >= open_ms:
        fine = join_bars(fine, forming)
    return join_bars(closed, as_one_bar(fine, step_ms)) if len(fine) else closed


def _kline_rows(bars: Bars) -> list[dict[str, Any]]:
    columns = zip(
        bars.open_time_ms.tolist(),
        bars.open.tolist(),
        bars.high.tolist(),
        bars.low.tolist(),
        bars.close.tolist(),
        bars.volume_base.tolist(),
        strict=True,
    )
    return [
        {
            "timestamp": iso_utc(time_ms),
            "open": open_,
            "high": high,
            "low": low,
            "close": close,
            "volume": None if math.isnan(volume) else volume,
        }
        for time_ms, open_, high, low, close, volume in columns
    ]


async def realised_liquidations(request: web.Request) -> web.Response:
    """GET /api/liquidations/{symbol}: liquidations that happened, single events and totals per interval."""
    symbol = symbol_asked_for(request, request.match_info["symbol"])
    span, store = _span(request, symbol), request.app[STORE]
    events = await store.liquidations(
        symbol, start_ms=span.start_ms, end_ms=span.end_ms + 1, limit=MAX_LIQUIDATIONS
    )
    totals = await store.liquidation_totals(
        symbol, span.interval_ms, start_ms=span.start_ms, end_ms=span.end_ms
    )
    return json_answer(
        request,
        {"symbol": symbol, "data": list(_event_rows(events)), "totals": list(_total_rows(totals))},
    )


def _event_rows(events: LiquidationColumns) -> Iterator[dict[str, Any]]:
    columns = (events.time_ms, events.exchange, events.is_long, events.price_usd, events.quantity_base)
    for time_ms, exchange, is_long, price, quantity in zip(*(c.tolist() for c in columns), strict=True):
        yield {
            "timestamp": time_ms,
            "exchange": exchange,
            "side": "long" if is_long else "short",
            "price": price,
            "quantity": quantity,
            "notional_usd": price * quantity,
        }


def _total_rows(totals: LiquidationTotals) -> Iterator[dict[str, Any]]:
    columns = (totals.open_time_ms, totals.long_usd, totals.short_usd)
    for time_ms, long_usd, short_usd in zip(*(c.tolist() for c in columns), strict=True):
        yield {
            "timestamp": time_ms,
            "interval_ms": totals.interval_ms,
            "long_usd": long_usd,
            "short_usd": short_usd,
        }


def symbol_asked_for(request: web.Request, symbol: str) -> str:
    """`symbol` if it is followed here; else a 400 that names those that are."""
    followed = request.app[SYMBOLS]
    if symbol not in followed:
        raise bad_request(f"unknown symbol; one of {', '.join(followed)}")
    return symbol


def _required(request: web.Request, name: str) -> str:
    if name not in request.query:
        raise bad_request(f"{name} is missing")
    return request.query[name]


def market_asked_for(request: web.Request, symbol: str) -> MarketKey:
    """The symbol's market on `?exchange=`, by default on the first; a 400 or 503 if there is none."""
    keys = [market.key for market in request.app[MAPS].markets(symbol)]
    wanted = request.query.get("exchange")
    for key in keys:
        if wanted in (None, key.exchange):
            return key
    if keys:
        raise bad_request(f"unknown exchange; one of {', '.join(key.exchange for key in keys)}")
    raise unavailable(f"no data for {symbol} yet", retry_after_s=5)


def _exchanges(request: web.Request) -> tuple[str, ...] | None:
    wanted = request.query.get("exchange")
    return tuple(wanted.split(",")) if wanted else None


def _now_ms(maps: LiveMaps, symbol: str) -> int:
    """The end of what there is: the data's own time, so that a replay never shows its future."""
    return maps.data_time_ms(symbol)


def _span(request: web.Request, symbol: str) -> Span:
    """The window asked for, by `time_window` (or `window`) or by `start_time` and `end_time`."""
    maps, query = request.app[MAPS], request.query
    now_ms = _now_ms(maps, symbol)
    if "start_time" in query:
        start_ms = _whole(request, "start_time", default=0, most=2**53)
        end_ms = min(now_ms, _whole(request, "end_time", default=now_ms, most=2**53))
        step_ms = _interval(request, interval_name(maps.interval_ms))
    else:
        window = query.get("time_window", query.get("window", "24h"))
        if window not in WINDOWS:
            raise bad_request(f"unknown time_window; one of {', '.join(WINDOWS)}")
        span_ms, usual = WINDOWS[window]
        step_ms = _interval(request, interval_name(max(maps.interval_ms, interval_ms(usual))))
        end_ms = now_ms
        start_ms = end_ms - end_ms % step_ms + step_ms - span_ms
    if start_ms >= end_ms:
        raise bad_request(f"nothing between start_time and {end_ms}: start_time must be before end_time")
    start_ms -= start_ms % step_ms
    if (end_ms - start_ms) // step_ms > MAX_COLUMNS:
        raise bad_request(f"more than {MAX_COLUMNS} columns; ask for a longer interval or a shorter span")
    return Span(start_ms, end_ms, step_ms)


def _interval(request: web.Request, default: str) -> int:
    name = request.query.get("interval", default)
    if name not in INTERVALS_MS:
        raise bad_request(f"unknown interval; one of {', '.join(INTERVALS_MS)}")
    own_ms = request.app[MAPS].interval_ms
    if interval_ms(name) % own_ms:
        raise bad_request(f"interval must be a multiple of {interval_name(own_ms)}, the model's own")
    return interval_ms(name)


def _whole(request: web.Request, name: str, *, default: int, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isdecimal() or len(text) > 16 or not 1 <= int(text) <= most:
        raise bad_request(f"{name} must be a whole number from 1 to {most}")
    return int(text)


def _number(request: web.Request, name: str) -> float | None:
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


def add_api_routes(app: web.Application) -> None:
    """Serve the REST endpoints; app.py sets LATEST, MAPS, STORE, HISTORIES and SYMBOLS."""
    add_latest_route(app)
    app.router.add_get("/api/heatmap/{symbol}/history", heatmap_history)
    app.router.add_get("/api/liquidations/{symbol}", realised_liquidations)
    app.router.add_get("/liquidations/heatmap-timeseries", heatmap_timeseries)
    app.router.add_get("/prices/klines", klines)


def add_latest_route(app: web.Application) -> None:
    """Serve the latest map alone; app.py sets LATEST and SYMBOLS, and MAPS where there are any."""
    app.router.add_get("/api/heatmap/{symbol}", latest_heatmap)
