"""Routes of the simulated Binance USD-M: REST, and the combined stream."""

from __future__ import annotations

from collections.abc import Collection

import orjson
from aiohttp import web

from liqstream.market import DAY_MS
from liqstream.simulator import binance_wire as wire
from liqstream.simulator.app_state import STATE
from liqstream.simulator.dialect import Dialect, Fields, Refusal, text
from liqstream.simulator.fault_table import FaultKind
from liqstream.simulator.limits import Limit, Usage
from liqstream.simulator.market import DAY_TURNOVER
from liqstream.simulator.publisher import Subscriber
from liqstream.simulator.subscriber_socket import refused_subscriptions, serve_subscriber
from liqstream.symbols import INTERVALS_MS

_STATISTICS_KEPT_MS = 30 * DAY_MS


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


class _BadRequest(web.HTTPBadRequest):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(
            text=orjson.dumps({"code": code, "msg": message}).decode(), content_type="application/json"
        )


def _symbol(request: web.Request) -> str:
    symbol = request.query.get("symbol", "")
    if symbol not in request.app[STATE].market.symbols:
        raise _BadRequest(-1121, "Invalid symbol.")
    return symbol


def _number(request: web.Request, name: str, default: int) -> int:
    value = request.query.get(name, str(default))
    if not value.lstrip("-").isdigit():
        raise _BadRequest(-1100, f"Illegal characters found in parameter '{name}'.")
    return int(value)


def _interval(request: web.Request, name: str) -> int:
    try:
        return INTERVALS_MS[request.query[name]]
    except KeyError:
        raise _BadRequest(-1120, "Invalid interval.") from None


async def _time(request: web.Request) -> web.Response:
    return _json({"serverTime": request.app[STATE].reported_ms()})


async def _exchange_info(request: web.Request) -> web.Response:
    state = request.app[STATE]
    return _json(wire.exchange_info(state.market, state.reported_ms()))


async def _klines(request: web.Request) -> web.Response:
    state, symbol, interval_ms = request.app[STATE], _symbol(request), _interval(request, "interval")
    now_ms = state.now_ms()
    limit = min(1500, max(1, _number(request, "limit", 500)))
    end_ms = min(_number(request, "endTime", now_ms), now_ms) + 1
    start_ms = _number(request, "startTime", end_ms - limit * interval_ms)
    end_ms = min(end_ms, max(start_ms, state.market.first_ms) + limit * interval_ms)
    bars = state.market.bars(symbol, interval_ms, start_ms=start_ms, end_ms=end_ms, now_ms=now_ms)
    return _json([wire.kline_row(interval_ms, bar) for bar in bars])


async def _day_tickers(request: web.Request) -> web.Response:
    """Of all contracts at once: the turnover of a day."""
    state = request.app[STATE]
    now_ms = state.now_ms()
    rows = []
    for symbol in state.market.listed:
        price_usd = state.market.price(symbol, now_ms)
        turnover_usd = DAY_TURNOVER * price_usd * state.market.open_interest(symbol, now_ms)
        rows.append({"symbol": symbol, "lastPrice": text(price_usd), "quoteVolume": text(turnover_usd)})
    return _json(rows)


async def _open_interest(request: web.Request) -> web.Response:
    state, symbol = request.app[STATE], _symbol(request)
    now_ms = state.now_ms()
    held = state.publisher.open_interest(symbol, now_ms)
    return _json({"symbol": symbol, "openInterest": text(held), "time": now_ms})


async def _open_interest_history(request: web.Request) -> web.Response:
    state, symbol, period_ms = request.app[STATE], _symbol(request), _interval(request, "period")
    now_ms = state.now_ms()
    limit = min(500, max(1, _number(request, "limit", 30)))
    end_ms = min(_number(request, "endTime", now_ms), now_ms)
    start_ms = _number(request, "startTime", end_ms - limit * period_ms)
    if start_ms < now_ms - _STATISTICS_KEPT_MS:
        raise _BadRequest(-1130, "parameter 'startTime' is invalid.")
    return _json(
        wire.open_interest_rows(
            state.market, symbol, period_ms, start_ms=start_ms, end_ms=end_ms, limit=limit
        )
    )


async def _funding(request: web.Request) -> web.Response:
    state, symbol = request.app[STATE], _symbol(request)
    now_ms = state.now_ms()
    end_ms = min(_number(request, "endTime", now_ms), now_ms)
    start_ms = _number(request, "startTime", state.market.first_ms)
    limit = min(1000, max(1, _number(request, "limit", 100)))
    return _json(wire.funding_rows(state.market, symbol, start_ms=start_ms, end_ms=end_ms, limit=limit))


async def _premium_index(request: web.Request) -> web.Response:
    state, symbol = request.app[STATE], _symbol(request)
    now_ms = state.now_ms()
    mark = wire.mark_price(state.market, symbol, now_ms, state.reported_ms())
    return _json(
        {
            "symbol": symbol,
            "markPrice": mark["p"],
            "indexPrice": mark["i"],
            "lastFundingRate": mark["r"],
            "nextFundingTime": mark["T"],
            "time": mark["E"],
        }
    )


async def _ping(request: web.Request) -> web.Response:
    return _json({})


def _refusal(refused: dict[str, FaultKind], number: object) -> str:
    words = f"Invalid request: invalid stream {', '.join(refused)}"
    if FaultKind.PASSING_CODE in refused.values():
        words = "Too many requests; please try again later."
    return orjson.dumps({"error": {"code": 2, "msg": words}, "id": number}).decode()


async def _acknowledge(subscriber: Subscriber, text: str) -> None:
    try:
        number = orjson.loads(text)["id"]
    except (ValueError, KeyError, TypeError):
        number = None
    await subscriber.ws.send_str(orjson.dumps({"result": None, "id": number}).decode())


async def _answer(subscriber: Subscriber, text: str) -> None:
    try:
        asked = orjson.loads(text)
        method, names, number = asked["method"], asked.get("params", []), asked.get("id")
    except (ValueError, KeyError, TypeError):
        await subscriber.ws.send_str('{"error":{"code":2,"msg":"Invalid request"}}')
        return
    if method == "SUBSCRIBE":
        refused = refused_subscriptions(subscriber, names)
        if refused:
            await subscriber.ws.send_str(_refusal(refused, number))
            return
        subscriber.subscribed |= dict.fromkeys(names)
    elif method == "UNSUBSCRIBE":
        for name in names:
            subscriber.subscribed.pop(name, None)
    await subscriber.ws.send_str(orjson.dumps({"result": None, "id": number}).decode())


async def _symbol_of(request: web.Request) -> str:
    return request.query.get("symbol", "")


HISTORY = "/futures/data/openInterestHist"
_STATISTICS = {HISTORY: "statistics", "/fapi/v1/fundingRate": "funding"}
_KLINE_WEIGHTS = ((100, 1), (500, 2), (1001, 5))


def _costs_of(request: web.Request, endpoint: str, _body: bytes) -> dict[str, int]:
    """Statistics have limits of their own; bars count by how many are asked for."""
    if endpoint in _STATISTICS:
        return {_STATISTICS[endpoint]: 1}
    if endpoint != "/fapi/v1/klines":
        return {"weight": 1}
    limit = int(request.query.get("limit", "500"))
    return {"weight": next((weight for below, weight in _KLINE_WEIGHTS if limit < below), 10)}


def _used_headers(usage: Usage) -> dict[str, str]:
    return {"X-MBX-USED-WEIGHT-1M": str(usage.used("weight"))}


_ENDPOINTS = {
    "/fapi/v1/ping": Fields(),
    "/fapi/v1/time": Fields(times=("serverTime",)),
    "/fapi/v1/exchangeInfo": Fields(times=("serverTime",)),
    "/fapi/v1/klines": Fields(times=(0, 6), amounts=(1, 2, 3, 4, 5, 7, 9, 10)),
    "/fapi/v1/openInterest": Fields(times=("time",), amounts=("openInterest",)),
    "/fapi/v1/premiumIndex": Fields(
        times=("time", "nextFundingTime"), amounts=("markPrice", "indexPrice", "lastFundingRate")
    ),
    "/fapi/v1/fundingRate": Fields(times=("fundingTime",), amounts=("fundingRate", "markPrice")),
    HISTORY: Fields(times=("timestamp",), amounts=("sumOpenInterest", "sumOpenInterestValue")),
}
_CHANNELS = {
    "kline": Fields(times=("E", "t", "T"), amounts=("o", "c", "h", "l", "v", "q", "V", "Q")),
    "markPrice": Fields(times=("E", "T"), amounts=("p", "i", "P", "r")),
    "forceOrder": Fields(times=("E", "T"), amounts=("q", "p", "ap", "l", "z")),
}
_PASSING = (
    Refusal(400, '{"code":-1001,"msg":"Internal error; unable to process your request."}'),
    Refusal(400, '{"code":-1000,"msg":"An unknown error occurred while processing the request."}'),
    Refusal(429, '{"code":-1003,"msg":"Too many requests."}'),
    Refusal(408, '{"code":-1007,"msg":"Timeout waiting for response from backend server."}'),
    Refusal(503, '{"code":-1008,"msg":"Request throttled by system-level protection."}'),
)
_ITEM = (
    Refusal(400, '{"code":-1121,"msg":"Invalid symbol."}'),
    Refusal(400, '{"code":-4108,"msg":"Symbol is not trading."}'),
)
_ANSWERS = {
    "/fapi/v1/ping": _ping,
    "/fapi/v1/time": _time,
    "/fapi/v1/exchangeInfo": _exchange_info,
    "/fapi/v1/klines": _klines,
    "/fapi/v1/openInterest": _open_interest,
    "/fapi/v1/premiumIndex": _premium_index,
    "/fapi/v1/fundingRate": _funding,
    HISTORY: _open_interest_history,
}


def make_dialect(
    name: str, prefix: str = "", *, stream_path: str, left_out: Collection[str] = (), legacy_path: str = ""
) -> Dialect:
    """An exchange of this interface below `prefix`, without the endpoints `left_out`."""

    async def stream(request: web.Request) -> web.StreamResponse:
        streams = [stream for stream in request.query.get("streams", "").split("/") if stream]

        async def subscribe(subscriber: Subscriber) -> None:
            refused = refused_subscriptions(subscriber, streams)
            subscriber.subscribed |= dict.fromkeys(stream for stream in streams if stream not in refused)
            if refused:
                await subscriber.ws.send_str(_refusal(refused, None))

        return await serve_subscriber(request, dialect, streams, _answer, subscribe)

    async def legacy_stream(request: web.Request) -> web.StreamResponse:
        """Since 2026-04-23 Binance's old address acknowledges and then says nothing."""
        return await serve_subscriber(request, dialect, (), _acknowledge)

    async def endpoint_of(request: web.Request) -> str:
        return request.path.removeprefix(prefix)

    endpoints = {path: fields for path, fields in _ENDPOINTS.items() if path not in left_out}
    legacy = [web.get(f"{prefix}{legacy_path}", legacy_stream)] if legacy_path else []
    dialect = Dialect(
        name=name,
        prefix=prefix,
        routes=[
            *(web.get(f"{prefix}{path}", _ANSWERS[path]) for path in endpoints),
            web.get(f"{prefix}/fapi/v1/ticker/24hr", _day_tickers),
            web.get(f"{prefix}{stream_path}", stream),
            *legacy,
        ],
        endpoints=endpoints,
        channels=_CHANNELS,
        endpoint_of=endpoint_of,
        symbol_of=_symbol_of,
        channel_of=wire.channel_of,
        messages=wire.stream_messages,
        passing=_PASSING,
        item=_ITEM,
        limits={"weight": Limit(2400, 60.0), "statistics": Limit(1000, 300.0), "funding": Limit(500, 300.0)},
        costs_of=_costs_of,
        over_limit=Refusal(429, '{"code":-1003,"msg":"Too many requests."}'),
        used_headers=_used_headers,
    )
    return dialect


DIALECT = make_dialect("binance", stream_path="/market/stream", legacy_path="/stream")
