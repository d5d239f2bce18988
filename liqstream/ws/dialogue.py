"""The conversation with one client: each message it sends, and what it is answered."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web
from msgspec import UnsetType

from liqstream.symbols import validate_interval, validate_symbols
from liqstream.ws.close_codes import ABNORMAL, RATE_LIMITED, TOO_MANY_ERRORS, CloseCode
from liqstream.ws.connection import Connection
from liqstream.ws.connection_manager import ConnectionManager
from liqstream.ws.encoding import Shape
from liqstream.ws.messages import (
    BadMessageError,
    Ping,
    Request,
    RequestId,
    Resync,
    Subscribe,
    Unsubscribe,
    error_message,
    parse_request,
    pong_message,
    rate_limited_message,
    shown,
    subscribed_message,
    unsubscribed_message,
)

_Value = TypeVar("_Value")

MAX_ERRORS = 50
ERROR_WINDOW_S = 60.0
MAX_RUSHED = 10
"""Messages over the rate that are answered, before the connection is closed."""
_RUSH_OVER_S = 10.0


class Dialogue:
    """Serves the messages of one connection. `clock` is monotonic, in seconds."""

    # Slots and no deque: an idle connection should cost what aiohttp makes it cost, and little more.
    __slots__ = ("_clock", "_connection", "_errors", "_manager", "_rushed", "_rushed_at", "_symbols")

    def __init__(
        self,
        manager: ConnectionManager,
        connection: Connection,
        *,
        symbols: tuple[str, ...],
        clock: Callable[[], float],
    ) -> None:
        self._manager = manager
        self._connection = connection
        self._symbols = symbols
        self._clock = clock
        self._errors: list[float] = []
        self._rushed = 0
        self._rushed_at = 0.0

    async def answer(self, raw: str) -> CloseCode | None:
        """Serve one text message; returns the code to close with when the client has gone too far."""
        try:
            return await self._serve(parse_request(raw))
        except BadMessageError as error:
            return self.refuse(error)

    async def _serve(self, request: Request) -> CloseCode | None:
        match request:
            case Subscribe():
                return await self._subscribe(request)
            case Unsubscribe():
                return await self._unsubscribe(request)
            case Resync():
                return await self._resync(request)
            case Ping():
                timestamp = self._manager.timestamp()
                self._connection.say(pong_message(timestamp, request_id=self._id(request.id)))
                return None

    def refuse(self, error: BadMessageError, *, request_id: RequestId | None = None) -> CloseCode | None:
        """Say what is wrong; returns the code to close with after too many errors."""
        self._connection.say(error_message(error.code, error.message, request_id=request_id))
        now = self._clock()
        self._errors = [*(at for at in self._errors if now - at <= ERROR_WINDOW_S), now]
        return TOO_MANY_ERRORS if len(self._errors) > MAX_ERRORS else error.close

    def slow_down(self, wait_s: float) -> CloseCode | None:
        """Answer a message too many with when to send the next; returns the code to close with after many."""
        now = self._clock()
        if now - self._rushed_at > _RUSH_OVER_S:
            self._rushed = 0
        self._rushed, self._rushed_at = self._rushed + 1, now
        if self._rushed > MAX_RUSHED:
            return RATE_LIMITED
        self._connection.say(rate_limited_message(retry_after_ms=math.ceil(wait_s * 1000)))
        return None

    @property
    def _speaks_proto_2(self) -> bool:
        return self._connection.shape is not Shape.V1

    def _id(self, request_id: RequestId | None) -> RequestId | None:
        return request_id if self._speaks_proto_2 else None

    def _known(self, symbols: list[str], request_id: RequestId | None) -> tuple[list[str], CloseCode | None]:
        """The symbols that can be served; the others are answered with an error."""
        valid, invalid = validate_symbols(symbols, self._symbols)
        close = None
        if invalid:
            names = ", ".join(shown(symbol) for symbol in invalid)
            message = f"unknown symbol {names}; available: {', '.join(self._symbols)}"
            close = self.refuse(BadMessageError("INVALID_SYMBOL", message), request_id=request_id)
        return valid, close

    async def _subscribe(self, request: Subscribe) -> CloseCode | None:
        proto = 2 if self._speaks_proto_2 else request.proto
        request_id = request.id if proto == 2 else None
        symbols, close = self._known(request.symbols, request_id)
        if close is not None or not symbols:
            return close
        interval_s = validate_interval(_given(request.update_interval), self._manager.update_interval_s)
        delta = _given(request.delta)
        if proto == 2:
            ack = subscribed_message(
                symbols,
                update_interval_s=interval_s,
                delta=self._effective_delta(delta),
                request_id=request_id,
            )
            self._connection.say(ack)
        await self._manager.connect(
            self._connection.ws,
            symbols,
            interval_s=interval_s,
            proto=proto,
            delta=delta,
            resume={symbol: (point.epoch, point.seq) for symbol, point in request.resume.items()},
        )
        return None

    def _effective_delta(self, asked: bool | None) -> bool:
        return asked if asked is not None else self._connection.shape is not Shape.COLUMNS

    async def _unsubscribe(self, request: Unsubscribe) -> CloseCode | None:
        symbols, close = self._known(request.symbols, self._id(request.id))
        left = await self._manager.unsubscribe(self._connection.ws, symbols)
        if self._speaks_proto_2:
            self._connection.say(unsubscribed_message(left, request_id=request.id))
        return close

    async def _resync(self, request: Resync) -> CloseCode | None:
        if not self._speaks_proto_2:
            raise BadMessageError("INVALID_ACTION", 'resync needs a subscribe with "proto":2 before it')
        symbols, close = self._known(request.symbols or [], request.id)
        if request.symbols is None or symbols:
            await self._manager.resync(self._connection.ws, symbols if request.symbols else None)
        return close


def _given(value: _Value | UnsetType) -> _Value | None:
    return None if isinstance(value, UnsetType) else value


def refuse_binary() -> BadMessageError:
    """What a binary message is answered with."""
    return BadMessageError("INVALID_MESSAGE", "messages are JSON in text frames, not binary")


def outcome_of(ws: web.WebSocketResponse, connection: Connection) -> int:
    """The close code a connection ended with, ours before the peer's; 1006 if there was none."""
    if connection.close_code is not None:
        return connection.close_code.code
    return ws.close_code or ABNORMAL.code
