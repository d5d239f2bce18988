"""The first message of a page that must show its token: a browser cannot send a header with a WebSocket."""

from __future__ import annotations

from typing import Literal

import msgspec
import structlog
from aiohttp import WSMsgType, web

from liqstream.admission.tokens import TokenRing
from liqstream.ws.close_codes import UNAUTHORIZED, CloseCode
from liqstream.ws.connection import Connection

_log = structlog.get_logger(__name__)


class Auth(msgspec.Struct, frozen=True):
    """The message: {"action":"auth","token":"liq_..."}."""

    action: Literal["auth"]
    token: str


async def authenticate(
    ws: web.WebSocketResponse, connection: Connection, tokens: TokenRing, *, patience_s: float
) -> CloseCode | None:
    """Read the first message; None if it held a valid token, else the code to close with."""
    try:
        message = await ws.receive(timeout=patience_s)
    except TimeoutError:
        return UNAUTHORIZED
    owner = _owner(message.data, tokens) if message.type is WSMsgType.TEXT else None
    if owner is None:
        return UNAUTHORIZED
    _log.info("ws_authenticated", owner=owner)
    connection.say(b'{"type":"authenticated"}')
    return None


def _owner(raw: str, tokens: TokenRing) -> str | None:
    try:
        return tokens.owner(msgspec.json.decode(raw, type=Auth).token)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
