"""Routes of the simulated Lighter, below /lighter: REST, and the socket."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from liqstream.simulator import lighter_wire as wire
from liqstream.simulator.app_state import STATE
from liqstream.simulator.dialect import Dialect, Fields, Message, Refusal
from liqstream.simulator.fault_table import FaultKind
from liqstream.simulator.limits import Limit
from liqstream.simulator.publisher import Subscriber
from liqstream.simulator.subscriber_socket import refused_subscriptions, serve_subscriber

_PREFIX = "/lighter"
_CANDLES_PAGE, _FUNDING_PAGE = 500, 100


class _Refused(web.HTTPBadRequest):
    def __init__(self, code: int, message: str) -> None:
        body = orjson.dumps({"code": code, "message": message}).decode()
        super().__init__(text=body, content_type="application/json")


def _response(**parts: object) -> web.Response:
    return web.Response(body=orjson.dumps({"code": 200, **parts}), content_type="application/json")


def _symbol(request: web.Request) -> str:
    symbol = wire.symbol_of(request.app[STATE].market, request.query.get("market_id", ""))
    if not symbol:
        raise _Refused(20001, "invalid param: market_id")
    return symbol


def _number(request: web.Request, name: str) -> int:
    value = request.query.get(name, "")
    if not value.isdigit():
        raise _Refused(20001, f"invalid param: {name}")
    return int(value)


async def _status(request: web.Request) -> web.Response:
    now_s = request.app[STATE].reported_ms() // 1000
    return web.json_response({"status": 200, "network_id": 304, "timestamp": str(now_s)})


async def _details(request: web.Request) -> web.Response:
    state = request.app[STATE]
    now_ms = state.now_ms()
    rows = [
        wire.details(state.market, symbol, now_ms, state.publisher.open_interest(symbol, now_ms))
        for symbol in state.market.symbols
    ]
    return _response(order_book_details=rows)


async def _candles(request: web.Request) -> web.Response:
    """The newest `count_back` of the span, ascending."""
    state, symbol = request.app[STATE], _symbol(request)
    try:
        interval_ms = wire.BAR_OF[request.query["resolution"]]
    except KeyError:
        raise _Refused(20001, "invalid param: resolution") from None
    now_ms = state.now_ms()
    start_ms, end_ms = _number(request, "start_timestamp"), min(_number(request, "end_timestamp"), now_ms)
    bars = state.market.bars(symbol, interval_ms, start_ms=start_ms, end_ms=end_ms + 1, now_ms=now_ms)
    count = min(_CANDLES_PAGE, _number(request, "count_back"))
    return _response(r=request.query["resolution"], c=[wire.candle(bar) for bar in bars[-count:]])


async def _fundings(request: web.Request) -> web.Response:
    """Times in seconds."""
    state, symbol = request.app[STATE], _symbol(request)
    now_ms = state.now_ms()
    rows = wire.funding_rows(
        state.market,
        symbol,
        start_ms=_number(request, "start_timestamp") * 1000,
        end_ms=min(_number(request, "end_timestamp") * 1000, now_ms),
        limit=min(_FUNDING_PAGE, _number(request, "count_back")),
    )
    return _response(resolution="1h", fundings=rows)


async def _ws(request: web.Request) -> web.StreamResponse:
    return await serve_subscriber(request, DIALECT, list(wire.CHANNELS), _answer, _greet)


async def _greet(subscriber: Subscriber) -> None:
    await _send(subscriber, {"type": "connected"})
    await _send(subscriber, {"type": "ping"})


async def _answer(subscriber: Subscriber, asked_text: str) -> None:
    """One channel a message."""
    try:
        asked = orjson.loads(asked_text)
        kind, name = asked["type"], str(asked.get("channel", ""))
    except (ValueError, KeyError, TypeError):
        await _send(subscriber, _error(30000, "Invalid JSON"))
        return
    if kind == "ping":
        await _send(subscriber, {"type": "pong"})
    elif kind == "unsubscribe":
        subscriber.subscribed.pop(name, None)
        await _send(subscriber, {"type": "unsubscribed", "channel": name.replace("/", ":")})
    elif kind == "subscribe":
        await _subscribe(subscriber, name)


async def _subscribe(subscriber: Subscriber, name: str) -> None:
    if not wire.is_channel(subscriber.market, name):
        await _send(subscriber, _error(30005, f"Invalid Channel: {name}"))
        return
    if name in subscriber.subscribed:
        await _send(subscriber, _error(30003, f"Already Subscribed: {name}"))
        return
    fault = refused_subscriptions(subscriber, [name]).get(name)
    if fault is FaultKind.PASSING_CODE:
        await _send(subscriber, _error(30009, f"Too Many Messages: {name}"))
    elif fault is not None:
        await _send(subscriber, _error(30005, f"Invalid Channel: {name}"))
    else:
        subscriber.subscribed[name] = None
        kind = name.partition("/")[0]
        past: Message = {"candles": []} if kind == "candle" else {"trades": [], "liquidation_trades": None}
        if kind != "market_stats":
            head = {"type": f"subscribed/{kind}", "channel": name.replace("/", ":")}
            await _send(subscriber, {**head, **past})


def _error(code: int, message: str) -> Message:
    return {"error": {"code": code, "message": message}}


async def _send(subscriber: Subscriber, message: dict[str, Any]) -> None:
    await subscriber.ws.send_str(orjson.dumps(message).decode())


async def _endpoint_of(request: web.Request) -> str:
    return request.path.removeprefix(_PREFIX)


async def _symbol_of(request: web.Request) -> str:
    return wire.symbol_of(request.app[STATE].market, request.query.get("market_id", ""))


_BAR = Fields(times=("t",), amounts=("o", "h", "l", "c", "v", "V"))
_FIGURES = ("mark_price", "index_price", "last_trade_price", "open_interest", "current_funding_rate")
_BUSY = (
    Refusal(429, '{"code":23000,"message":"Too Many Requests!"}'),
    Refusal(500, '{"code":500,"message":"internal server error"}'),
    Refusal(200, '{"code":29500,"message":"internal server error"}'),
)

DIALECT = Dialect(
    name="lighter",
    prefix=_PREFIX,
    routes=[
        web.get(f"{_PREFIX}/", _status),
        web.get(f"{_PREFIX}/api/v1/orderBookDetails", _details),
        web.get(f"{_PREFIX}/api/v1/candles", _candles),
        web.get(f"{_PREFIX}/api/v1/fundings", _fundings),
        web.get(f"{_PREFIX}/stream", _ws),
    ],
    endpoints={
        "/": Fields(times=("timestamp",)),
        "/api/v1/orderBookDetails": Fields(
            amounts=("open_interest", "min_initial_margin_fraction", "maintenance_margin_fraction")
        ),
        "/api/v1/candles": _BAR,
        "/api/v1/fundings": Fields(times=("timestamp",), amounts=("rate",)),
    },
    channels={
        "trade": Fields(times=("timestamp",), amounts=("price", "size")),
        "candle": Fields(times=("t", "timestamp"), amounts=_BAR.amounts),
        "market_stats": Fields(times=("timestamp",), amounts=_FIGURES),
    },
    endpoint_of=_endpoint_of,
    symbol_of=_symbol_of,
    channel_of=wire.channel_of,
    messages=wire.push,
    passing=_BUSY,
    item=(Refusal(400, '{"code":20001,"message":"invalid param: market_id"}'),),
    limits={"requests": Limit(60, 60.0)},
    costs_of=lambda _request, _endpoint, _body: {"requests": 1},
    over_limit=_BUSY[0],
)
