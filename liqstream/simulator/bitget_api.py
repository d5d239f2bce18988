"""Routes of the simulated Bitget v3 (USDT futures): REST, and the public socket."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from liqstream.market import HOUR_MS, MINUTE_MS
from liqstream.simulator import bitget_wire as wire
from liqstream.simulator import bracket_wire
from liqstream.simulator.app_state import STATE
from liqstream.simulator.dialect import Dialect, Fields, Message, Refusal, path_of, text
from liqstream.simulator.fault_table import FaultKind
from liqstream.simulator.limits import Limit
from liqstream.simulator.market import FUNDING_MS
from liqstream.simulator.publisher import Subscriber
from liqstream.simulator.subscriber_socket import refused_subscriptions, serve_subscriber

_MARKET = "/api/v3/market"
_CANDLES_KEPT, _PAGE = 1000, 100
_KEPT_MS = 3 * 24 * HOUR_MS


class _Refused(web.HTTPBadRequest):
    def __init__(self, code: str, message: str) -> None:
        body = orjson.dumps({"code": code, "msg": message, "requestTime": 0, "data": None}).decode()
        super().__init__(text=body, content_type="application/json")


def _response(request: web.Request, data: object) -> web.Response:
    now_ms = request.app[STATE].reported_ms()
    body = orjson.dumps({"code": "00000", "msg": "success", "requestTime": now_ms, "data": data})
    return web.Response(body=body, content_type="application/json")


def _symbol(request: web.Request) -> str:
    symbol = request.query.get("symbol", "")
    if request.query.get("category") != "USDT-FUTURES":
        raise _Refused("40034", "Parameter category error")
    if symbol not in request.app[STATE].market.symbols:
        raise _Refused("40102", f"Symbol {symbol} does not exist")
    return symbol


def _number(request: web.Request, name: str, default: int) -> int:
    value = request.query.get(name, str(default))
    if not value.isdigit():
        raise _Refused("40034", f"Parameter {name} error")
    return int(value)


async def _time(request: web.Request) -> web.Response:
    return _response(request, {"serverTime": str(request.app[STATE].reported_ms())})


async def _instruments(request: web.Request) -> web.Response:
    return _response(request, wire.instruments(request.app[STATE].market))


async def _tickers(request: web.Request) -> web.Response:
    """Of one symbol, or of all."""
    state = request.app[STATE]
    symbols = (_symbol(request),) if "symbol" in request.query else state.market.listed
    now_ms, held = state.now_ms(), state.publisher.open_interest
    rows = [wire.ticker(state.market, symbol, now_ms, held(symbol, now_ms)) for symbol in symbols]
    return _response(request, rows)


async def _candles(request: web.Request) -> web.Response:
    return _bars(request, _CANDLES_KEPT)


async def _history_candles(request: web.Request) -> web.Response:
    return _bars(request, None)


def _bars(request: web.Request, kept: int | None) -> web.Response:
    """The newest of the span, newest first; the endpoint of the newest has so many, the other all."""
    state, symbol = request.app[STATE], _symbol(request)
    try:
        interval_ms = wire.BAR_OF[request.query["interval"]]
    except KeyError:
        raise _Refused("40034", "Parameter interval error") from None
    now_ms = state.now_ms()
    end_ms = min(_number(request, "endTime", now_ms), now_ms)
    limit = min(_PAGE, _number(request, "limit", _PAGE))
    start_ms = max(_number(request, "startTime", 0), end_ms - limit * interval_ms)
    if kept is not None:
        start_ms = max(start_ms, now_ms - kept * interval_ms)
    bars = state.market.bars(symbol, interval_ms, start_ms=start_ms, end_ms=end_ms + 1, now_ms=now_ms)
    return _response(request, [wire.candle(bar) for bar in reversed(bars)][:limit])


async def _funding(request: web.Request) -> web.Response:
    """Newest first, by the number of the page."""
    state, symbol = request.app[STATE], _symbol(request)
    now_ms = state.now_ms()
    first_ms = -(-(state.market.first_ms + MINUTE_MS) // FUNDING_MS) * FUNDING_MS
    times = list(range(first_ms, now_ms + 1, FUNDING_MS))[::-1]
    limit, number = min(_PAGE, _number(request, "limit", _PAGE)), max(1, _number(request, "cursor", 1))
    rows = [
        {
            "symbol": symbol,
            "fundingRate": text(state.market.funding_rate(symbol, at)),
            "fundingRateTimestamp": str(at),
        }
        for at in times[(number - 1) * limit : number * limit]
    ]
    return _response(request, {"resultList": rows})


async def _position_tiers(request: web.Request) -> web.Response:
    return _response(request, bracket_wire.bitget(_symbol(request)))


async def _liquidations(request: web.Request) -> web.Response:
    """Of the last three days, newest first, from the cursor on: the number of those before."""
    state, symbol = request.app[STATE], _symbol(request)
    now_ms = state.now_ms()
    reading = state.publisher.readings.get("bitget", "base")
    fills = wire.largest(state.publisher.fills(symbol, now_ms - _KEPT_MS, now_ms))[::-1]
    start, limit = _number(request, "cursor", 0), min(_PAGE, _number(request, "limit", _PAGE))
    rows = [wire.liquidation(symbol, fill, reading) for fill in fills[start : start + limit]]
    return _response(request, {"list": rows, "cursor": str(start + limit)})


async def _ws(request: web.Request) -> web.StreamResponse:
    return await serve_subscriber(request, DIALECT, list(wire.CHANNELS), _answer)


async def _answer(subscriber: Subscriber, asked_text: str) -> None:
    """Each arg is acknowledged or refused by itself."""
    if asked_text == "ping":
        await subscriber.ws.send_str("pong")
        return
    try:
        asked = orjson.loads(asked_text)
        operation, args = asked["op"], [(arg, wire.subscription(arg)) for arg in asked["args"]]
    except (ValueError, KeyError, TypeError):
        await _send(subscriber, {"event": "error", "code": 30003, "msg": "invalid op"})
        return
    for arg, name in args:
        if operation == "unsubscribe":
            subscriber.subscribed.pop(name, None)
        elif refusal := _refusal(subscriber, name):
            await _send(subscriber, {"event": "error", "arg": arg, **refusal})
            continue
        else:
            subscriber.subscribed[name] = None
        await _send(subscriber, {"event": operation, "arg": arg})


def _refusal(subscriber: Subscriber, name: str) -> Message:
    unknown = {"code": 30001, "msg": "channel does not exist"}
    if not wire.is_channel(subscriber.market, name):
        return unknown
    kind = refused_subscriptions(subscriber, [name]).get(name)
    if kind is FaultKind.PASSING_CODE:
        return {"code": 30007, "msg": "request over limit"}
    return unknown if kind else {}


async def _send(subscriber: Subscriber, message: dict[str, Any]) -> None:
    await subscriber.ws.send_str(orjson.dumps(message).decode())


async def _symbol_of(request: web.Request) -> str:
    return request.query.get("symbol", "")


_ROW = Fields(times=(0,), amounts=(1, 2, 3, 4, 5, 6))
_KLINE = Fields(times=("start", "ts"), amounts=("open", "close", "high", "low", "volume", "turnover"))
_TICKER = Fields(
    times=("ts", "nextFundingTime", "requestTime"),
    amounts=("lastPrice", "markPrice", "indexPrice", "openInterest", "fundingRate"),
)
_LIQUIDATION = Fields(times=("ts",), amounts=("price", "amount"))
_ENDPOINTS = {
    "/api/v2/public/time": Fields(times=("serverTime",)),
    f"{_MARKET}/instruments": Fields(amounts=("quantityMultiplier",)),
    f"{_MARKET}/tickers": _TICKER,
    f"{_MARKET}/candles": _ROW,
    f"{_MARKET}/history-candles": _ROW,
    f"{_MARKET}/history-fund-rate": Fields(times=("fundingRateTimestamp",), amounts=("fundingRate",)),
    f"{_MARKET}/liquidations": _LIQUIDATION,
    f"{_MARKET}/position-tier": Fields(amounts=("maxTierValue", "leverage", "mmr")),
}

DIALECT = Dialect(
    name="bitget",
    routes=[
        web.get("/api/v2/public/time", _time),
        web.get(f"{_MARKET}/instruments", _instruments),
        web.get(f"{_MARKET}/tickers", _tickers),
        web.get(f"{_MARKET}/candles", _candles),
        web.get(f"{_MARKET}/history-candles", _history_candles),
        web.get(f"{_MARKET}/history-fund-rate", _funding),
        web.get(f"{_MARKET}/liquidations", _liquidations),
        web.get(f"{_MARKET}/position-tier", _position_tiers),
        web.get("/v3/ws/public", _ws),
    ],
    endpoints=_ENDPOINTS,
    channels={"kline": _KLINE, "ticker": _TICKER, "liquidation": _LIQUIDATION},
    endpoint_of=path_of,
    symbol_of=_symbol_of,
    channel_of=wire.channel_of,
    messages=wire.push,
    passing=tuple(
        Refusal(status, f'{{"code":"{code}","msg":"{words}","requestTime":0,"data":null}}')
        for status, code, words in (
            (429, "429", "too many requests"),
            (200, "40015", "System is abnormal, please try again later"),
            (200, "40200", "Server upgrade, please try again later"),
            (400, "40725", "service return an error"),
        )
    ),
    item=tuple(
        Refusal(400, f'{{"code":"{code}","msg":"{words}","requestTime":0,"data":null}}')
        for code, words in (
            ("40034", "Parameter does not exist"),
            ("40102", "Contract configuration does not exist"),
            ("40309", "The contract has been removed"),
        )
    ),
    limits={
        "requests": Limit(6000, 60.0),
        **{name: Limit(5 if name.endswith("/liquidations") else 20, 1.0) for name in _ENDPOINTS},
    },
    costs_of=lambda _request, endpoint, _body: {"requests": 1, endpoint: 1},
    over_limit=Refusal(429, '{"code":"429","msg":"too many requests","requestTime":0,"data":null}'),
)
