"""GET /api/events: realised liquidations as they come, as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing

import orjson
from aiohttp import hdrs, web

from liqstream.admission.policy import ADMISSION
from liqstream.fanout.socket_options import tune_socket
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.http.app_keys import MAPS, SYMBOLS
from liqstream.http.params import symbol_param, usd_param
from liqstream.http.stalled_readers import STALLED_S, dropping_stalled_readers
from liqstream.ingest.liquidation_bus import LiquidationBus
from liqstream.market import Liquidation
from liqstream.wire.numbers import json_number

LIQUIDATION_BUS = web.AppKey("liquidation_bus", LiquidationBus)

# The last one keeps nginx from collecting events before it passes them on.
_HEADERS = {
    hdrs.CONTENT_TYPE: "text/event-stream",
    hdrs.CACHE_CONTROL: "no-store",
    "X-Accel-Buffering": "no",
}
SIGN_OF_LIFE_S = 15.0
"""A comment is sent at least this often, so that proxies and clients know that the connection lives."""


async def events(request: web.Request) -> web.StreamResponse:
    """Liquidations of `symbol` (all without it) from `min_usd` on, until the client leaves or it ends."""
    name, min_usd = request.query.get("symbol"), usd_param(request, "min_usd")
    symbol = None if name is None else symbol_param(request, name)

    def wanted(each: Liquidation) -> bool:
        return symbol in (None, each.symbol) and each.notional_usd >= min_usd

    with request.app[ADMISSION].connection_slot(request):
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        if request.transport is not None:
            tune_socket(request.transport)
        with dropping_stalled_readers(request):
            await _tell(request, response, wanted, symbol)
    return response


async def _write(response: web.StreamResponse, text: bytes) -> None:
    """Raises TimeoutError for a reader that takes nothing for too long: it must not hold its slot."""
    await asyncio.wait_for(response.write(text), STALLED_S)


async def _tell(
    request: web.Request,
    response: web.StreamResponse,
    wanted: Callable[[Liquidation], bool],
    symbol: str | None,
) -> None:
    maps = request.app[MAPS]
    async with aclosing(request.app[LIQUIDATION_BUS].listen(wanted)) as batches:
        batch = asyncio.ensure_future(anext(batches))
        try:
            # After the listening has begun: who has read this misses nothing.
            await _write(response, b": realised liquidations, USD and base coin\n\n")
            while True:
                done, _ = await asyncio.wait((batch,), timeout=SIGN_OF_LIFE_S)
                if symbol is not None and symbol not in request.app[SYMBOLS]:
                    return await _write(response, _ended(symbol))
                if not done:
                    await _write(response, b": alive\n\n")
                    continue
                liquidations, lost = batch.result()
                batch = asyncio.ensure_future(anext(batches))
                await _write(response, _encoded(liquidations, lost, maps))
        except StopAsyncIteration:
            return None
        finally:
            batch.cancel()
            await asyncio.wait((batch,))


def _encoded(liquidations: Sequence[Liquidation], lost: int, maps: LiveMaps) -> bytes:
    lines = [b"event: liquidation\ndata: %b\n\n" % orjson.dumps(_row(each, maps)) for each in liquidations]
    if lost:
        lines.append(b'event: lost\ndata: {"count":%d}\n\n' % lost)
    return b"".join(lines)


def _ended(symbol: str) -> bytes:
    sentence = f"{symbol} is not followed any more"
    return b"event: ended\ndata: %b\n\n" % orjson.dumps({"symbol": symbol, "message": sentence})


def _row(event: Liquidation, maps: LiveMaps) -> dict[str, object]:
    return {
        "timestamp": event.time_ms,
        "exchange": event.exchange,
        "symbol": event.symbol,
        "side": event.side,
        "price": json_number(event.price_usd),
        "quantity": json_number(event.quantity_base),
        "notional_usd": json_number(event.notional_usd),
        "source": maps.source(event.symbol),
    }


def add_events_route(app: web.Application) -> None:
    """Serve /api/events; whoever collects hands the bus its records."""
    app[LIQUIDATION_BUS] = LiquidationBus()
    app.router.add_get("/api/events", events, allow_head=False)  # HEAD of an endless answer is none
    app.on_shutdown.append(_end)


async def _end(app: web.Application) -> None:
    app[LIQUIDATION_BUS].close()
