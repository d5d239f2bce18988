"""GET /ws/heatmap and GET /ws/stats: the handshake, the receive loop, and the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

import structlog
from aiohttp import WSMsgType, web

from liqstream.symbols import SUPPORTED_SYMBOLS
from liqstream.ws.close_codes import GOING_AWAY, CloseCode
from liqstream.ws.connection import Connection
from liqstream.ws.connection_manager import ConnectionManager
from liqstream.ws.dialogue import Dialogue, outcome_of, refuse_binary
from liqstream.ws.frames import pong_frame

_log = structlog.get_logger(__name__)

Gate = Callable[[web.Request], Awaitable[None]]
"""A check before the upgrade; it raises a web.HTTPException to refuse."""


@dataclass(frozen=True, slots=True)
class WsConfig:
    """What the endpoint needs to know of the settings.

    `symbols` may be subscribed to. A client that does not answer a ping within half of `heartbeat_s` is
    dropped. On shutdown clients get `close_with` and `shutdown_grace_s` to answer. `gates` are asked in
    order before the upgrade.
    """

    symbols: tuple[str, ...] = SUPPORTED_SYMBOLS
    enabled: bool = True
    max_connections: int = 1000
    retry_after_s: int = 5
    max_message_bytes: int = 4096
    heartbeat_s: float = 27.0
    compress: bool = True
    close_with: CloseCode = GOING_AWAY
    shutdown_grace_s: float = 2.0
    gates: tuple[Gate, ...] = ()


CONFIG = web.AppKey("ws_config", WsConfig)
MANAGER = web.AppKey("ws_manager", ConnectionManager)
_SEATS: web.AppKey[Seats] = web.AppKey("ws_seats")


class Seats:
    """Open sockets, counted from before the upgrade so that a rush cannot pass the limit."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    def take(self) -> bool:
        """One seat, if there is one."""
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        """The socket is closed."""
        self._free += 1


def add_ws_routes(app: web.Application) -> None:
    """Add both routes and the closing of all clients on shutdown; CONFIG and MANAGER must be set."""
    app[_SEATS] = Seats(app[CONFIG].max_connections)
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
    await _refuse_before_upgrade(request)
    seats = request.app[_SEATS]
    if not seats.take():
        raise _unavailable("All connections are taken; try again later.", request.app[CONFIG].retry_after_s)
    try:
        return await _serve(request)
    finally:
        seats.give_back()


async def _refuse_before_upgrade(request: web.Request) -> None:
    config = request.app[CONFIG]
    if not config.enabled:
        raise _unavailable("The WebSocket is switched off (WS_ENABLED=false); poll /api/heatmap/{symbol}.")
    for gate in config.gates:
        await gate(request)


def _unavailable(sentence: str, retry_after_s: int | None = None) -> web.HTTPServiceUnavailable:
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return web.HTTPServiceUnavailable(text=sentence + "\n", headers=headers)


async def _serve(request: web.Request) -> web.StreamResponse:
    config, manager = request.app[CONFIG], request.app[MANAGER]
    ws = web.WebSocketResponse(
        heartbeat=config.heartbeat_s,
        compress=config.compress,
        max_msg_size=config.max_message_bytes,
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
    _log.info("ws_connect", peer=request.remote)
    try:
        await _converse(ws, connection, manager, config.symbols)
    finally:
        await manager.disconnect(ws)
        _log.info("ws_disconnect", peer=request.remote, code=outcome_of(ws, connection))
    return ws


async def _converse(
    ws: web.WebSocketResponse, connection: Connection, manager: ConnectionManager, symbols: tuple[str, ...]
) -> None:
    clock = asyncio.get_running_loop().time
    dialogue = Dialogue(manager, connection, symbols=symbols, clock=clock)
    while True:
        message = await ws.receive()
        close: CloseCode | None = None
        if message.type is WSMsgType.TEXT:
            close = await dialogue.answer(message.data)
        elif message.type is WSMsgType.BINARY:
            close = dialogue.refuse(refuse_binary())
        elif message.type is WSMsgType.PING:
            connection.transport.write(pong_frame(message.data))
        elif message.type is not WSMsgType.PONG:
            return
        if close is not None:
            connection.close_code = close
            await ws.close(code=close.code, message=close.reason.encode(), drain=False)
            return
        # A client that does not read is not read from: its answers would pile up.
        await connection.drained()
