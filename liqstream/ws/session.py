"""The session of one client: each message it sends, and what it is answered."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from aiohttp import web
from msgspec import UnsetType

from liqstream.fanout.connection import Connection, HeldState
from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.heatmap.snapshot import StreamPosition
from liqstream.market.identity import followed_symbol, offered
from liqstream.symbols import is_symbol, validate_interval, validate_symbols
from liqstream.wire.close_codes import ABNORMAL, RATE_LIMITED, TOO_MANY_ERRORS, CloseCode
from liqstream.wire.encoding import Shape
from liqstream.wire.messages import (
    BadMessageError,
    Ping,
    Request,
    RequestId,
    Resync,
    StreamRequest,
    Subscribe,
    Unsubscribe,
    error_message,
    parse_request,
    pong_message,
    rate_limited_message,
    shown,
    stream_subscribed_message,
    stream_unsubscribed_message,
    subscribed_message,
    unsubscribed_message,
)

_Value = TypeVar("_Value")

MAX_ERRORS = 50
ERROR_WINDOW_S = 60.0
MAX_OVER_RATE = 10
"""Messages over the rate that are answered, before the connection is closed."""
_OVER_RATE_FORGOTTEN_S = 10.0


class Session:
    """Serves the messages of one connection. `clock` is monotonic, in seconds."""

    # Slots and no deque: an idle connection should cost what aiohttp makes it cost, and little more.
    __slots__ = ("_clock", "_connection", "_errors", "_manager", "_over_rate", "_over_rate_at", "_symbols")

    def __init__(
        self,
        manager: ConnectionManager,
        connection: Connection,
        *,
        symbols: Sequence[str],
        clock: Callable[[], float],
    ) -> None:
        self._manager = manager  # keeps the subscriptions
        self._connection = connection  # takes the answers
        self._symbols = symbols  # that may be subscribed to; the list may change
        self._clock = clock  # monotonic, in seconds
        self._errors: list[float] = []  # times of refused messages within the window
        self._over_rate = 0  # messages over the rate; 0 again after a time without one
        self._over_rate_at = 0.0  # when the last of them came

    async def answer(self, raw: str) -> CloseCode | None:
        """Serve one text message; returns the code to close with after too many errors, else None."""
        try:
            request = parse_request(raw)
        except BadMessageError as error:
            return self.refuse(
                error, request_id=error.request_id if error.proto == 2 else self._id(error.request_id)
            )
        try:
            return await self._serve(request)
        except BadMessageError as error:
            return self.refuse(error, request_id=self._id(request.id))

    async def _serve(self, request: Request) -> CloseCode | None:
        match request:
            case Subscribe():
                return await self._subscribe(request)
            case Unsubscribe():
                return await self._unsubscribe(request)
            case Resync():
                return await self._resync(request)
            case StreamRequest():
                await self._serve_stream(request)
                return None
            case Ping():
                self._answer_ping(request)
                return None

    def _answer_ping(self, request: Ping) -> None:
        timestamp = self._manager.timestamp()
        if self._speaks_proto_2:
            positions = self._manager.positions(self._connection.subscriptions)
            answer = pong_message(timestamp, positions=positions, request_id=request.id)
        else:
            answer = pong_message(timestamp)
        self._connection.send_message(answer)

    def refuse(
        self, error: BadMessageError, *, request_id: RequestId | None = None, symbols: Sequence[str] = ()
    ) -> CloseCode | None:
        """Answer what is wrong; returns the code to close with after too many errors."""
        answer = error_message(error.code, error.message, request_id=request_id, symbols=symbols)
        self._connection.send_message(answer)
        now = self._clock()
        self._errors = [*(at for at in self._errors if now - at <= ERROR_WINDOW_S), now]
        return TOO_MANY_ERRORS if len(self._errors) > MAX_ERRORS else error.close

    def slow_down(self, wait_s: float) -> CloseCode | None:
        """Answer a message too many with when to send the next; returns the code to close with after many."""
        now = self._clock()
        if now - self._over_rate_at > _OVER_RATE_FORGOTTEN_S:
            self._over_rate = 0
        self._over_rate, self._over_rate_at = self._over_rate + 1, now
        if self._over_rate > MAX_OVER_RATE:
            return RATE_LIMITED
        self._connection.send_message(rate_limited_message(retry_after_ms=math.ceil(wait_s * 1000)))
        return None

    @property
    def _speaks_proto_2(self) -> bool:
        return self._connection.shape is not Shape.V1

    def _id(self, request_id: RequestId | None) -> RequestId | None:
        return request_id if self._speaks_proto_2 else None

    def _known(
        self, symbols: list[str], request_id: RequestId | None, proto: int = 1
    ) -> tuple[list[str], CloseCode | None]:
        """The symbols that can be served; the others get an error, which names them in protocol 2."""
        valid, invalid = validate_symbols(symbols, self._symbols)
        close = None
        if invalid:
            names = ", ".join(shown(symbol) for symbol in invalid)
            meant = [found for symbol in invalid if (found := followed_symbol(symbol, self._symbols))]
            hint = f"; did you mean {', '.join(dict.fromkeys(meant))}?" if meant else ""
            message = f"unknown symbol {names}{hint}; available: {offered(invalid, self._symbols)}"
            error = BadMessageError("INVALID_SYMBOL", message)
            listed = list(filter(is_symbol, invalid)) if proto == 2 else []
            close = self.refuse(error, request_id=request_id, symbols=listed)
        return valid, close

    async def _subscribe(self, request: Subscribe) -> CloseCode | None:
        proto = 2 if self._speaks_proto_2 else request.proto
        request_id = request.id if proto == 2 else None
        symbols, close = self._known(request.symbols, request_id, proto)
        if close is not None or not symbols:
            return close
        interval_s = validate_interval(_given(request.update_interval), self._manager.update_interval_s)
        delta, ticks = _given(request.delta), _given(request.ticks)
        if proto == 2:
            ack = subscribed_message(
                symbols,
                update_interval_s=interval_s,
                delta=self._effective_delta(delta),
                ticks=self._connection.ticks if ticks is None else ticks,
                positions=self._manager.positions(symbols),
                request_id=request_id,
            )
            self._connection.send_message(ack)
        await self._manager.connect(
            self._connection.ws,
            symbols,
            interval_s=interval_s,
            proto=proto,
            delta=delta,
            ticks=ticks,
            resume={
                symbol: HeldState(StreamPosition(at.epoch, at.seq), at.checksum)
                for symbol, at in request.resume.items()
            },
        )
        return None

    async def _serve_stream(self, request: StreamRequest) -> None:
        connection, markets = self._connection, self._manager.markets
        if request.action == "subscribe" and request.proto == 2:
            await self._manager.connect(connection.ws, (), proto=2)
        if not self._speaks_proto_2:
            raise BadMessageError("INVALID_MESSAGE", f'{request.action}: a stream needs "proto":2')
        match request.action:
            case "subscribe":
                connection.send_message(stream_subscribed_message(request.stream, request_id=request.id))
                markets.join(connection)
            case "unsubscribe":
                markets.leave(connection)
                connection.send_message(stream_unsubscribed_message(request.stream, request_id=request.id))
            case "resync":
                if not markets.follows(connection):
                    raise _not_subscribed(request.stream)
                markets.resync(connection)

    def _effective_delta(self, requested: bool | None) -> bool:
        return requested if requested is not None else self._connection.shape is not Shape.COLUMNS

    async def _unsubscribe(self, request: Unsubscribe) -> CloseCode | None:
        symbols, close = self._known(request.symbols, self._id(request.id))
        unsubscribed = await self._manager.unsubscribe(self._connection.ws, symbols)
        if self._speaks_proto_2:
            self._connection.send_message(unsubscribed_message(unsubscribed, request_id=request.id))
        return close

    async def _resync(self, request: Resync) -> CloseCode | None:
        if not self._speaks_proto_2:
            raise BadMessageError("INVALID_ACTION", 'resync needs a subscribe with "proto":2 before it')
        symbols, close = self._known(request.symbols or [], request.id)
        subscribed = self._connection.subscriptions
        held = [each for each in symbols if each in subscribed] if request.symbols else list(subscribed)
        if held:
            await self._manager.resync(self._connection.ws, held)
        if missing := [each for each in symbols if each not in held]:
            close = self.refuse(_not_subscribed(", ".join(missing)), request_id=request.id) or close
        if request.symbols is None and not held:
            raise _not_subscribed("any symbol")
        return close


def _given(value: _Value | UnsetType) -> _Value | None:
    return None if isinstance(value, UnsetType) else value


def _not_subscribed(what: str) -> BadMessageError:
    return BadMessageError(
        "INVALID_MESSAGE", f"resync: there is no subscription to {what}; subscribe to it first"
    )


def refuse_binary() -> BadMessageError:
    """What a binary message is answered with."""
    return BadMessageError("INVALID_MESSAGE", "messages are JSON in text frames, not binary")


def outcome_of(ws: web.WebSocketResponse, connection: Connection) -> int:
    """The close code a connection ended with, ours before the peer's; 1006 if there was none."""
    if connection.close_code is not None:
        return connection.close_code.code
    return ws.close_code or ABNORMAL.code
