"""REST: the latest map, its history, prices and realised liquidations, for the page, for bots, and for
those whose network lets no WebSocket through.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from liqstream.heatmap.history_matrix import HistoryMatrix
from liqstream.heatmap.history_rows import MAX_GRID_CELLS, Rows
from liqstream.heatmap.symbol_state import LevelMix
from liqstream.heatmap.young_market import young_facts
from liqstream.http.app_keys import HISTORIES, LATEST, MAPS, MEASURED_LAYER, STORE
from liqstream.http.klines_api import klines
from liqstream.http.made_responses import (
    OCTETS,
    QUEUES,
    Cost,
    NoAnswerYetError,
    ResponseQueues,
    made_response,
)
from liqstream.http.params import (
    Span,
    exchanges_param,
    flag_param,
    of_symbol,
    price_range_param,
    price_step_param,
    required,
    span_param,
    symbol_param,
)
from liqstream.http.positions_api import asks_for_measured, measured_layer
from liqstream.http.responses import bad_request, json_response, unavailable
from liqstream.ingest.measured_layer import MEASURED, MeasuredLayer
from liqstream.model.density import LEVERAGE_GROUPS
from liqstream.positions.collector import EXCHANGE as MEASURED_EXCHANGE
from liqstream.store.results import LiquidationColumns, LiquidationTotals
from liqstream.wire.history_codec import encode_history
from liqstream.wire.history_json import MAX_BYTES, history_json
from liqstream.wire.numbers import json_number
from liqstream.wire.snapshot_message import IDENTITY, OF_BASE, STATE, column_data, message_of, v1_data

MAX_LIQUIDATIONS = 20_000

_Encode = Callable[[HistoryMatrix], Iterable[bytes]]

# Bytes at most, by which room is held before a body is made.
_LEVEL_BYTES = 90
_EVENT_BYTES = 200
_COLUMN_BYTES = 200
_HEAD_BYTES = 8192


async def latest_heatmap(request: web.Request) -> web.Response:
    """GET /api/heatmap/{symbol}: the v1 snapshot; `?columns=1`: columns on the grid with leverage mix."""
    symbol, maps = symbol_param(request, request.match_info["symbol"]), request.app.get(MAPS)
    if asks_for_measured(request):
        return await _measured_heatmap(request, symbol)
    exchanges = exchanges_param(request, symbol) if maps else None
    wants_columns = flag_param(request, "columns")
    snapshot, mix = await request.app[LATEST](symbol), None
    if maps and (exchanges or wants_columns):
        own = await maps.snapshot_of_exchanges(symbol, exchanges)
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
    head = {
        **message_of(snapshot).part(*IDENTITY, *STATE, *OF_BASE),
        "exchanges": exchanges or all_exchanges,
        "all_exchanges": all_exchanges,
        **(young_facts(maps, symbol) if maps else {}),
    }
    if not wants_columns:
        return json_response(request, {"type": "snapshot", **head, "data": v1_data(snapshot)})
    body = {
        **head,
        "checksum": snapshot.checksum,
        "data": column_data(snapshot),
        "mix": None if mix is None else _mix(mix),
    }
    return json_response(request, body)


async def _measured_heatmap(request: web.Request, symbol: str) -> web.Response:
    """The map of measured positions, in the form of the other maps, with coverage and ages."""
    layer = measured_layer(request, symbol)
    wants_columns = flag_param(request, "columns")
    found = await layer.snapshot(symbol)
    if found is None:
        raise unavailable(f"no data for {symbol} yet", retry_after_s=5)
    snapshot, mix = found
    head = {
        **message_of(snapshot).part(*IDENTITY, *STATE, *OF_BASE),
        "exchanges": (MEASURED,),
        "all_exchanges": request.app[MAPS].exchanges(symbol),
        **layer.facts(symbol),
    }
    if not wants_columns:
        return json_response(request, {"type": "snapshot", **head, "data": v1_data(snapshot)})
    body = {**head, "checksum": snapshot.checksum, "data": column_data(snapshot), "mix": _mix(mix)}
    return json_response(request, body)


def _mix(mix: LevelMix) -> dict[str, Any]:
    return {
        "groups": list(mix.groups),
        "p0": json_number(mix.grid.p0),
        "step": json_number(mix.grid.step),
        "long": mix.long_usd.round().astype(int).tolist(),
        "short": mix.short_usd.round().astype(int).tolist(),
    }


async def heatmap_history(request: web.Request) -> web.StreamResponse:
    """GET /api/heatmap/{symbol}/history: the time x price matrix, compact; JSON for those who ask for it.

    `?leverage=1` keeps the leverage groups apart, `?packed=1` writes the levels in fewer bytes; of the
    compact form only.
    """
    symbol = symbol_param(request, request.match_info["symbol"])
    as_json = "application/json" in request.headers.get("Accept", "")
    by_leverage = flag_param(request, "leverage")
    if as_json and by_leverage:
        raise bad_request("leverage=1 is of the compact form: ask without Accept: application/json")
    packed = flag_param(request, "packed")
    encode = history_json if as_json else partial(_compact, packed=packed)
    return await _history(request, symbol, encode, by_leverage=by_leverage)


async def heatmap_timeseries(request: web.Request) -> web.StreamResponse:
    """GET /liquidations/heatmap-timeseries: the same matrix as objects, a list of levels per column."""
    return await _history(request, symbol_param(request, required(request, "symbol")), history_json)


async def _history(
    request: web.Request, symbol: str, encode: _Encode, *, by_leverage: bool = False
) -> web.StreamResponse:
    as_json = encode is history_json
    layer = measured_layer(request, symbol) if asks_for_measured(request) else None
    if layer is not None and by_leverage:
        raise bad_request("leverage=1 is of estimated levels; measured positions have their own leverage")
    exchanges, step = exchanges_param(request, symbol), price_step_param(request)
    prices = price_range_param(request)
    if layer is not None and prices is not None:
        raise bad_request("min_price and max_price are of the estimate: measured positions have one grid")
    span = span_param(request, symbol, exchanges)

    async def parts() -> Iterable[bytes]:
        if layer is not None:
            return encode(await _measured_matrix(layer, symbol, span, step))
        matrix = await request.app[HISTORIES].matrix(
            symbol,
            start_ms=span.start_ms,
            end_ms=span.end_ms,
            interval_ms=span.interval_ms,
            exchanges=exchanges,
            rows=Rows(step, prices),
            by_leverage=by_leverage,
        )
        if matrix is None:
            raise NoAnswerYetError(f"no data for {symbol} yet")
        return encode(matrix)

    cells = span.columns * MAX_GRID_CELLS * (len(LEVERAGE_GROUPS) if by_leverage else 1)
    size = (cells * _LEVEL_BYTES if as_json else 4 * cells) + span.columns * _COLUMN_BYTES + _HEAD_BYTES
    # No more than that is ever made: two of the largest fit into what may be held.
    cost = Cost(cells, min(MAX_BYTES, size))
    content_type = "application/json" if as_json else OCTETS
    return await made_response(request, cost, parts, content_type=content_type)


async def _measured_matrix(
    layer: MeasuredLayer, symbol: str, span: Span, step: float | None
) -> HistoryMatrix:
    matrix = await layer.matrix(
        symbol, start_ms=span.start_ms, end_ms=span.end_ms, interval_ms=span.interval_ms, step=step
    )
    if matrix is None:
        raise NoAnswerYetError(f"no data for {symbol} yet")
    return matrix


def _compact(matrix: HistoryMatrix, *, packed: bool) -> Iterator[bytes]:
    yield encode_history(matrix, packed=packed)


async def realised_liquidations(request: web.Request) -> web.StreamResponse:
    """GET /api/liquidations/{symbol}: liquidations that happened, single events and totals per interval.

    Of more events than fit, the newest are listed and the older ones counted; the totals hold them all.
    Where there are only coarser totals than those asked for, all are of the finest interval that has them.
    """
    symbol = symbol_param(request, request.match_info["symbol"])
    exchanges, store = exchanges_param(request, symbol), request.app[STORE]
    span = span_param(request, symbol, exchanges)

    async def parts() -> Iterable[bytes]:
        asked: dict[str, Any] = {
            "start_ms": span.start_ms,
            "end_ms": span.end_ms + 1,
            "exchanges": exchanges,
        }
        events = await store.liquidations(symbol, **asked, limit=MAX_LIQUIDATIONS)
        older = 0
        if len(events) == MAX_LIQUIDATIONS:
            older = await store.count_liquidations(symbol, **asked) - len(events)
        totals = await store.liquidation_totals(symbol, span.interval_ms, **asked, or_coarser=True)
        head = {"symbol": symbol, "exchanges": exchanges or request.app[MAPS].exchanges(symbol)}
        head |= _captured(request, symbol, exchanges)
        return _liquidations_json(head, events, older, totals)

    size = MAX_LIQUIDATIONS * _EVENT_BYTES + span.columns * _COLUMN_BYTES + _HEAD_BYTES
    return await made_response(request, Cost(span.columns, size), parts, content_type="application/json")


def _captured(request: web.Request, symbol: str, exchanges: Collection[str] | None) -> dict[str, Any]:
    """Of which of the exchanges only a part is found, and which part of the last 24 h."""
    layer = request.app.get(MEASURED_LAYER)
    capture = None if layer is None else layer.capture(symbol)
    if capture is None or (exchanges is not None and MEASURED_EXCHANGE not in exchanges):
        return {}
    return {"capture": {MEASURED_EXCHANGE: capture}}


def _liquidations_json(
    head: dict[str, Any], events: LiquidationColumns, older: int, totals: LiquidationTotals
) -> Iterator[bytes]:
    body = {
        **head,
        "data": list(_event_rows(events)),
        "older_omitted": older,
        "totals": list(_total_rows(totals)),
    }
    yield orjson.dumps(body)


def _event_rows(events: LiquidationColumns) -> Iterator[dict[str, Any]]:
    columns = (events.time_ms, events.exchange, events.is_long, events.price_usd, events.quantity_base)
    for time_ms, exchange, is_long, price, quantity in zip(*(c.tolist() for c in columns), strict=True):
        yield {
            "timestamp": time_ms,
            "exchange": exchange,
            "side": "long" if is_long else "short",
            "price": json_number(price),
            "quantity": json_number(quantity),
            "notional_usd": json_number(price * quantity),
        }


def _total_rows(totals: LiquidationTotals) -> Iterator[dict[str, Any]]:
    columns = (totals.open_time_ms, totals.long_usd, totals.short_usd)
    for time_ms, long_usd, short_usd in zip(*(c.tolist() for c in columns), strict=True):
        yield {
            "timestamp": time_ms,
            "interval_ms": totals.interval_ms,
            "long_usd": json_number(long_usd),
            "short_usd": json_number(short_usd),
        }


def add_api_routes(app: web.Application) -> None:
    """Serve the REST endpoints; app.py sets LATEST, MAPS, STORE, HISTORIES and SYMBOLS."""
    add_latest_route(app)
    app.router.add_get(of_symbol("/api/heatmap/{symbol}/history"), heatmap_history)
    app.router.add_get(of_symbol("/api/liquidations/{symbol}"), realised_liquidations)
    app.router.add_get("/liquidations/heatmap-timeseries", heatmap_timeseries)
    app.router.add_get("/prices/klines", klines)
    app.cleanup_ctx.append(_queues_ctx)


async def _queues_ctx(app: web.Application) -> AsyncIterator[None]:
    app[QUEUES] = ResponseQueues()
    yield
    await app[QUEUES].close()


def add_latest_route(app: web.Application, snapshot_of_exchanges: Handler = latest_heatmap) -> None:
    """Serve the latest map alone; app.py sets LATEST and SYMBOLS, and MAPS where there are any.

    A server without maps cannot tell venues apart: `snapshot_of_exchanges` answers those who ask for some.
    """

    async def latest(request: web.Request) -> web.StreamResponse:
        """The map of all exchanges, or of those the request names."""
        return await (snapshot_of_exchanges if "exchange" in request.query else latest_heatmap)(request)

    app.router.add_get(of_symbol("/api/heatmap/{symbol}"), latest)
