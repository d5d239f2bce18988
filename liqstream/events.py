"""GET /api/events: realised liquidations as they come, as server-sent events."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import aclosing, suppress

import orjson
from aiohttp import hdrs, web

from liqstream.admission.door import DOOR
from liqstream.answers import bad_request
from liqstream.heatmap.latest import LiveMaps
from liqstream.market import Liquidation
from liqstream.resources import MAPS, SYMBOLS
from liqstream.tape import Tape

TAPE = web.AppKey("tape", Tape)

# The last one keeps nginx from collecting events before it passes them on.
_HEADERS = {
    hdrs.CONTENT_TYPE: "text/event-stream",
    hdrs.CACHE_CONTROL: "no-store",
    "X-Accel-Buffering": "no",
}
SIGN_OF_LIFE_S = 15.0
"""A comment is sent at least this often, so that proxies and clients know that the connection lives."""


async def events(request: web.Request) -> web.StreamResponse:
    """Liquidations of `symbol` (all without it) from `min_usd` on, until the client leaves."""
    symbols, min_usd = _symbols(request), _min_usd(request)
    with request.app[DOOR].place(request):
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        await response.write(b": realised liquidations, USD and base coin\n\n")
        with suppress(ConnectionResetError):  # the client has left
            await _tell(request, response, symbols, min_usd)
    return response


async def _tell(
    request: web.Request, response: web.StreamResponse, symbols: frozenset[str], min_usd: float
) -> None:
    maps = request.app[MAPS]
    async with aclosing(request.app[TAPE].listen()) as batches:
        batch = asyncio.ensure_future(anext(batches))
        try:
            while True:
                done, _ = await asyncio.wait((batch,), timeout=SIGN_OF_LIFE_S)
                if not done:
                    await response.write(b": alive\n\n")
                    continue
                liquidations, lost = batch.result()
                batch = asyncio.ensure_future(anext(batches))
                wanted = [
                    each for each in liquidations if each.symbol in symbols and each.notional_usd >= min_usd
                ]
                if wanted or lost:
                    await response.write(_said(wanted, lost, maps))
        except StopAsyncIteration:
            return
        finally:
            batch.cancel()
            await asyncio.wait((batch,))


def _said(liquidations: Sequence[Liquidation], lost: int, maps: LiveMaps) -> bytes:
    lines = [b"event: liquidation\ndata: %b\n\n" % orjson.dumps(_row(each, maps)) for each in liquidations]
    if lost:
        lines.append(b'event: lost\ndata: {"count":%d}\n\n' % lost)
    return b"".join(lines)


def _row(event: Liquidation, maps: LiveMaps) -> dict[str, object]:
    return {
        "timestamp": event.time_ms,
        "exchange": event.exchange,
        "symbol": event.symbol,
        "side": event.side,
        "price": event.price_usd,
        "quantity": event.quantity_base,
        "notional_usd": event.notional_usd,
        "source": maps.source(event.symbol),
    }


def _symbols(request: web.Request) -> frozenset[str]:
    followed = request.app[SYMBOLS]
    wanted = request.query.get("symbol")
    if wanted is None:
        return frozenset(followed)
    if wanted not in followed:
        raise bad_request(f"unknown symbol; one of {', '.join(followed)}")
    return frozenset((wanted,))


def _min_usd(request: web.Request) -> float:
    try:
        value = float(request.query.get("min_usd", "0"))
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise bad_request("min_usd must be a number from 0 on")
    return value


def add_events_route(app: web.Application) -> None:
    """Serve /api/events; whoever collects hands the tape its records."""
    app[TAPE] = Tape()
    app.router.add_get("/api/events", events, allow_head=False)  # HEAD of an endless answer is none
    app.on_shutdown.append(_end)


async def _end(app: web.Application) -> None:
    app[TAPE].close()
