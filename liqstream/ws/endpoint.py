"""GET /ws/heatmap and GET /ws/stats: the handshake, the receive loop, and the end."""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import asdict, dataclass

import structlog
from aiohttp import WSMessage, WSMsgType, hdrs, web

from liqstream.admission.door import DOOR, Door
from liqstream.symbols import SUPPORTED_SYMBOLS
from liqstream.ws.authentication import authenticate
from liqstream.ws.close_codes import GOING_AWAY, IDLE, MAX_LIFETIME, CloseCode
from liqstream.ws.connection import Connection
from liqstream.ws.connection_manager import ConnectionManager
from liqstream.ws.dialogue import Dialogue, outcome_of, refuse_binary
from liqstream.ws.frames import pong_frame
from liqstream.ws.heatmap_socket import HeatmapSocket

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WsConfig:
    """What the endpoint needs to know of the settings.

    `symbols` may be subscribed to. A client that does not answer a ping within half of `heartbeat_s` is
    dropped, and so is one that follows nothing for `idle_s` or owes its token for `token_s`. After
    `max_lifetime_s`, or up to a tenth of it sooner, a client must come anew. On shutdown clients get
    `close_with` and `shutdown_grace_s` to answer.
    """

    symbols: tuple[str, ...] = SUPPORTED_SYMBOLS
    max_message_bytes: int = 4096
    heartbeat_s: float = 27.0
    idle_s: float = 60.0
    token_s: float = 10.0
    max_lifetime_s: float = math.inf
    compress: bool = True
    close_with: CloseCode = GOING_AWAY
    shutdown_grace_s: float = 2.0


_SAID = (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG)

_SHOWN_AGENT_CHARS = 100

_LIFETIME_SPREAD = 0.1
"""Of the lifetime: clients that came together do not all come back together."""

CONFIG = web.AppKey("ws_config", WsConfig)
MANAGER = web.AppKey("ws_manager", ConnectionManager)


def add_ws_routes(app: web.Application) -> None:
    """Add both routes and the closing of all clients on shutdown; CONFIG, MANAGER and DOOR must be set."""
    app.router.add_get("/ws/heatmap", heatmap_socket)
    app.router.add_get("/ws/stats", stats)
    app.on_shutdown.append(_close_clients)


async def _close_clients(app: web.Application) -> None:
    await app[MANAGER].close(app[CONFIG].close_with, grace_s=app[CONFIG].shutdown_grace_s)


async def stats(request: web.Request) -> web.Response:
    """The fan-out's counts as JSON (stats.py)."""
    return web.json_response(asdict(request.app[MANAGER].get_stats()))


async def heatmap_socket(request: web.Request) -> web.StreamResponse:
    """One client, from its handshake to its end."""
    door = request.app[DOOR]
    must_authenticate = door.admit_socket(request)
    with door.place(request):
        return await _serve(request, must_authenticate=must_authenticate)


async def _serve(request: web.Request, *, must_authenticate: bool) -> web.StreamResponse:
    config, manager, door = request.app[CONFIG], request.app[MANAGER], request.app[DOOR]
    ws = HeatmapSocket(
        heartbeat=config.heartbeat_s,
        compress=config.compress,
        max_msg_size=config.max_message_bytes + 1,  # aiohttp refuses from this size on
        timeout=config.shutdown_grace_s,
        # Pings are answered here, where the client's reading speed bounds how many.
        autoping=False,
    )
    try:
        await ws.prepare(request)
    except ConnectionResetError:
        return ws
    transport = request.transport
    if transport is None:
        return ws
    connection = manager.attach(ws, transport)
    ws.let_go = manager.forget
    peer = door.key(request)
    came_at = asyncio.get_running_loop().time()
    _log.info("ws_connect", peer=peer, agent=_agent(request), connections=door.caps.open)
    try:
        close: CloseCode | None = None
        if must_authenticate:
            close = await authenticate(ws, connection, door.tokens, patience_s=config.token_s)
        if close is None:
            close = await _converse(ws, connection, manager, config, door)
        if close is not None:
            connection.close_code = close
            await ws.close(code=close.code, message=close.reason.encode(), drain=False)
    finally:
        await manager.disconnect(ws)
        if connection.blocked and connection.close_code is None:
            transport.abort()  # bytes nobody will read
        code = outcome_of(ws, connection)
        manager.count_end(code)
        stayed_s = round(asyncio.get_running_loop().time() - came_at, 1)
        _log.info("ws_disconnect", peer=peer, code=code, stayed_s=stayed_s, connections=door.caps.open - 1)
    return ws


def _agent(request: web.Request) -> str:
    """What the client calls itself, cut: it may be kilobytes."""
    return request.headers.get(hdrs.USER_AGENT, "")[:_SHOWN_AGENT_CHARS]


async def _converse(
    ws: web.WebSocketResponse,
    connection: Connection,
    manager: ConnectionManager,
    config: WsConfig,
    door: Door,
) -> CloseCode | None:
    """Answer messages until the peer is gone (None) or must go (the code to close with)."""
    clock = asyncio.get_running_loop().time
    dialogue = Dialogue(manager, connection, symbols=config.symbols, clock=clock)
    budget = door.messages()
    busy_at = clock()
    leave_at = busy_at + config.max_lifetime_s * random.uniform(1 - _LIFETIME_SPREAD, 1)
    while True:
        now = clock()
        if now >= leave_at:
            return MAX_LIFETIME
        if connection.subscriptions:
            busy_at = now
        idle_at = math.inf if connection.subscriptions else busy_at + config.idle_s
        until = min(idle_at, leave_at)
        try:
            message = await ws.receive(timeout=None if until == math.inf else max(0.001, until - now))
        except TimeoutError:
            return IDLE if idle_at <= leave_at else MAX_LIFETIME
        # What a peer that is gone had still to say is nobody's question any more.
        if message.type not in _SAID or connection.transport.is_closing():
            return None
        wait_s = budget.take()
        if wait_s > 0:
            close = dialogue.slow_down(wait_s)
        else:
            close = await _answer(message, dialogue, connection)
        if close is not None:
            return close
        # A client that does not read is not read from: its answers would pile up.
        await connection.drained()


async def _answer(message: WSMessage, dialogue: Dialogue, connection: Connection) -> CloseCode | None:
    if message.type is WSMsgType.TEXT:
        return await dialogue.answer(message.data)
    if message.type is WSMsgType.BINARY:
        return dialogue.refuse(refuse_binary())
    if message.type is WSMsgType.PING:
        connection.write(pong_frame(message.data))
    return None
