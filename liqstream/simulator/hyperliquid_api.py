"""The simulated Hyperliquid: one REST path that answers by the type of question, and one socket."""

from __future__ import annotations

import re
from typing import Any

import orjson
from aiohttp import web

from liqstream.simulator import hyperliquid_account_wire as account_wire
from liqstream.simulator import hyperliquid_wire as wire
from liqstream.simulator.accounts import address_of, liquidator_vaults
from liqstream.simulator.app_state import STATE
from liqstream.simulator.dialect import Dialect, Fields, Message, Refusal, text
from liqstream.simulator.fault_table import FaultKind
from liqstream.simulator.limits import Limit
from liqstream.simulator.publisher import Subscriber
from liqstream.simulator.subscriber_socket import refused_subscriptions, serve_subscriber

_CANDLES_KEPT = 5000
_FUNDING_PAGE = 500
_FILLS_KEPT = 2000
_MOST_USERS = 10
_ADDRESS = re.compile("0x[0-9a-fA-F]{40}")
_UNREADABLE = "Failed to deserialize the JSON body into the target type"


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


class _Unprocessable(web.HTTPUnprocessableEntity):
    def __init__(self) -> None:
        super().__init__(text=_UNREADABLE)


async def _question(request: web.Request) -> Message:
    try:
        question = orjson.loads(await request.read())
    except ValueError:
        return {}
    return question if isinstance(question, dict) else {}


async def _info(request: web.Request) -> web.Response:
    question = await _question(request)
    try:
        return _json(_ANSWERS[question["type"]](request, question))
    except (KeyError, TypeError, ValueError):
        raise _Unprocessable from None


def _symbol(request: web.Request, coin: object) -> str:
    symbol = account_wire.symbol_of(str(coin))
    if symbol not in request.app[STATE].market.symbols:
        raise _Unprocessable
    return symbol


def _meta(request: web.Request, _question: Message) -> object:
    return account_wire.universe(request.app[STATE].market.symbols)


def _meta_and_contexts(request: web.Request, question: Message) -> object:
    state = request.app[STATE]
    now_ms = state.now_ms()
    contexts = [
        wire.asset_context(state.market, symbol, now_ms, state.publisher.open_interest(symbol, now_ms))
        for symbol in state.market.symbols
    ]
    return [_meta(request, question), contexts]


def _book(request: web.Request, question: Message) -> object:
    _symbol(request, question["coin"])
    return {"coin": question["coin"], "time": request.app[STATE].reported_ms(), "levels": [[], []]}


def _candles(request: web.Request, question: Message) -> object:
    """At most the newest 5000 bars, from the oldest on; both ends belong to the span."""
    state, wanted = request.app[STATE], question["req"]
    symbol, interval_ms = _symbol(request, wanted["coin"]), wire.BAR_OF[wanted["interval"]]
    now_ms = state.now_ms()
    end_ms = min(int(wanted.get("endTime", now_ms)), now_ms) + 1
    start_ms = max(int(wanted["startTime"]), now_ms - _CANDLES_KEPT * interval_ms)
    bars = state.market.bars(symbol, interval_ms, start_ms=start_ms, end_ms=end_ms, now_ms=now_ms)
    return [wire.candle(symbol, interval_ms, bar) for bar in bars]


def _funding(request: web.Request, question: Message) -> object:
    """The first 500 payments of the span."""
    state, symbol = request.app[STATE], _symbol(request, question["coin"])
    now_ms = state.now_ms()
    end_ms = min(int(question.get("endTime", now_ms)), now_ms)
    return wire.funding_rows(
        state.market, symbol, start_ms=int(question["startTime"]), end_ms=end_ms, limit=_FUNDING_PAGE
    )


def _account(request: web.Request, question: Message) -> object:
    """What an account holds; one that does not exist holds nothing."""
    state, user = request.app[STATE], _user(question)
    if state.faults.null_states:
        return None
    now_ms = state.now_ms()
    held = state.market.accounts.of(user, now_ms)
    price = 0.0 if held is None else state.market.price(held[0], now_ms)
    return account_wire.account_state(held, price, now_ms + state.faults.skew_ms)


def _fills(request: web.Request, question: Message) -> object:
    """A user's newest 2000 fills of the last hours, from a time on."""
    state, user = request.app[STATE], _user(question)
    now_ms = state.now_ms()
    until_ms = min(now_ms, int(question.get("endTime", now_ms)))
    found = wire.fills_of(state.market, user, int(question["startTime"]) - 1, until_ms)
    return found[-_FILLS_KEPT:]


def _vault(_request: web.Request, question: Message) -> object:
    """A vault; every one that does not liquidate is the parent of those that do, and of three others."""
    address = _user(question, "vaultAddress")
    children = liquidator_vaults()
    if address in children:
        return {"name": f"HLP Liquidator {children.index(address) + 1}", "vaultAddress": address}
    others = [address_of("strategy", number) for number in range(3)]
    if address in others:
        return {"name": f"HLP Strategy {'ABX'[others.index(address)]}", "vaultAddress": address}
    data = {"childAddresses": [*others, *children]}
    return {
        "name": "Hyperliquidity Provider (HLP)",
        "vaultAddress": address,
        "relationship": {"type": "parent", "data": data},
    }


def _user(question: Message, name: str = "user") -> str:
    user = question[name]
    if not isinstance(user, str) or not _ADDRESS.fullmatch(user):
        raise _Unprocessable
    return user.lower()


async def _leaderboard(request: web.Request) -> web.StreamResponse:
    """GET /Mainnet/leaderboard: the larger accounts, with their value."""
    state = request.app[STATE]
    if state.faults.leaderboard_gone:
        raise web.HTTPNotFound
    rows = state.market.accounts.leaderboard(state.now_ms())
    response = _json(
        {
            "leaderboardRows": [
                {
                    "ethAddress": address,
                    "accountValue": text(usd),
                    "windowPerformances": [],
                    "displayName": None,
                }
                for address, usd in rows
            ]
        }
    )
    return await _cut_off(request, response) if state.faults.leaderboard_cut_off else response


async def _cut_off(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """The first half of a body; then the connection ends."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    response = web.StreamResponse(headers={"Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


_ANSWERS = {
    "clearinghouseState": _account,
    "userFillsByTime": _fills,
    "vaultDetails": _vault,
    "meta": _meta,
    "metaAndAssetCtxs": _meta_and_contexts,
    "l2Book": _book,
    "candleSnapshot": _candles,
    "fundingHistory": _funding,
}


async def _ws(request: web.Request) -> web.StreamResponse:
    return await serve_subscriber(request, DIALECT, list(DIALECT.channels), _answer)


async def _answer(subscriber: Subscriber, sent: str) -> None:
    """One subscription a message."""
    try:
        asked = orjson.loads(sent)
        if asked["method"] == "ping":
            await _send(subscriber, {"channel": "pong"})
            return
        name = wire.subscription(asked["subscription"])
    except (ValueError, KeyError, TypeError):
        await _send(subscriber, {"channel": "error", "data": f"Error parsing JSON: {sent}"})
        return
    if asked["method"] == "unsubscribe":
        subscriber.subscribed.pop(name, None)
    elif refusal := _refusal(subscriber, asked["subscription"], name):
        await _send(subscriber, {"channel": "error", "data": refusal})
        return
    else:
        subscriber.subscribed[name] = None
    await _send(subscriber, {"channel": "subscriptionResponse", "data": asked})
    if name.startswith("userFills:") and name in subscriber.subscribed:
        data = {"isSnapshot": True, "user": asked["subscription"]["user"], "fills": []}
        await _send(subscriber, {"channel": "userFills", "data": data})


def _refusal(subscriber: Subscriber, wanted: Message, name: str) -> str:
    users = {
        each
        for other in subscriber.publisher.subscribers
        if other.client == subscriber.client
        for each in other.subscribed
        if each.startswith("userFills:")
    }
    if name.startswith("userFills:") and len(users | {name}) > _MOST_USERS:
        return f"Cannot track more than {_MOST_USERS} total users."
    unknown = f"Invalid subscription {orjson.dumps(wanted).decode()}"
    if not wire.is_channel(subscriber.market, name):
        return unknown
    kind = refused_subscriptions(subscriber, [name]).get(name)
    return "Too many requests" if kind is FaultKind.PASSING_CODE else unknown if kind else ""


async def _send(subscriber: Subscriber, message: dict[str, Any]) -> None:
    subscriber.sent_s = subscriber.publisher.now_s()
    await subscriber.ws.send_str(orjson.dumps(message).decode())


async def _endpoint_of(request: web.Request) -> str:
    return str((await _question(request)).get("type", "")) if request.path == "/info" else request.path


async def _symbol_of(request: web.Request) -> str:
    question = await _question(request)
    wanted = question.get("req", question)
    coin = wanted.get("coin", "") if isinstance(wanted, dict) else ""
    return account_wire.symbol_of(str(coin)) if coin else ""


_BAR = Fields(times=("t", "T"), amounts=("o", "c", "h", "l", "v"))
_CONTEXT = ("funding", "openInterest", "oraclePx", "markPx", "midPx")

_ROWS_PER_WEIGHT = {"candleSnapshot": 60, "fundingHistory": 20, "userFillsByTime": 20}


def _costs_of(_request: web.Request, endpoint: str, body: bytes) -> dict[str, int]:
    """Answers with rows count by their number too."""
    if endpoint in ("l2Book", "clearinghouseState"):
        return {"weight": 2}
    per_weight = _ROWS_PER_WEIGHT.get(endpoint)
    return {"weight": 20 + (len(orjson.loads(body)) // per_weight if per_weight else 0)}


DIALECT = Dialect(
    name="hyperliquid",
    routes=[web.post("/info", _info), web.get("/ws", _ws), web.get("/Mainnet/leaderboard", _leaderboard)],
    endpoints={
        "meta": Fields(amounts=("lowerBound", "maxLeverage")),
        "metaAndAssetCtxs": Fields(amounts=_CONTEXT),
        "l2Book": Fields(times=("time",)),
        "candleSnapshot": _BAR,
        "fundingHistory": Fields(times=("time",), amounts=("fundingRate",)),
        "clearinghouseState": Fields(times=("time",), amounts=("szi", "positionValue")),
        "vaultDetails": Fields(),
        "userFillsByTime": Fields(times=("time",), amounts=("px", "sz")),
    },
    channels={"candle": _BAR, "activeAssetCtx": Fields(amounts=_CONTEXT)},
    endpoint_of=_endpoint_of,
    symbol_of=_symbol_of,
    channel_of=wire.channel_of,
    messages=wire.push,
    passing=(
        Refusal(429, "null"),
        Refusal(500, "null"),
        Refusal(200, '{"status":"err","response":"Too many requests"}'),
    ),
    item=(Refusal(422, _UNREADABLE),),
    limits={"weight": Limit(1200, 60.0)},
    costs_of=_costs_of,
    over_limit=Refusal(429, "null"),
    silence_s=60.0,
)
