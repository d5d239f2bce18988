"""GET /prices/klines: bars of one venue, the last ones or those of a span."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from aiohttp import web

from liqstream.heatmap.snapshot import iso_utc
from liqstream.http.app_keys import MAPS, STORE
from liqstream.http.params import (
    interval_param,
    market_param,
    required,
    symbol_param,
    time_range_param,
    whole_number,
)
from liqstream.http.responses import json_response
from liqstream.market import Bars, MarketKey, as_one_bar, join_bars
from liqstream.store.market_store import MarketStore
from liqstream.symbols import interval_name
from liqstream.wire.numbers import json_number

MAX_KLINES = 1500
_GROWTH = 4
"""Of the span that is read, each time it held too few bars: gaps cost a few reads, not one per bar."""


async def klines(request: web.Request) -> web.Response:
    """Bars of one venue, the first asked for: the last ones, the forming one among them.

    From `start_time` on the first `limit` bars, with `end_time` alone the last ones that open before it.
    """
    symbol = symbol_param(request, required(request, "symbol"))
    step_ms = interval_param(request, interval_name(request.app[MAPS].interval_ms))
    limit = whole_number(request, "limit", default=500, most=MAX_KLINES)
    start_ms, end_ms = time_range_param(request)
    market = market_param(request, symbol)
    newest_ms = request.app[MAPS].data_time_ms(symbol, (market.exchange,))
    open_ms = newest_ms - newest_ms % step_ms
    last_ms = min(open_ms, open_ms if end_ms is None else end_ms)
    store = request.app[STORE]
    if start_ms is None:
        closed = await _last_bars(store, market, step_ms, last_ms, limit)
    else:
        closed = await _first_bars(store, market, step_ms, (start_ms, last_ms), limit)
    if (end_ms is None or end_ms > open_ms) and (start_ms is None or start_ms <= open_ms):
        closed = join_bars(closed, await _open_bar(request, market, step_ms, open_ms))
    chosen = slice(-limit, None) if start_ms is None else slice(limit)
    rows = _kline_rows(closed[chosen])
    return json_response(
        request,
        {
            "symbol": symbol,
            "exchange": market.exchange,
            "interval": interval_name(step_ms),
            "count": len(rows),
            "data": rows,
        },
    )


async def _last_bars(store: MarketStore, market: MarketKey, step_ms: int, end_ms: int, limit: int) -> Bars:
    """Up to `limit` closed bars that open before `end_ms`, and perhaps more before them."""
    return await _enough_bars(
        store, market, step_ms, lambda span_ms: (end_ms - span_ms, end_ms), (0, end_ms), limit
    )


async def _first_bars(
    store: MarketStore, market: MarketKey, step_ms: int, span: tuple[int, int], limit: int
) -> Bars:
    """Up to `limit` closed bars from the start of the span on, and perhaps more after them."""
    start_ms, end_ms = span
    return await _enough_bars(
        store, market, step_ms, lambda span_ms: (start_ms, min(end_ms, start_ms + span_ms)), span, limit
    )


async def _enough_bars(
    store: MarketStore,
    market: MarketKey,
    step_ms: int,
    part: Callable[[int], tuple[int, int]],
    whole: tuple[int, int],
    limit: int,
) -> Bars:
    """The bars of a `part` of the `whole` span that is long enough for `limit` of them, or of all of it."""
    span_ms = (limit + 1) * step_ms
    while True:
        start_ms, end_ms = part(span_ms)
        bars = await store.bars(market.exchange, market.symbol, step_ms, start_ms=start_ms, end_ms=end_ms)
        if len(bars) >= limit or (start_ms <= whole[0] and end_ms >= whole[1]):
            return bars
        span_ms *= _GROWTH


async def _open_bar(request: web.Request, market: MarketKey, step_ms: int, open_ms: int) -> Bars:
    """The bar that is still open, made of the model's own bars so far; none where there is none of them."""
    maps, store = request.app[MAPS], request.app[STORE]
    own_ms = min(step_ms, maps.interval_ms)
    fine = await store.bars(
        market.exchange,
        market.symbol,
        own_ms,
        start_ms=open_ms,
        end_ms=maps.data_time_ms(market.symbol, (market.exchange,)),
    )
    live = maps.market(market)
    forming = live.forming_bars() if own_ms == maps.interval_ms else live.forming_minute_bars()
    if forming is not None and forming.open_time_ms[0] >= open_ms:
        fine = join_bars(fine, forming)
    return as_one_bar(fine, step_ms) if len(fine) else fine


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
            "open": json_number(open_),
            "high": json_number(high),
            "low": json_number(low),
            "close": json_number(close),
            "volume": None if math.isnan(volume) else json_number(volume),
        }
        for time_ms, open_, high, low, close, volume in columns
    ]
