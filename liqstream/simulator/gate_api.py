"""The simulated Gate USDT futures: REST, and the socket. Sizes are in contracts.

No document says whether the sign of a liquidation's size is the position's or the order's. It speaks every
reading: `publisher.readings["gate"]` of the socket and `["gate past"]` of REST are "position", "order" or
"neither".
"""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from liqstream.market import MINUTE_MS
from liqstream.simulator import bracket_wire
from liqstream.simulator import gate_wire as wire
from liqstream.simulator.app_state import STATE
from liqstream.simulator.dialect import Dialect, Fields, Message, Refusal, path_of, text
from liqstream.simulator.fault_table import FaultKind
from liqstream.simulator.limits import Limit
from liqstream.simulator.market import FUNDING_MS
from liqstream.simulator.publisher import Subscriber
from liqstream.simulator.subscriber_socket import refused_subscriptions, serve_subscriber

_FUTURES = "/api/v4/futures/usdt"
_CANDLES_PAGE, _CANDLES_KEPT, _STATS_PAGE, _FUNDING_PAGE, _ORDERS_PAGE = 2000, 10_000, 100, 1000, 1000
_CHANNELS = ("futures.candlesticks", "futures.tickers", "futures.public_liquidates", "futures.contract_info")


class _Refused(web.HTTPBadRequest):
    def __init__(self, label: str, message: str = "") -> None:
        body = orjson.dumps({"label": label, "message": message}).decode()
        super().__init__(text=body, content_type="application/json")


def _json(value: object) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")


def _symbol(request: web.Request) -> str:
    symbol = wire.symbol_of(request.query.get("contract", ""))
    if symbol not in request.app[STATE].market.symbols:
        raise _Refused("CONTRACT_NOT_FOUND")
    return symbol


def _number(request: web.Request, name: str, default: int) -> int:
    value = request.query.get(name, str(default))
    if not value.isdigit():
        raise _Refused("INVALID_PARAM_VALUE", f"Invalid {name}")
    return int(value)


def _interval(request: web.Request) -> int:
    try:
        return wire.BAR_OF[request.query.get("interval", "5m")]
    except KeyError:
        raise _Refused("INVALID_PARAM_VALUE", "Invalid interval") from None


async def _time(request: web.Request) -> web.Response:
    return _json({"server_time": request.app[STATE].reported_ms()})


async def _contracts(request: web.Request) -> web.Response:
    return _json(
        [
            {
                "name": wire.contract_of(symbol),
                "type": "direct",
                "quanto_multiplier": text(wire.size_of(symbol)),
                "status": "trading",
                "in_delisting": False,
            }
            for symbol in request.app[STATE].market.listed
        ]
    )


async def _tickers(request: web.Request) -> web.Response:
    """Of one contract, or of all."""
    state = request.app[STATE]
    symbols = (_symbol(request),) if "contract" in request.query else state.market.listed
    now_ms, held = state.now_ms(), state.publisher.open_interest
    return _json([wire.ticker(state.market, symbol, now_ms, held(symbol, now_ms)) for symbol in symbols])


async def _candlesticks(request: web.Request) -> web.Response:
    """Both ends belong to the span; more than 2000 are refused, and any that begin too long ago."""
    state, symbol, interval_ms = request.app[STATE], _symbol(request), _interval(request)
    now_ms = state.now_ms()
    start_ms = _number(request, "from", 0) * 1000
    end_ms = min(_number(request, "to", now_ms // 1000) * 1000, now_ms)
    if (end_ms - start_ms) // interval_ms >= _CANDLES_PAGE:
        raise _Refused("INVALID_PARAM_VALUE", "Candlestick range too broad")
    if start_ms < now_ms - _CANDLES_KEPT * interval_ms:
        raise _Refused("INVALID_PARAM_VALUE", "Candlestick too long ago. Maximum 10000 points are allowed")
    bars = state.market.bars(symbol, interval_ms, start_ms=start_ms, end_ms=end_ms + 1, now_ms=now_ms)
    rows = [wire.candle(symbol, interval_ms, bar) for bar in bars]
    return _json([{name: value for name, value in row.items() if name != "n"} for row in rows])


async def _contract_stats(request: web.Request) -> web.Response:
    """Open interest at the end of a period, and what was liquidated in it, in contracts."""
    state, symbol, period_ms = request.app[STATE], _symbol(request), _interval(request)
    now_ms, first_ms = state.now_ms(), state.market.first_ms
    start_ms = -(-max(_number(request, "from", 0) * 1000, first_ms) // period_ms) * period_ms
    limit = min(_STATS_PAGE, _number(request, "limit", 30))
    rows = []
    for at_ms in range(start_ms, now_ms + 1, period_ms)[:limit]:
        until_ms = min(at_ms + period_ms, now_ms)
        fills = state.publisher.fills(symbol, at_ms, until_ms)
        sums = {
            side: sum(wire.contracts(symbol, fill.quantity) for fill in fills if fill.side == side)
            for side in ("long", "short")
        }
        held = state.market.open_interest(symbol, max(at_ms, first_ms + MINUTE_MS))
        rows.append(
            {
                "time": at_ms // 1000,
                "open_interest": text(held / wire.size_of(symbol)),
                "long_liq_size": sums["long"],
                "short_liq_size": sums["short"],
            }
        )
    return _json(rows)


async def _funding_rate(request: web.Request) -> web.Response:
    """Newest first."""
    state, symbol = request.app[STATE], _symbol(request)
    now_ms = state.now_ms()
    start_ms = max(_number(request, "from", 0) * 1000, state.market.first_ms + MINUTE_MS)
    end_ms = min(_number(request, "to", now_ms // 1000) * 1000, now_ms)
    times = range(-(-start_ms // FUNDING_MS) * FUNDING_MS, end_ms + 1, FUNDING_MS)
    rows = [{"t": at // 1000, "r": text(state.market.funding_rate(symbol, at))} for at in reversed(times)]
    return _json(rows[: min(_FUNDING_PAGE, _number(request, "limit", 100))])


async def _risk_limit_tiers(request: web.Request) -> web.Response:
    symbol = _symbol(request)
    return _json(bracket_wire.gate(symbol, wire.contract_of(symbol)))


async def _liq_orders(request: web.Request) -> web.Response:
    """Newest first, of at most an hour."""
    state, symbol = request.app[STATE], _symbol(request)
    now_s = state.now_ms() // 1000
    from_s, to_s = _number(request, "from", now_s - 3600), _number(request, "to", now_s)
    if to_s - from_s > 3600:
        raise _Refused("INVALID_PARAM_VALUE", "the time range exceeds an hour")
    reading = state.publisher.readings.get("gate past", "position")
    fills = state.publisher.fills(symbol, from_s * 1000, (to_s + 1) * 1000)
    limit = min(_ORDERS_PAGE, _number(request, "limit", 100))
    return _json([wire.order(symbol, fill, reading) for fill in reversed(fills)][:limit])


# The socket


async def _ws(request: web.Request) -> web.StreamResponse:
    return await serve_subscriber(request, DIALECT, [f"{name}/" for name in _CHANNELS], _answer)


async def _answer(subscriber: Subscriber, asked_text: str) -> None:
    """One channel a message."""
    try:
        asked = orjson.loads(asked_text)
        channel, payload = asked["channel"], [str(part) for part in asked.get("payload", ())]
        event = asked.get("event")
    except (ValueError, KeyError, TypeError):
        await _send(subscriber, {"error": {"code": 1, "message": "invalid argument struct"}})
        return
    head = {name: asked[name] for name in ("time", "id", "channel", "event", "payload") if name in asked}
    if channel == "futures.ping":
        await _send(subscriber, {**head, "channel": "futures.pong", "event": "", "result": None})
        return
    name = "/".join((channel, *payload))
    error = None
    if event == "unsubscribe":
        subscriber.subscribed.pop(name, None)
    elif (error := _refusal(subscriber, name)) is None:
        subscriber.subscribed[name] = None
    result = None if error else {"status": "success"}
    await _send(subscriber, {**head, "error": error, "result": result})


def _refusal(subscriber: Subscriber, name: str) -> Message | None:
    unknown = {"code": 2, "message": f"unknown contract or channel {name}"}
    if not wire.is_channel(subscriber.market, name):
        return unknown
    kind = refused_subscriptions(subscriber, [name]).get(name)
    if kind is FaultKind.PASSING_CODE:
        return {"code": 3, "message": "server side error"}
    return unknown if kind else None


async def _send(subscriber: Subscriber, message: dict[str, Any]) -> None:
    await subscriber.ws.send_str(orjson.dumps(message).decode())


async def _symbol_of(request: web.Request) -> str:
    return wire.symbol_of(request.query.get("contract", ""))


_BAR = Fields(times=("t",), amounts=("o", "h", "l", "c", "v", "sum"))
_TICKER = ("last", "mark_price", "index_price", "funding_rate", "total_size")

_ENDPOINTS = {
    "/api/v4/spot/time": Fields(times=("server_time",)),
    f"{_FUTURES}/contracts": Fields(amounts=("quanto_multiplier",)),
    f"{_FUTURES}/tickers": Fields(amounts=_TICKER),
    f"{_FUTURES}/candlesticks": _BAR,
    f"{_FUTURES}/contract_stats": Fields(
        times=("time",), amounts=("open_interest", "long_liq_size", "short_liq_size")
    ),
    f"{_FUTURES}/funding_rate": Fields(times=("t",), amounts=("r",)),
    f"{_FUTURES}/risk_limit_tiers": Fields(amounts=("risk_limit", "maintenance_rate", "leverage_max")),
    f"{_FUTURES}/liq_orders": Fields(times=("time",), amounts=("size", "order_size", "fill_price")),
}

DIALECT = Dialect(
    name="gate",
    routes=[
        web.get("/api/v4/spot/time", _time),
        web.get(f"{_FUTURES}/contracts", _contracts),
        web.get(f"{_FUTURES}/tickers", _tickers),
        web.get(f"{_FUTURES}/candlesticks", _candlesticks),
        web.get(f"{_FUTURES}/contract_stats", _contract_stats),
        web.get(f"{_FUTURES}/funding_rate", _funding_rate),
        web.get(f"{_FUTURES}/liq_orders", _liq_orders),
        web.get(f"{_FUTURES}/risk_limit_tiers", _risk_limit_tiers),
        web.get("/v4/ws/usdt", _ws),
    ],
    endpoints=_ENDPOINTS,
    channels={
        "futures.candlesticks": _BAR,
        "futures.tickers": Fields(times=("time_ms",), amounts=_TICKER),
        "futures.public_liquidates": Fields(times=("time",), amounts=("price", "size")),
    },
    endpoint_of=path_of,
    symbol_of=_symbol_of,
    channel_of=wire.channel_of,
    messages=wire.push,
    passing=(
        Refusal(429, '{"label":"TOO_MANY_REQUESTS","message":"Request Rate limit Exceeded"}'),
        Refusal(400, '{"label":"TOO_BUSY","message":"System is busy, please try again later"}'),
        Refusal(500, '{"label":"SERVER_ERROR","message":"Internal server error"}'),
        Refusal(503, '{"label":"INTERNAL","message":"Internal server error"}'),
    ),
    item=(
        Refusal(400, '{"label":"CONTRACT_NOT_FOUND","message":"CONTRACT_NOT_FOUND"}'),
        Refusal(400, '{"label":"INVALID_PARAM_VALUE","message":"Invalid contract"}'),
    ),
    limits=dict.fromkeys(_ENDPOINTS, Limit(200, 10.0)),
    costs_of=lambda _request, endpoint, _body: {endpoint: 1},
    over_limit=Refusal(429, '{"label":"TOO_MANY_REQUESTS","message":"Request Rate limit Exceeded"}'),
)
