"""Routes of the simulated OKX v5: REST, and the public and business sockets."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from liqstream.market import MINUTE_MS
from liqstream.simulator import bracket_wire
from liqstream.simulator import okx_wire as wire
from liqstream.simulator.app_state import STATE
from liqstream.simulator.dialect import Dialect, Fields, Message, Refusal, path_of, reported_fills, text
from liqstream.simulator.fault_table import FaultKind
from liqstream.simulator.limits import Limit
from liqstream.simulator.publisher import Subscriber
from liqstream.simulator.subscriber_socket import refused_subscriptions, serve_subscriber

_RECENT_BARS = 1440
_OPEN_INTEREST_KEPT = 1440


class _Refused(web.HTTPOk):
    def __init__(self, code: str, message: str) -> None:
        body = orjson.dumps({"code": code, "msg": message, "data": []}).decode()
        super().__init__(text=body, content_type="application/json")


def _response(data: list[Any]) -> web.Response:
    body = orjson.dumps({"code": "0", "msg": "", "data": data})
    return web.Response(body=body, content_type="application/json")


def _symbol(request: web.Request) -> str:
    instrument = request.query.get("instId", "")
    symbol = wire.symbol_of(instrument)
    if symbol not in request.app[STATE].market.symbols:
        raise _Refused("51001", f"Instrument ID {instrument} doesn't exist.")
    return symbol


def _number(request: web.Request, name: str, default: int) -> int:
    value = request.query.get(name, str(default))
    if not value.lstrip("-").isdigit():
        raise _Refused("51000", f"Parameter {name} error")
    return int(value)


def _interval(request: web.Request, name: str, names: dict[str, int]) -> int:
    try:
        return names[request.query.get(name, "1m")]
    except KeyError:
        raise _Refused("51000", f"Parameter {name} error") from None


async def _time(request: web.Request) -> web.Response:
    return _response([{"ts": str(request.app[STATE].reported_ms())}])


async def _instruments(request: web.Request) -> web.Response:
    if request.query.get("instType") != "SWAP":
        raise _Refused("51000", "Parameter instType error")
    return _response(wire.instruments(request.app[STATE].market))


async def _candles(request: web.Request) -> web.Response:
    """The youngest 1440 bars, 300 a page."""
    return _response(_bars(request, most=300, kept=_RECENT_BARS))


async def _history_candles(request: web.Request) -> web.Response:
    """All bars, 100 a page."""
    return _response(_bars(request, most=100, kept=None))


def _bars(request: web.Request, *, most: int, kept: int | None) -> list[Any]:
    """Newest first, between two times that are both left out."""
    state, symbol = request.app[STATE], _symbol(request)
    interval_ms = _interval(request, "bar", wire.BAR_OF)
    now_ms = state.now_ms()
    limit = min(most, max(1, _number(request, "limit", 100)))
    end_ms = min(_number(request, "after", now_ms + 1), now_ms + 1)
    start_ms = max(_number(request, "before", 0) + 1, end_ms - limit * interval_ms)
    if kept is not None:
        start_ms = max(start_ms, now_ms - kept * interval_ms)
    bars = state.market.bars(symbol, interval_ms, start_ms=start_ms, end_ms=end_ms, now_ms=now_ms)
    return [wire.candle(symbol, bar) for bar in reversed(bars)][:limit]


async def _mark_price(request: web.Request) -> web.Response:
    """Of one instrument, or of all swaps."""
    state = request.app[STATE]
    symbols = (_symbol(request),) if "instId" in request.query else state.market.listed
    now_ms = state.now_ms()
    return _response([wire.mark_price(state.market, each, now_ms, state.reported_ms()) for each in symbols])


async def _open_interest(request: web.Request) -> web.Response:
    """Of one instrument, or of all."""
    state = request.app[STATE]
    symbols = (_symbol(request),) if "instId" in request.query else state.market.listed
    now_ms, reported_ms = state.now_ms(), state.reported_ms()
    rows = [
        wire.open_interest(
            state.market, symbol, now_ms, reported_ms, state.publisher.open_interest(symbol, now_ms)
        )
        for symbol in symbols
    ]
    return _response(rows)


async def _open_interest_history(request: web.Request) -> web.Response:
    state, symbol = request.app[STATE], _symbol(request)
    period_ms = _interval(request, "period", wire.BAR_OF)
    now_ms, first_ms = state.now_ms(), state.market.first_ms + MINUTE_MS
    end_ms = min(_number(request, "end", now_ms), now_ms)
    oldest_ms = max(first_ms, now_ms - _OPEN_INTEREST_KEPT * period_ms, _number(request, "begin", 0))
    limit = min(100, max(1, _number(request, "limit", 100)))
    times = range(-(-oldest_ms // period_ms) * period_ms, end_ms + 1, period_ms)[-limit:]
    rows = []
    for time_ms in reversed(times):
        held = state.market.open_interest(symbol, time_ms)
        usd = held * state.market.price(symbol, time_ms)
        rows.append([str(time_ms), wire.contracts(symbol, held), text(held), text(usd)])
    return _response(rows)


async def _funding_history(request: web.Request) -> web.Response:
    state, symbol = request.app[STATE], _symbol(request)
    now_ms = state.now_ms()
    end_ms = min(_number(request, "after", now_ms + 1) - 1, now_ms)
    start_ms = _number(request, "before", 0) + 1
    rows = wire.funding_rows(state.market, symbol, start_ms=start_ms, end_ms=end_ms)
    return _response(rows[::-1][: min(400, _number(request, "limit", 400))])


async def _liquidation_orders(request: web.Request) -> web.Response:
    """Filled liquidations of the past of one family of instruments, 100 a page."""
    state = request.app[STATE]
    family = request.query.get("instFamily") or request.query.get("uly", "")
    symbol = wire.symbol_of(f"{family}-SWAP")
    if symbol not in state.market.symbols or request.query.get("state") != "filled":
        raise _Refused("51000", "Parameter instFamily or state error")
    now_ms = state.now_ms()
    end_ms = min(_number(request, "after", now_ms + 1), now_ms + 1)
    start_ms = _number(request, "before", 0) + 1
    fills = reported_fills(state.market.liquidations(symbol, start_ms=start_ms, end_ms=end_ms))
    limit = min(100, max(1, _number(request, "limit", 100)))
    return _response([wire.liquidations(symbol, fills[-limit:][::-1])] if fills else [])


async def _position_tiers(request: web.Request) -> web.Response:
    """Of one family of swaps."""
    state, family = request.app[STATE], request.query.get("instFamily", "")
    symbol = wire.symbol_of(f"{family}-SWAP")
    if symbol not in state.market.symbols or request.query.get("tdMode") != "cross":
        raise _Refused("51000", "Parameter instFamily or tdMode error")
    usd = wire.CONTRACT_BASE.get(symbol, 1.0) * state.market.price(symbol, state.now_ms())
    return _response(bracket_wire.okx(symbol, family, usd))


async def _public(request: web.Request) -> web.StreamResponse:
    return await serve_subscriber(request, DIALECT, [f"{name}:" for name in wire.PUBLIC], _answer_public)


async def _business(request: web.Request) -> web.StreamResponse:
    return await serve_subscriber(request, DIALECT, ["candle:"], _answer_business)


async def _answer_public(subscriber: Subscriber, text: str) -> None:
    await _answer(subscriber, text, business=False)


async def _answer_business(subscriber: Subscriber, text: str) -> None:
    await _answer(subscriber, text, business=True)


async def _answer(subscriber: Subscriber, text: str, *, business: bool) -> None:
    """Each arg is acknowledged or refused by itself."""
    if text == "ping":
        await subscriber.ws.send_str("pong")
        return
    try:
        asked = orjson.loads(text)
        operation, args = asked["op"], [(arg, wire.subscription(arg)) for arg in asked["args"]]
        echoed = {"connId": "1", **({"id": asked["id"]} if "id" in asked else {})}
    except (ValueError, KeyError, TypeError, AttributeError):
        await _send(subscriber, {"event": "error", "code": "60012", "msg": f"Invalid request: {text[:100]}"})
        return
    for arg, name in args:
        if operation == "unsubscribe":
            subscriber.subscribed.pop(name, None)
        elif refusal := _refusal(subscriber, arg, name, business=business):
            await _send(subscriber, {"event": "error", **refusal, **echoed})
            continue
        else:
            subscriber.subscribed[name] = None
        await _send(subscriber, {"event": operation, "arg": arg, **echoed})


def _refusal(subscriber: Subscriber, arg: Message, name: str, *, business: bool) -> Message:
    words = f"Wrong URL or channel:{arg.get('channel')},instId:{arg.get('instId')} doesn't exist."
    unknown = {"code": "60018", "msg": words}
    if not wire.is_channel(subscriber.market, name, business=business):
        return unknown
    kind = refused_subscriptions(subscriber, [name]).get(name)
    if kind is FaultKind.PASSING_CODE:
        return {"code": "60014", "msg": "Requests too frequent"}
    return unknown if kind else {}


async def _send(subscriber: Subscriber, message: dict[str, Any]) -> None:
    await subscriber.ws.send_str(orjson.dumps(message).decode())


async def _symbol_of(request: web.Request) -> str:
    family = request.query.get("instFamily")
    return wire.symbol_of(request.query.get("instId") or (f"{family}-SWAP" if family else ""))


_BAR = Fields(times=(0,), amounts=(1, 2, 3, 4, 5, 6, 7))
_MARK = Fields(times=("ts",), amounts=("markPx",))
_HELD = Fields(times=("ts",), amounts=("oi", "oiCcy", "oiUsd"))
_LIQUIDATIONS = Fields(times=("ts",), amounts=("bkPx", "sz"))
_PAID = ("fundingRate", "realizedRate")

DIALECT = Dialect(
    name="okx",
    routes=[
        web.get("/api/v5/public/time", _time),
        web.get("/api/v5/public/instruments", _instruments),
        web.get("/api/v5/public/mark-price", _mark_price),
        web.get("/api/v5/public/open-interest", _open_interest),
        web.get("/api/v5/public/funding-rate-history", _funding_history),
        web.get("/api/v5/public/liquidation-orders", _liquidation_orders),
        web.get("/api/v5/public/position-tiers", _position_tiers),
        web.get("/api/v5/market/candles", _candles),
        web.get("/api/v5/market/history-candles", _history_candles),
        web.get("/api/v5/rubik/stat/contracts/open-interest-history", _open_interest_history),
        web.get("/ws/v5/public", _public),
        web.get("/ws/v5/business", _business),
    ],
    endpoints={
        "/api/v5/public/time": Fields(times=("ts",)),
        "/api/v5/public/instruments": Fields(amounts=("ctVal", "ctMult")),
        "/api/v5/public/mark-price": _MARK,
        "/api/v5/public/open-interest": _HELD,
        "/api/v5/public/funding-rate-history": Fields(times=("fundingTime",), amounts=_PAID),
        "/api/v5/public/liquidation-orders": _LIQUIDATIONS,
        "/api/v5/public/position-tiers": Fields(amounts=("maxSz", "mmr", "maxLever")),
        "/api/v5/market/candles": _BAR,
        "/api/v5/market/history-candles": _BAR,
        "/api/v5/rubik/stat/contracts/open-interest-history": Fields(times=(0,), amounts=(1, 2, 3)),
    },
    channels={
        "candle": _BAR,
        "mark-price": _MARK,
        "open-interest": _HELD,
        "funding-rate": Fields(times=("ts", "fundingTime", "nextFundingTime"), amounts=("fundingRate",)),
        "liquidation-orders": _LIQUIDATIONS,
    },
    endpoint_of=path_of,
    symbol_of=_symbol_of,
    channel_of=wire.channel_of,
    messages=wire.push,
    passing=tuple(
        Refusal(status, f'{{"code":"{code}","msg":"{words}","data":[]}}')
        for status, code, words in (
            (429, "50011", "Rate limit reached. Please refer to API documentation and throttle requests."),
            (200, "50001", "Service temporarily unavailable. Please try again later."),
            (200, "50005", "API is offline or unavailable."),
            (200, "50013", "Systems are busy. Please try again later."),
            (500, "50026", "System error. Please try again later."),
        )
    ),
    item=(Refusal(200, '{"code":"51001","msg":"Instrument ID doesn\'t exist.","data":[]}'),),
    limits={
        "/api/v5/public/time": Limit(10, 2.0),
        "/api/v5/public/instruments": Limit(20, 2.0),
        "/api/v5/public/mark-price": Limit(10, 2.0),
        "/api/v5/public/open-interest": Limit(20, 2.0),
        "/api/v5/public/funding-rate-history": Limit(10, 2.0),
        "/api/v5/public/liquidation-orders": Limit(40, 2.0),
        "/api/v5/public/position-tiers": Limit(10, 2.0),
        "/api/v5/market/candles": Limit(40, 2.0),
        "/api/v5/market/history-candles": Limit(20, 2.0),
        "/api/v5/rubik/stat/contracts/open-interest-history": Limit(10, 2.0),
    },
    costs_of=lambda _request, endpoint, _body: {endpoint: 1},
    over_limit=Refusal(429, '{"code":"50011","msg":"Rate limit reached.","data":[]}'),
)
