"""The doors of the simulated Bybit v5: REST, and the linear public socket."""

from __future__ import annotations

import orjson
from aiohttp import web

from liqstream.simulator import binance_wire
from liqstream.simulator import bybit_wire as wire
from liqstream.simulator.listening import listen
from liqstream.simulator.publisher import Listener
from liqstream.simulator.venue_state import VENUE, VenueState


class _Refused(web.HTTPOk):
    def __init__(self, venue: VenueState, message: str) -> None:
        body = orjson.dumps(wire.refusal(10001, message, venue.told_ms()))
        super().__init__(body=body, content_type="application/json")


def _answered(venue: VenueState, result: binance_wire.Message) -> web.Response:
    body = orjson.dumps(wire.answer(result, venue.told_ms()))
    return web.Response(body=body, content_type="application/json")


def _symbol(request: web.Request) -> str:
    symbol = request.query.get("symbol", "")
    if symbol not in request.app[VENUE].market.symbols:
        raise _Refused(request.app[VENUE], "params error: symbol invalid")
    return symbol


def _number(request: web.Request, name: str, default: int) -> int:
    value = request.query.get(name, str(default))
    if not value.isdigit():
        raise _Refused(request.app[VENUE], f"params error: {name}")
    return int(value)


async def _time(request: web.Request) -> web.Response:
    venue = request.app[VENUE]
    told_ms = venue.told_ms()
    return _answered(venue, {"timeSecond": str(told_ms // 1000), "timeNano": str(told_ms * 1_000_000)})


async def _instruments(request: web.Request) -> web.Response:
    venue = request.app[VENUE]
    return _answered(venue, wire.instruments(venue.market))


async def _klines(request: web.Request) -> web.Response:
    """Newest first, as Bybit does."""
    venue, symbol = request.app[VENUE], _symbol(request)
    interval_ms = wire.INTERVAL_OF.get(request.query.get("interval", ""))
    if interval_ms is None:
        raise _Refused(venue, "params error: interval invalid")
    now_ms = venue.now_ms()
    limit = min(1000, max(1, _number(request, "limit", 200)))
    end_ms = min(_number(request, "end", now_ms), now_ms) + 1
    start_ms = max(_number(request, "start", 0), end_ms - limit * interval_ms)
    bars = venue.market.bars(symbol, interval_ms, start_ms=start_ms, end_ms=end_ms, now_ms=now_ms)
    rows = [wire.kline_row(bar) for bar in reversed(bars)]
    return _answered(venue, {"category": "linear", "symbol": symbol, "list": rows})


async def _open_interest(request: web.Request) -> web.Response:
    venue, symbol = request.app[VENUE], _symbol(request)
    period_ms = wire.PERIOD_OF.get(request.query.get("intervalTime", ""))
    if period_ms is None:
        raise _Refused(venue, "params error: intervalTime invalid")
    now_ms = venue.now_ms()
    limit = min(200, max(1, _number(request, "limit", 50)))
    end_ms = min(_number(request, "endTime", now_ms), now_ms)
    rows = binance_wire.open_interest_rows(
        venue.market, symbol, period_ms, start_ms=_number(request, "startTime", 0), end_ms=end_ms, limit=limit
    )
    told = [
        {"openInterest": row["sumOpenInterest"], "timestamp": str(row["timestamp"])} for row in reversed(rows)
    ]
    return _answered(venue, {"symbol": symbol, "category": "linear", "list": told, "nextPageCursor": ""})


async def _funding(request: web.Request) -> web.Response:
    venue, symbol = request.app[VENUE], _symbol(request)
    end_ms = min(_number(request, "endTime", venue.now_ms()), venue.now_ms())
    rows = binance_wire.funding_rows(
        venue.market, symbol, start_ms=_number(request, "startTime", 0), end_ms=end_ms, limit=200
    )
    told = [
        {
            "symbol": symbol,
            "fundingRate": row["fundingRate"],
            "fundingRateTimestamp": str(row["fundingTime"]),
        }
        for row in reversed(rows)
    ]
    return _answered(venue, {"category": "linear", "list": told})


async def _linear(request: web.Request) -> web.WebSocketResponse:
    venue = request.app[VENUE]

    async def answer(listener: Listener, text: str) -> None:
        try:
            asked = orjson.loads(text)
            operation, topics = asked["op"], asked.get("args", [])
        except (ValueError, KeyError, TypeError):
            await listener.ws.send_str('{"success":false,"ret_msg":"error:invalid request","op":""}')
            return
        reply = {"success": True, "ret_msg": operation, "conn_id": "simulated", "op": operation}
        if operation == "ping":
            reply |= {"ret_msg": "pong", "req_id": ""}
        await listener.ws.send_str(orjson.dumps(reply).decode())
        if operation == "subscribe":
            await _welcome(venue, listener, topics)
        elif operation == "unsubscribe":
            for topic in topics:
                listener.wanted.pop(topic, None)

    return await listen(request, "bybit", (), answer)


async def _welcome(venue: VenueState, listener: Listener, topics: list[str]) -> None:
    """A ticker begins with a whole picture; after that only changes come."""
    now_ms = venue.now_ms()
    for topic in topics:
        symbol = topic.rpartition(".")[2]
        if topic.startswith("tickers.") and symbol in venue.market.symbols and not venue.wrong.silent:
            held = venue.publisher.open_interest(symbol, now_ms)
            whole = wire.ticker(
                venue.market,
                topic,
                symbol,
                now_ms,
                now_ms + venue.wrong.skew_ms,
                whole=True,
                open_interest=held,
            )
            await listener.ws.send_str(orjson.dumps(whole).decode())
        listener.wanted[topic] = None


ROUTES = [
    web.get("/v5/market/time", _time),
    web.get("/v5/market/instruments-info", _instruments),
    web.get("/v5/market/kline", _klines),
    web.get("/v5/market/open-interest", _open_interest),
    web.get("/v5/market/funding/history", _funding),
    web.get("/v5/public/linear", _linear),
]
