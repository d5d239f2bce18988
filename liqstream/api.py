"""REST: the latest map, its history, prices and realised liquidations, for the page, for bots, and for
those whose network lets no WebSocket through.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from liqstream.answers import cacheable, json_answer, unavailable
from liqstream.heatmap.history_encoding import HistoryMatrix, encode_history, history_columns
from liqstream.heatmap.snapshot import HeatmapSnapshot, iso_utc
from liqstream.heatmap.symbol_state import LevelMix
from liqstream.market import Bars, MarketKey, as_one_bar, join_bars
from liqstream.questions import (
    exchanges_asked_for,
    interval_asked_for,
    market_asked_for,
    positive_number,
    required,
    span_asked_for,
    symbol_asked_for,
    whole_number,
)
from liqstream.resources import HISTORIES, LATEST, MAPS, STORE
from liqstream.store.columns import LiquidationColumns, LiquidationTotals
from liqstream.symbols import interval_name

MAX_KLINES = 1500
MAX_LIQUIDATIONS = 20_000


async def latest_heatmap(request: web.Request) -> web.Response:
    """GET /api/heatmap/{symbol}: the v1 snapshot; `?columns=1`: columns on the grid with leverage mix."""
    symbol, maps = symbol_asked_for(request, request.match_info["symbol"]), request.app.get(MAPS)
    exchanges = exchanges_asked_for(request, symbol) if maps else None
    snapshot, mix = await request.app[LATEST](symbol), None
    if maps and (exchanges or request.query.get("columns") == "1"):
        own = await maps.of_venues(symbol, exchanges)
        if own is None and exchanges:
            raise unavailable(f"no data for {symbol} of {', '.join(exchanges)} yet", retry_after_s=5)
        if own is not None:
            mix = own[1]
        if own is not None and exchanges and snapshot is not None:
            # In a fleet another server may count: whoever also listens must find this state in that stream.
            snapshot = replace(own[0], epoch=snapshot.epoch, seq=snapshot.seq)
    if snapshot is None:
        raise unavailable(f"no data for {symbol} yet", retry_after_s=5)
    all_exchanges = maps.exchanges(symbol) if maps else ()
    head = {**_head(snapshot), "exchanges": exchanges or all_exchanges, "all_exchanges": all_exchanges}
    if request.query.get("columns") != "1":
        return json_answer(request, {"type": "snapshot", **head, "data": _levels(snapshot)})
    body = {
        **head,
        "checksum": snapshot.checksum,
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
    matrix = await _matrix(request, symbol_asked_for(request, required(request, "symbol")))
    return json_answer(request, await asyncio.to_thread(_timeseries, matrix))


async def _matrix(request: web.Request, symbol: str) -> HistoryMatrix:
    exchanges = exchanges_asked_for(request, symbol)
    span = span_asked_for(request, symbol, exchanges)
    matrix = await request.app[HISTORIES].matrix(
        symbol,
        start_ms=span.start_ms,
        end_ms=span.end_ms,
        interval_ms=span.interval_ms,
        exchanges=exchanges,
        step=positive_number(request, "price_bin_size"),
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
            "exchanges": matrix.exchanges,
            "price_bin_size": matrix.grid.step,
            "columns": matrix.columns,
            "source": matrix.source,
            "stale": matrix.stale,
            "quality": list(matrix.quality),
            "kernel": matrix.kernel,
        },
    }


async def klines(request: web.Request) -> web.Response:
    """GET /prices/klines: the last closed bars and the forming one, of one venue: the first asked for."""
    symbol = symbol_asked_for(request, required(request, "symbol"))
    step_ms = interval_asked_for(request, interval_name(request.app[MAPS].interval_ms))
    limit = whole_number(request, "limit", default=500, most=MAX_KLINES)
    market = market_asked_for(request, symbol)
    bars = await _bars_to_now(request, market, step_ms, limit)
    rows = _kline_rows(bars)[-limit:]
    return json_answer(
        request,
        {
            "symbol": symbol,
            "exchange": market.exchange,
            "interval": interval_name(step_ms),
            "count": len(rows),
            "data": rows,
        },
    )


async def _bars_to_now(request: web.Request, market: MarketKey, step_ms: int, limit: int) -> Bars:
    """The last closed bars and the one that is still open, made of the model's own bars so far."""
    maps, store = request.app[MAPS], request.app[STORE]
    newest_ms = maps.data_time_ms(market.symbol, (market.exchange,))
    open_ms = newest_ms - newest_ms % step_ms
    start_ms = open_ms - limit * step_ms
    closed = await store.bars(market.exchange, market.symbol, step_ms, start_ms=start_ms, end_ms=open_ms)
    fine = await store.bars(
        market.exchange, market.symbol, maps.interval_ms, start_ms=open_ms, end_ms=newest_ms
    )
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
    """GET /api/liquidations/{symbol}: liquidations that happened, single events and totals per interval.

    Of more events than fit, the newest are listed and the older ones counted; the totals hold them all.
    """
    symbol = symbol_asked_for(request, request.match_info["symbol"])
    exchanges, store = exchanges_asked_for(request, symbol), request.app[STORE]
    span = span_asked_for(request, symbol, exchanges)
    asked: dict[str, Any] = {"start_ms": span.start_ms, "end_ms": span.end_ms + 1, "exchanges": exchanges}
    events = await store.liquidations(symbol, **asked, limit=MAX_LIQUIDATIONS)
    older = 0
    if len(events) == MAX_LIQUIDATIONS:
        older = await store.count_liquidations(symbol, **asked) - len(events)
    totals = await store.liquidation_totals(
        symbol, span.interval_ms, start_ms=span.start_ms, end_ms=span.end_ms, exchanges=exchanges
    )
    return json_answer(
        request,
        {
            "symbol": symbol,
            "exchanges": exchanges or request.app[MAPS].exchanges(symbol),
            "data": list(_event_rows(events)),
            "older_omitted": older,
            "totals": list(_total_rows(totals)),
        },
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


def add_api_routes(app: web.Application) -> None:
    """Serve the REST endpoints; app.py sets LATEST, MAPS, STORE, HISTORIES and SYMBOLS."""
    add_latest_route(app)
    app.router.add_get("/api/heatmap/{symbol}/history", heatmap_history)
    app.router.add_get("/api/liquidations/{symbol}", realised_liquidations)
    app.router.add_get("/liquidations/heatmap-timeseries", heatmap_timeseries)
    app.router.add_get("/prices/klines", klines)


def add_latest_route(app: web.Application, of_venues: Handler = latest_heatmap) -> None:
    """Serve the latest map alone; app.py sets LATEST and SYMBOLS, and MAPS where there are any.

    A server without maps cannot tell venues apart: `of_venues` answers those who ask for some.
    """

    async def latest(request: web.Request) -> web.StreamResponse:
        return await (of_venues if "exchange" in request.query else latest_heatmap)(request)

    app.router.add_get("/api/heatmap/{symbol}", latest)
