"""The doors of the simulated Binance USD-M: REST, and the combined stream."""

from __future__ import annotations

import orjson
from aiohttp import web

from liqstream.simulator import binance_wire as wire
from liqstream.simulator.listening import listen
from liqstream.simulator.publisher import Listener
from liqstream.simulator.venue_state import VENUE
from liqstream.symbols import INTERVALS_MS


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


class _BadQuestion(web.HTTPBadRequest):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(body=orjson.dumps({"code": code, "msg": message}), content_type="application/json")


def _symbol(request: web.Request) -> str:
    symbol = request.query.get("symbol", "")
    if symbol not in request.app[VENUE].market.symbols:
        raise _BadQuestion(-1121, "Invalid symbol.")
    return symbol


def _number(request: web.Request, name: str, default: int) -> int:
    value = request.query.get(name, str(default))
    if not value.lstrip("-").isdigit():
        raise _BadQuestion(-1100, f"Illegal characters found in parameter '{name}'.")
    return int(value)


def _interval(request: web.Request, name: str) -> int:
    try:
        return INTERVALS_MS[request.query[name]]
    except KeyError:
        raise _BadQuestion(-1120, "Invalid interval.") from None


async def _time(request: web.Request) -> web.Response:
    return _json({"serverTime": request.app[VENUE].told_ms()})


async def _exchange_info(request: web.Request) -> web.Response:
    venue = request.app[VENUE]
    return _json(wire.exchange_info(venue.market, venue.told_ms()))


async def _klines(request: web.Request) -> web.Response:
    venue, symbol, interval_ms = request.app[VENUE], _symbol(request), _interval(request, "interval")
    now_ms = venue.now_ms()
    limit = min(1500, max(1, _number(request, "limit", 500)))
    end_ms = min(_number(request, "endTime", now_ms), now_ms) + 1
    start_ms = _number(request, "startTime", end_ms - limit * interval_ms)
    end_ms = min(end_ms, max(start_ms, venue.market.first_ms) + limit * interval_ms)
    bars = venue.market.bars(symbol, interval_ms, start_ms=start_ms, end_ms=end_ms, now_ms=now_ms)
    return _json([wire.kline_row(interval_ms, bar) for bar in bars])


async def _open_interest(request: web.Request) -> web.Response:
    venue, symbol = request.app[VENUE], _symbol(request)
    now_ms = venue.now_ms()
    held = venue.publisher.open_interest(symbol, now_ms)
    return _json({"symbol": symbol, "openInterest": wire.text(held), "time": now_ms})


async def _open_interest_history(request: web.Request) -> web.Response:
    venue, symbol, period_ms = request.app[VENUE], _symbol(request), _interval(request, "period")
    now_ms = venue.now_ms()
    limit = min(500, max(1, _number(request, "limit", 30)))
    end_ms = min(_number(request, "endTime", now_ms), now_ms)
    start_ms = _number(request, "startTime", end_ms - limit * period_ms)
    return _json(
        wire.open_interest_rows(
            venue.market, symbol, period_ms, start_ms=start_ms, end_ms=end_ms, limit=limit
        )
    )


async def _funding(request: web.Request) -> web.Response:
    venue, symbol = request.app[VENUE], _symbol(request)
    now_ms = venue.now_ms()
    end_ms = min(_number(request, "endTime", now_ms), now_ms)
    start_ms = _number(request, "startTime", venue.market.first_ms)
    limit = min(1000, max(1, _number(request, "limit", 100)))
    return _json(wire.funding_rows(venue.market, symbol, start_ms=start_ms, end_ms=end_ms, limit=limit))


async def _stream(request: web.Request) -> web.WebSocketResponse:
    streams = [stream for stream in request.query.get("streams", "").split("/") if stream]
    return await listen(request, "binance", streams, _answer)


async def _answer(listener: Listener, text: str) -> None:
    try:
        asked = orjson.loads(text)
        method, names, number = asked["method"], asked.get("params", []), asked.get("id")
    except (ValueError, KeyError, TypeError):
        await listener.ws.send_str('{"error":{"code":2,"msg":"Invalid request"}}')
        return
    if method == "SUBSCRIBE":
        listener.wanted |= dict.fromkeys(names)
    elif method == "UNSUBSCRIBE":
        for name in names:
            listener.wanted.pop(name, None)
    await listener.ws.send_str(orjson.dumps({"result": None, "id": number}).decode())


ROUTES = [
    web.get("/fapi/v1/time", _time),
    web.get("/fapi/v1/exchangeInfo", _exchange_info),
    web.get("/fapi/v1/klines", _klines),
    web.get("/fapi/v1/openInterest", _open_interest),
    web.get("/fapi/v1/fundingRate", _funding),
    web.get("/futures/data/openInterestHist", _open_interest_history),
    web.get("/market/stream", _stream),
    web.get("/stream", _stream),
]
