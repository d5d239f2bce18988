"""The first message of a page that must show its token: a browser cannot send a header with a WebSocket."""

from __future__ import annotations

import asyncio
from typing import Literal

import msgspec
import structlog
from aiohttp import WSMsgType, web

from liqstream.admission.pending_sockets import PendingSocket
from liqstream.admission.tokens import TokenRing
from liqstream.wire.close_codes import OVERLOADED, UNAUTHORIZED, CloseCode

AUTHENTICATED = b'{"type":"authenticated"}'

_log = structlog.get_logger(__name__)


class Auth(msgspec.Struct, frozen=True):
    """The message: {"action":"auth","token":"liq_..."}."""

    action: Literal["auth"]
    token: str


async def authenticate(
    ws: web.WebSocketResponse, tokens: TokenRing, pending: PendingSocket, *, timeout_s: float
) -> CloseCode | None:
    """Read the first message; None if it held a valid token, else the code to close with.

    Closes with UNAUTHORIZED also when no message comes within `timeout_s`, or the peer is gone, and with
    OVERLOADED, which is not final, when the socket must make room for another.
    """
    receiving = asyncio.ensure_future(ws.receive())
    leaving = asyncio.ensure_future(pending.must_leave.wait())
    try:
        await asyncio.wait((receiving, leaving), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if not receiving.done():
            return OVERLOADED if leaving.done() else UNAUTHORIZED
    finally:
        for task in (receiving, leaving):
            task.cancel()
        await asyncio.wait((receiving, leaving))
    message = receiving.result()
    owner = _owner(message.data, tokens) if message.type is WSMsgType.TEXT else None
    if owner is None:
        return UNAUTHORIZED
    _log.info("ws_authenticated", owner=owner)
    return None


def _owner(raw: str, tokens: TokenRing) -> str | None:
    try:
        return tokens.owner(msgspec.json.decode(raw, type=Auth).token)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
