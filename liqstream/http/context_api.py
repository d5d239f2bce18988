"""GET /api/context/{symbol}: open interest, funding, volume and liquidations beside the map, and now."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import numpy as np
import orjson
from aiohttp import web

from liqstream.heatmap.market_context import ContextNow, ExchangeNow, MarketContext, MarketContexts
from liqstream.heatmap.market_table import fixed
from liqstream.http.app_keys import MAPS, STORE
from liqstream.http.made_responses import Cost, made_response
from liqstream.http.params import exchanges_param, of_symbol, span_param, symbol_param
from liqstream.market import FloatArray
from liqstream.wire.numbers import json_number

CONTEXTS = web.AppKey("market_contexts", MarketContexts)

_RATE_DECIMALS = 8
_COLUMN_BYTES = 120
"""Of all series, at most."""
_HEAD_BYTES = 16_384


async def market_context(request: web.Request) -> web.StreamResponse:
    """The series of a window in columns, USD and UTC ms, null where unknown; and the figures of now.

    Window, interval and exchanges are asked for as of the history. The liquidations are the totals of
    /api/liquidations for the same span and exchanges.
    """
    symbol = symbol_param(request, request.match_info["symbol"])
    exchanges = exchanges_param(request, symbol)
    span = span_param(request, symbol, exchanges)

    async def parts() -> Iterable[bytes]:
        context = await request.app[CONTEXTS].of(
            symbol,
            start_ms=span.start_ms,
            end_ms=span.end_ms,
            interval_ms=span.interval_ms,
            exchanges=exchanges,
        )
        return _json(context)

    maps = request.app[MAPS]
    # What is read: bars of the model's interval of every exchange.
    bars = (span.end_ms - span.start_ms) // maps.interval_ms * len(maps.markets(symbol, exchanges))
    size = span.columns * _COLUMN_BYTES + _HEAD_BYTES
    cost = Cost(max(bars, span.columns), size)
    return await made_response(request, cost, parts, content_type="application/json")


def _json(context: MarketContext) -> Iterator[bytes]:
    liquidations = context.liquidations
    body = {
        "symbol": context.symbol,
        "exchanges": context.exchanges,
        "source": context.source,
        "stale": context.stale,
        "timestamp": context.now.time_ms,
        "start_time": context.start_ms,
        "interval_ms": context.interval_ms,
        "columns": len(context.volume_usd),
        "partial": context.partial,
        "open_interest_usd": _whole(context.open_interest_usd),
        "open_interest_exchanges": context.open_interest_exchanges.tolist(),
        "funding_rate": [fixed(rate, _RATE_DECIMALS) for rate in context.funding_rate.tolist()],
        "volume_usd": _whole(context.volume_usd),
        "liquidations": {
            "interval_ms": liquidations.interval_ms,
            "timestamp": liquidations.open_time_ms.tolist(),
            "long_usd": [json_number(usd) for usd in liquidations.long_usd.tolist()],
            "short_usd": [json_number(usd) for usd in liquidations.short_usd.tolist()],
        },
        "now": _now(context.now),
    }
    yield orjson.dumps(body)


def _now(now: ContextNow) -> dict[str, Any]:
    """Sums over the exchanges, each with the age of its oldest part; and the parts."""
    held = [each for each in now.exchanges if each.open_interest_usd is not None]
    volumes = [each.volume_24h_usd for each in now.exchanges if each.volume_24h_usd is not None]
    funding = next((each for each in now.exchanges if each.exchange == now.funding_exchange), None)
    times = [each.open_interest_ms for each in held if each.open_interest_ms is not None]
    return {
        "open_interest_usd": round(sum(each.open_interest_usd or 0.0 for each in held)) if held else None,
        "open_interest_time": min(times, default=None),
        "open_interest_1h": now.open_interest_1h,
        "open_interest_24h": now.open_interest_24h,
        "funding_exchange": now.funding_exchange,
        "funding_rate": None if funding is None else fixed(funding.funding_rate, _RATE_DECIMALS),
        "funding_time": None if funding is None else funding.funding_ms,
        "next_funding_time": None if funding is None else funding.next_funding_ms,
        "volume_24h_usd": round(sum(volumes)) if volumes else None,
        "volume_time": now.time_ms if volumes else None,
        "exchanges": [_of_exchange(each) for each in now.exchanges],
    }


def _of_exchange(now: ExchangeNow) -> dict[str, Any]:
    return {
        "exchange": now.exchange,
        "open_interest_usd": None if now.open_interest_usd is None else round(now.open_interest_usd),
        "open_interest_time": now.open_interest_ms,
        "funding_rate": fixed(now.funding_rate, _RATE_DECIMALS),
        "funding_time": now.funding_ms,
        "next_funding_time": now.next_funding_ms,
        "volume_24h_usd": None if now.volume_24h_usd is None else round(now.volume_24h_usd),
    }


def _whole(usd: FloatArray) -> list[int | None]:
    """Whole USD; null for NaN."""
    known = np.isfinite(usd)
    return [round(value) if is_known else None for value, is_known in zip(usd.tolist(), known, strict=True)]


async def _contexts_ctx(app: web.Application) -> AsyncIterator[None]:
    app[CONTEXTS] = MarketContexts(app[STORE], app[MAPS])
    yield
    await app[CONTEXTS].close()


def add_context_route(app: web.Application) -> None:
    """Serve the context; to be called after STORE's and MAPS' own contexts were added."""
    app.router.add_get(of_symbol("/api/context/{symbol}"), market_context)
    app.cleanup_ctx.append(_contexts_ctx)
