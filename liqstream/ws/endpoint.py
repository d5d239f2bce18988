"""GET /ws/heatmap and GET /ws/stats: the handshake, the receive loop, and the end."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import structlog
from aiohttp import WSMessage, WSMsgType, hdrs, web

from liqstream.admission.connection_caps import CapReachedError
from liqstream.admission.pending_sockets import PendingSocket
from liqstream.admission.policy import ADMISSION, REASONS, AdmissionPolicy
from liqstream.fanout.connection import Connection
from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.symbols import SUPPORTED_SYMBOLS
from liqstream.wire.close_codes import GOING_AWAY, IDLE, MAX_LIFETIME, OVERLOADED, UNAUTHORIZED, CloseCode
from liqstream.wire.frames import pong_frame
from liqstream.ws.authentication import AUTHENTICATED, authenticate
from liqstream.ws.heatmap_socket import HeatmapSocket
from liqstream.ws.session import Session, outcome_of, refuse_binary

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WsConfig:
    """What the endpoint needs to know of the settings.

    `symbols` may be subscribed to. A client that does not answer a ping within half of `heartbeat_s` is
    closed, and so is one that follows nothing for `idle_s` or has not shown its token after `token_s`. After
    `max_lifetime_s`, or up to a tenth of it sooner, a client must reconnect. On shutdown clients get
    `close_with` and `shutdown_grace_s` to answer.
    """

    symbols: Sequence[str] = SUPPORTED_SYMBOLS
    max_message_bytes: int = 4096
    heartbeat_s: float = 27.0
    idle_s: float = 60.0
    token_s: float = 3.0
    max_lifetime_s: float = math.inf
    compress: bool = True
    close_with: CloseCode = GOING_AWAY
    shutdown_grace_s: float = 2.0


_MESSAGE_TYPES = (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG)

_SHOWN_AGENT_CHARS = 100

_LIFETIME_SPREAD = 0.1
"""Of the lifetime: clients that connected together do not all reconnect together."""

CONFIG = web.AppKey("ws_config", WsConfig)
MANAGER = web.AppKey("ws_manager", ConnectionManager)


def add_ws_routes(app: web.Application) -> None:
    """Add both routes, and close all clients on shutdown; CONFIG, MANAGER and ADMISSION must be set."""
    app.router.add_get("/ws/heatmap", heatmap_socket, allow_head=False)
    app.router.add_get("/ws/stats", stats)
    app.on_shutdown.append(_close_clients)


async def _close_clients(app: web.Application) -> None:
    await app[MANAGER].close(app[CONFIG].close_with, grace_s=app[CONFIG].shutdown_grace_s)


async def stats(request: web.Request) -> web.Response:
    """The fan-out's counts as JSON (stats.py)."""
    return web.json_response(asdict(request.app[MANAGER].get_stats()))


async def heatmap_socket(request: web.Request) -> web.StreamResponse:
    """One client, from its handshake to its end."""
    policy = request.app[ADMISSION]
    if policy.admit_socket(request):
        with policy.pending_slot(request) as pending:
            return await _serve(request, pending)
    with policy.connection_slot(request):
        return await _serve(request, None)


async def _serve(request: web.Request, pending: PendingSocket | None) -> web.StreamResponse:
    """`pending` is set for a socket that owes a token: it gets a slot only once it has shown it."""
    config, manager, policy = request.app[CONFIG], request.app[MANAGER], request.app[ADMISSION]
    ws = HeatmapSocket(
        heartbeat=config.heartbeat_s,
        compress=config.compress,
        max_msg_size=config.max_message_bytes + 1,  # aiohttp refuses from this size on
        timeout=config.shutdown_grace_s,
        # Pings are answered here, where the client's reading speed bounds how many.
        autoping=False,
    )
    # A client that has left by now raises ConnectionResetError, which aiohttp passes over; the unprepared
    # response would be an error of ours to it.
    await ws.prepare(request)
    transport = request.transport
    if transport is None:
        return ws
    connection = manager.attach(ws, transport)
    ws.before_close = manager.forget
    peer = policy.key(request)
    connected_at = asyncio.get_running_loop().time()
    _log.info("ws_connect", peer=peer, agent=_agent(request), connections=policy.caps.open)
    try:
        if pending is None:
            close = await _receive_messages(ws, connection, manager, config, policy)
        else:
            close = await authenticate(ws, policy.tokens, pending, timeout_s=config.token_s)
            if close is UNAUTHORIZED:
                policy.failures.take(peer)
            if close is None:
                policy.pending.remove(pending)
                close = await _in_a_slot(ws, connection, manager, config, policy, peer)
        if close is not None:
            connection.close_code = close
            await ws.close(code=close.code, message=close.reason.encode(), drain=False)
    finally:
        await manager.disconnect(ws)
        if connection.blocked and connection.close_code is None:
            transport.abort()  # bytes nobody will read
        code = outcome_of(ws, connection)
        manager.count_end(code)
        stayed_s = round(asyncio.get_running_loop().time() - connected_at, 1)
        _log.info(
            "ws_disconnect",
            peer=peer,
            code=code,
            stayed_s=stayed_s,
            connections=policy.caps.open - (pending is None),
        )
        ws.break_rings()
    return ws


async def _in_a_slot(
    ws: web.WebSocketResponse,
    connection: Connection,
    manager: ConnectionManager,
    config: WsConfig,
    policy: AdmissionPolicy,
    peer: str,
) -> CloseCode | None:
    """Serve a socket that has just shown its token, if there is a slot for it."""
    try:
        with policy.caps.slot(peer):
            connection.send_message(AUTHENTICATED)
            return await _receive_messages(ws, connection, manager, config, policy)
    except CapReachedError as error:
        policy.count(REASONS[error.cap])
        return OVERLOADED


def _agent(request: web.Request) -> str:
    """What the client calls itself, cut: it may be kilobytes."""
    return request.headers.get(hdrs.USER_AGENT, "")[:_SHOWN_AGENT_CHARS]


async def _receive_messages(
    ws: web.WebSocketResponse,
    connection: Connection,
    manager: ConnectionManager,
    config: WsConfig,
    policy: AdmissionPolicy,
) -> CloseCode | None:
    """Answer messages until the peer is gone (None) or must go (the code to close with)."""
    clock = asyncio.get_running_loop().time
    session = Session(manager, connection, symbols=config.symbols, clock=clock)
    budget = policy.message_bucket()
    busy_at = clock()
    leave_at = busy_at + config.max_lifetime_s * random.uniform(1 - _LIFETIME_SPREAD, 1)
    while True:
        now = clock()
        if now >= leave_at:
            return MAX_LIFETIME
        follows = bool(connection.subscriptions) or manager.markets.follows(connection)
        if follows:
            busy_at = now
        idle_at = math.inf if follows else busy_at + config.idle_s
        until = min(idle_at, leave_at)
        try:
            message = await ws.receive(timeout=None if until == math.inf else max(0.001, until - now))
        except TimeoutError:
            return IDLE if idle_at <= leave_at else MAX_LIFETIME
        # aiohttp may still hold messages of a peer that is gone: nobody would read the answers.
        if message.type not in _MESSAGE_TYPES or connection.transport.is_closing():
            return None
        wait_s = budget.take()
        if wait_s > 0:
            close = session.slow_down(wait_s)
        else:
            close = await _answer(message, session, connection)
        if close is not None:
            return close
        # A client that does not read is not read from: its answers would pile up.
        await connection.drained()


async def _answer(message: WSMessage, session: Session, connection: Connection) -> CloseCode | None:
    if message.type is WSMsgType.TEXT:
        return await session.answer(message.data)
    if message.type is WSMsgType.BINARY:
        return session.refuse(refuse_binary())
    if message.type is WSMsgType.PING:
        connection.write(pong_frame(message.data))
    return None
