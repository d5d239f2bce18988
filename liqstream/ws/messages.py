"""The wire: what a client may say, strictly read, and what the server answers besides snapshots."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from liqstream.symbols import MAX_SYMBOLS_PER_MESSAGE
from liqstream.ws.close_codes import UNSUPPORTED_PROTOCOL, CloseCode

ErrorCode = Literal["INVALID_SYMBOL", "INVALID_ACTION", "INVALID_MESSAGE", "RATE_LIMITED", "SERVER_ERROR"]
WarningCode = Literal["SLOW_CONSUMER", "CONNECTION_UNSTABLE", "SERVER_SHUTDOWN"]

RequestId: TypeAlias = int | str
SnapshotId: TypeAlias = tuple[int, int]
"""(epoch, seq): what a snapshot of a symbol is called; it only grows."""

MAX_ID_CHARS = 64
_SHOWN_CHARS = 40
"""Of a client's own text, an answer or a log line repeats at most this much, escaped."""


class BadMessageError(Exception):
    """A message that cannot be served: the error code to answer, a sentence, and the close it deserves."""

    def __init__(self, code: ErrorCode, message: str, *, close: CloseCode | None = None) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.close = close


class ResumePoint(msgspec.Struct, frozen=True):
    """The last snapshot a returning client holds."""

    epoch: int
    seq: int


class Subscribe(msgspec.Struct, frozen=True):
    """Follow symbols, or change the interval of those already followed. `update_interval` in seconds."""

    symbols: list[str]
    update_interval: int | float | msgspec.UnsetType = msgspec.UNSET
    proto: int = 1
    delta: bool | msgspec.UnsetType = msgspec.UNSET
    id: int | str | None = None
    resume: dict[str, ResumePoint] = {}


class Unsubscribe(msgspec.Struct, frozen=True):
    """Stop following symbols."""

    symbols: list[str]
    id: int | str | None = None


class Ping(msgspec.Struct, frozen=True):
    """Ask for a pong."""

    id: int | str | None = None


class Resync(msgspec.Struct, frozen=True):
    """Ask for full snapshots again, of all followed symbols when none are named (proto 2)."""

    symbols: list[str] | None = None
    id: int | str | None = None


Request: TypeAlias = Subscribe | Unsubscribe | Ping | Resync

_ACTIONS: dict[str, type[Request]] = {
    "subscribe": Subscribe,
    "unsubscribe": Unsubscribe,
    "ping": Ping,
    "resync": Resync,
}


def shown(text: str) -> str:
    """A client's text as it may be repeated to it: ASCII, escaped, short."""
    cut = text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "..."
    return ascii(cut)


def parse_request(raw: str) -> Request:
    """One client message, read strictly.

    A bool is no number, NaN and infinities are no JSON, nesting is bounded. Raises BadMessageError with the
    error code and a sentence the client's author can act on.
    """
    action, said = _read_action(raw)
    try:
        request = msgspec.convert(said, _ACTIONS[action])
    except msgspec.ValidationError as error:
        raise BadMessageError("INVALID_MESSAGE", f"{action}: {_reason(error)}") from None
    _check_limits(request)
    return request


def _read_action(raw: str) -> tuple[str, dict[str, Any]]:
    try:
        said = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise BadMessageError("INVALID_MESSAGE", "the message is not valid JSON") from None
    if not isinstance(said, dict):
        raise BadMessageError("INVALID_MESSAGE", 'the message must be an object such as {"action":"ping"}')
    action = said.get("action")
    if not isinstance(action, str) or action not in _ACTIONS:
        named = f"unknown action {shown(action)}" if isinstance(action, str) else "no action"
        raise BadMessageError("INVALID_ACTION", f"{named}; one of {', '.join(_ACTIONS)}")
    return action, said


def _reason(error: msgspec.ValidationError) -> str:
    reason = str(error).replace("Object missing required field", "missing field").replace("`", "")
    return reason.removesuffix(" - at $").replace(" - at $.", " in ")[:120]


def _check_limits(request: Request) -> None:
    symbols = None if isinstance(request, Ping) else request.symbols
    if symbols is not None and not 1 <= len(symbols) <= MAX_SYMBOLS_PER_MESSAGE:
        raise BadMessageError(
            "INVALID_MESSAGE", f"symbols must name 1 to {MAX_SYMBOLS_PER_MESSAGE} symbols, not {len(symbols)}"
        )
    if isinstance(request.id, str) and len(request.id) > MAX_ID_CHARS:
        raise BadMessageError("INVALID_MESSAGE", f"id must be at most {MAX_ID_CHARS} characters")
    if isinstance(request, Subscribe) and request.proto not in (1, 2):
        raise BadMessageError(
            "INVALID_MESSAGE", "this server speaks proto 1 and 2", close=UNSUPPORTED_PROTOCOL
        )


def _say(**said: object) -> bytes:
    return msgspec.json.encode({key: value for key, value in said.items() if value is not None})


def error_message(code: ErrorCode, message: str, *, request_id: RequestId | None = None) -> bytes:
    """What is wrong with a client's message, in a sentence."""
    return _say(type="error", code=code, message=message, id=request_id)


def rate_limited_message(*, retry_after_ms: int) -> bytes:
    """That a client sends too fast: its message was not read; the next one may come after the given time."""
    return _say(
        type="error",
        code="RATE_LIMITED",
        message="you send too many messages; this one was not read",
        retry_after_ms=retry_after_ms,
    )


def slow_consumer_message(dropped: dict[str, int]) -> bytes:
    """That a client reads too slowly: snapshots dropped for it since the last such warning, by symbol."""
    count = sum(dropped.values())
    text = f"you read too slowly: {count} snapshots were replaced by newer ones"
    return _say(
        type="warning", code="SLOW_CONSUMER", message=text, dropped_messages=count, dropped_by_symbol=dropped
    )


def shutdown_message(*, retry_after_ms: int) -> bytes:
    """That the server stops, and when to come back (proto 2)."""
    return _say(
        type="warning",
        code="SERVER_SHUTDOWN",
        message="the server is going down; reconnect after retry_after_ms",
        retry_after_ms=retry_after_ms,
    )


def pong_message(timestamp: str, *, request_id: RequestId | None = None) -> bytes:
    """The answer to {"action":"ping"}; `timestamp` is the server's clock."""
    return _say(type="pong", timestamp=timestamp, id=request_id)


def subscribed_message(
    symbols: list[str], *, update_interval_s: int, delta: bool, request_id: RequestId | None = None
) -> bytes:
    """The acknowledgement of a subscribe (proto 2): what is followed from now on, and how often."""
    return _say(
        type="subscribed",
        id=request_id,
        proto=2,
        symbols=symbols,
        update_interval=update_interval_s,
        delta=delta,
    )


def unsubscribed_message(symbols: list[str], *, request_id: RequestId | None = None) -> bytes:
    """The acknowledgement of an unsubscribe (proto 2)."""
    return _say(type="unsubscribed", id=request_id, symbols=symbols)


def heartbeat_message(timestamp: str, ids: dict[str, SnapshotId]) -> bytes:
    """That nothing changed, and which snapshot of each symbol is the client's newest (proto 2)."""
    symbols = {symbol: {"epoch": epoch, "seq": seq} for symbol, (epoch, seq) in ids.items()}
    return _say(type="heartbeat", timestamp=timestamp, symbols=symbols)
