"""Routes of the simulated Bybit v5: REST, and the linear public socket."""

from __future__ import annotations

import orjson
from aiohttp import web

from liqstream.simulator import binance_wire, bracket_wire
from liqstream.simulator import bybit_wire as wire
from liqstream.simulator.app_state import STATE, AppState
from liqstream.simulator.dialect import Dialect, Fields, Message, Refusal, path_of
from liqstream.simulator.fault_table import FaultKind
from liqstream.simulator.limits import Limit
from liqstream.simulator.publisher import Subscriber
from liqstream.simulator.subscriber_socket import refused_subscriptions, serve_subscriber


class _Refused(web.HTTPOk):
    def __init__(self, state: AppState, message: str) -> None:
        body = orjson.dumps(wire.refusal(10001, message, state.reported_ms())).decode()
        super().__init__(text=body, content_type="application/json")


def _response(state: AppState, result: Message) -> web.Response:
    body = orjson.dumps(wire.answer(result, state.reported_ms()))
    return web.Response(body=body, content_type="application/json")


def _symbol(request: web.Request) -> str:
    symbol = request.query.get("symbol", "")
    if symbol not in request.app[STATE].market.symbols:
        raise _Refused(request.app[STATE], "params error: symbol invalid")
    return symbol


def _number(request: web.Request, name: str, default: int) -> int:
    value = request.query.get(name, str(default))
    if not value.isdigit():
        raise _Refused(request.app[STATE], f"params error: {name}")
    return int(value)


async def _time(request: web.Request) -> web.Response:
    state = request.app[STATE]
    reported_ms = state.reported_ms()
    return _response(
        state, {"timeSecond": str(reported_ms // 1000), "timeNano": str(reported_ms * 1_000_000)}
    )


async def _instruments(request: web.Request) -> web.Response:
    state = request.app[STATE]
    return _response(state, wire.instruments(state.market))


async def _klines(request: web.Request) -> web.Response:
    """Newest first, as Bybit does."""
    state, symbol = request.app[STATE], _symbol(request)
    interval_ms = wire.INTERVAL_OF.get(request.query.get("interval", ""))
    if interval_ms is None:
        raise _Refused(state, "params error: interval invalid")
    now_ms = state.now_ms()
    limit = min(1000, max(1, _number(request, "limit", 200)))
    end_ms = min(_number(request, "end", now_ms), now_ms) + 1
    start_ms = max(_number(request, "start", 0), end_ms - limit * interval_ms)
    bars = state.market.bars(symbol, interval_ms, start_ms=start_ms, end_ms=end_ms, now_ms=now_ms)
    rows = [wire.kline_row(bar) for bar in reversed(bars)]
    return _response(state, {"category": "linear", "symbol": symbol, "list": rows})


async def _open_interest(request: web.Request) -> web.Response:
    state, symbol = request.app[STATE], _symbol(request)
    period_ms = wire.PERIOD_OF.get(request.query.get("intervalTime", ""))
    if period_ms is None:
        raise _Refused(state, "params error: intervalTime invalid")
    now_ms = state.now_ms()
    limit = min(200, max(1, _number(request, "limit", 50)))
    end_ms = min(_number(request, "endTime", now_ms), now_ms)
    rows = binance_wire.open_interest_rows(
        state.market, symbol, period_ms, start_ms=_number(request, "startTime", 0), end_ms=end_ms, limit=limit
    )
    listed = [
        {**wire.both_sides(float(row["sumOpenInterest"])), "timestamp": str(row["timestamp"])}
        for row in reversed(rows)
    ]
    return _response(state, {"symbol": symbol, "category": "linear", "list": listed, "nextPageCursor": ""})


async def _funding(request: web.Request) -> web.Response:
    state, symbol = request.app[STATE], _symbol(request)
    end_ms = min(_number(request, "endTime", state.now_ms()), state.now_ms())
    rows = binance_wire.funding_rows(
        state.market, symbol, start_ms=_number(request, "startTime", 0), end_ms=end_ms, limit=200
    )
    listed = [
        {
            "symbol": symbol,
            "fundingRate": row["fundingRate"],
            "fundingRateTimestamp": str(row["fundingTime"]),
        }
        for row in reversed(rows)
    ]
    return _response(state, {"category": "linear", "list": listed})


def _symbols(request: web.Request) -> tuple[str, ...]:
    """The one that is asked about; all where none is."""
    return (_symbol(request),) if "symbol" in request.query else request.app[STATE].market.listed


async def _tickers(request: web.Request) -> web.Response:
    """Of one symbol, or of all."""
    state, rows = request.app[STATE], []
    now_ms, reported_ms = state.now_ms(), state.reported_ms()
    for symbol in _symbols(request):
        held = state.publisher.open_interest(symbol, now_ms)
        topic = f"tickers.{symbol}"
        whole = wire.ticker(state.market, topic, now_ms, reported_ms, whole=True, open_interest=held)
        rows.append(whole["data"])
    return _response(state, {"category": "linear", "list": rows})


async def _risk_limits(request: web.Request) -> web.Response:
    """Of one symbol, or of all, page by page."""
    state, cursor = request.app[STATE], _number(request, "cursor", 0)
    return _response(state, bracket_wire.bybit(_symbols(request), cursor))


async def _linear(request: web.Request) -> web.StreamResponse:
    return await serve_subscriber(
        request, DIALECT, [f"{channel}.x.*" for channel in DIALECT.channels], _answer
    )


async def _answer(subscriber: Subscriber, text: str) -> None:
    """Acknowledge one message, then do what it asks; what is no request gets Bybit's error."""
    try:
        asked = orjson.loads(text)
        operation, topics = asked["op"], asked.get("args", [])
    except (ValueError, KeyError, TypeError):
        await subscriber.ws.send_str('{"success":false,"ret_msg":"error:invalid request","op":""}')
        return
    reply = {"success": True, "ret_msg": operation, "conn_id": "simulated", "op": operation}
    reply |= {"req_id": asked["req_id"]} if "req_id" in asked else {}
    if operation == "ping":
        reply |= {"ret_msg": "pong"}
    elif operation == "subscribe":
        reply |= _refusal(subscriber, topics)
    await subscriber.ws.send_str(orjson.dumps(reply).decode())
    if operation == "subscribe" and reply["success"]:
        await _subscribe(subscriber, topics)
    elif operation == "unsubscribe":
        for topic in topics:
            subscriber.subscribed.pop(topic, None)


def _refusal(subscriber: Subscriber, topics: list[str]) -> Message:
    """One topic that is refused costs the whole message: none of its topics is subscribed to."""
    for topic in topics:
        if not wire.is_topic(subscriber.market, topic):
            return {"success": False, "ret_msg": f"error:handler not found,topic:{topic}"}
    for topic, kind in refused_subscriptions(subscriber, topics).items():
        if kind is FaultKind.PASSING_CODE:
            return {"success": False, "ret_msg": "error:Too many visits! Please try again later."}
        return {"success": False, "ret_msg": f"error:handler not found,topic:{topic}"}
    return {}


async def _subscribe(subscriber: Subscriber, topics: list[str]) -> None:
    """A ticker begins with every field; after that only changed fields come."""
    for topic in topics:
        kind, symbol = wire.channel_of(topic)
        if kind == "tickers":
            now_ms, skew_ms = subscriber.publisher.now_ms(), subscriber.publisher.skew_ms
            held = subscriber.publisher.open_interest(symbol, now_ms)
            whole = wire.ticker(
                subscriber.market, topic, now_ms, now_ms + skew_ms, whole=True, open_interest=held
            )
            await subscriber.publisher.send_now(subscriber, topic, [whole])
        subscriber.subscribed[topic] = None


async def _symbol_of(request: web.Request) -> str:
    return request.query.get("symbol", "")


_BAR_TIMES: tuple[str | int, ...] = ("ts", "start", "end", "timestamp")
_PRICES = (
    "lastPrice",
    "markPrice",
    "indexPrice",
    "openInterest",
    "singleOpenInterest",
    "openInterestValue",
    "fundingRate",
)

DIALECT = Dialect(
    name="bybit",
    routes=[
        web.get("/v5/market/time", _time),
        web.get("/v5/market/instruments-info", _instruments),
        web.get("/v5/market/kline", _klines),
        web.get("/v5/market/open-interest", _open_interest),
        web.get("/v5/market/funding/history", _funding),
        web.get("/v5/market/tickers", _tickers),
        web.get("/v5/market/risk-limit", _risk_limits),
        web.get("/v5/public/linear", _linear),
    ],
    endpoints={
        "/v5/market/time": Fields(times=("timeSecond", "timeNano", "time")),
        "/v5/market/instruments-info": Fields(),
        "/v5/market/kline": Fields(times=("time", 0), amounts=(1, 2, 3, 4, 5, 6)),
        "/v5/market/open-interest": Fields(
            times=("time", "timestamp"), amounts=("openInterest", "singleOpenInterest")
        ),
        "/v5/market/funding/history": Fields(
            times=("time", "fundingRateTimestamp"), amounts=("fundingRate",)
        ),
        "/v5/market/tickers": Fields(times=("time", "nextFundingTime"), amounts=_PRICES),
        "/v5/market/risk-limit": Fields(amounts=("riskLimitValue", "maintenanceMargin", "maxLeverage")),
    },
    channels={
        "kline": Fields(times=_BAR_TIMES, amounts=("open", "close", "high", "low", "volume", "turnover")),
        "tickers": Fields(times=("ts", "nextFundingTime"), amounts=_PRICES),
        "allLiquidation": Fields(times=("ts", "T"), amounts=("v", "p")),
    },
    endpoint_of=path_of,
    symbol_of=_symbol_of,
    channel_of=wire.channel_of,
    messages=wire.topic_messages,
    passing=tuple(
        Refusal(200, f'{{"retCode":{code},"retMsg":"{words}","result":{{}},"retExtInfo":{{}},"time":1}}')
        for code, words in (
            (10006, "Too many visits!"),
            (10000, "Server Timeout"),
            (10016, "Internal server error."),
            (10018, "The ip is banned."),
        )
    ),
    item=tuple(
        Refusal(200, f'{{"retCode":{code},"retMsg":"{words}","result":{{}},"retExtInfo":{{}},"time":1}}')
        for code, words in ((10001, "params error: symbol invalid"), (10029, "symbol is invalid"))
    ),
    limits={"requests": Limit(600, 5.0)},
    costs_of=lambda _request, _endpoint, _body: {"requests": 1},
    over_limit=Refusal(403, "403, access too frequent"),
    used_headers=lambda usage: {
        "X-Bapi-Limit": "600",
        "X-Bapi-Limit-Status": str(max(0, 600 - usage.used("requests"))),
    },
)
