"""Messages: a client's, strictly parsed, and those of the server that are no snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from liqstream.heatmap.snapshot import StreamPosition
from liqstream.symbols import MAX_SYMBOLS_PER_MESSAGE
from liqstream.wire.close_codes import UNSUPPORTED_PROTOCOL, CloseCode

ErrorCode = Literal["INVALID_SYMBOL", "INVALID_ACTION", "INVALID_MESSAGE", "RATE_LIMITED", "SERVER_ERROR"]
WarningCode = Literal[
    "SLOW_CONSUMER",
    "CONNECTION_UNSTABLE",
    "SERVER_SHUTDOWN",
    "NO_DATA_YET",
    "STREAM_FAILED",
    "MARKET_ENDED",
]

RequestId: TypeAlias = int | str

MAX_ID_CHARS = 64
_SHOWN_CHARS = 40
"""Of a client's own text, an answer or a log line repeats at most this much, escaped."""


class BadMessageError(Exception):
    """A message that cannot be served: the error code to answer, a sentence, and the close it deserves.

    `request_id` is the message's own, where it is an object with a valid one; `proto` what it speaks, 1 where
    it does not say 2.
    """

    def __init__(self, code: ErrorCode, message: str, *, close: CloseCode | None = None) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.close = close
        self.request_id: RequestId | None = None
        self.proto = 1


class Resume(msgspec.Struct, frozen=True):
    """The last snapshot a returning client holds, and the checksum of its levels."""

    epoch: int
    seq: int
    checksum: int | None = None


class Subscribe(msgspec.Struct, frozen=True):
    """Follow symbols, or change the interval of those already followed. `update_interval` in seconds."""

    symbols: list[str]
    update_interval: int | float | msgspec.UnsetType = msgspec.UNSET
    proto: int = 1
    delta: bool | msgspec.UnsetType = msgspec.UNSET
    ticks: bool | msgspec.UnsetType = msgspec.UNSET
    id: int | str | None = None
    resume: dict[str, Resume] = {}


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


class StreamRequest(msgspec.Struct, frozen=True):
    """Follow the table of markets, stop following it, or ask for all of it again (proto 2)."""

    action: Literal["subscribe", "unsubscribe", "resync"]
    stream: Literal["markets"]
    proto: int = 1
    id: int | str | None = None


Request: TypeAlias = Subscribe | Unsubscribe | Ping | Resync | StreamRequest

_ACTIONS: dict[str, type[Subscribe | Unsubscribe | Ping | Resync]] = {
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
    fields = _read_object(raw)
    try:
        return _read_request(fields)
    except BadMessageError as error:
        request_id, proto = fields.get("id"), fields.get("proto")
        error.request_id = request_id if _is_valid_id(request_id) else None
        error.proto = 2 if proto == 2 and proto is not True else 1
        raise


def _is_valid_id(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_ID_CHARS
    return isinstance(value, int) and not isinstance(value, bool)


def _read_request(fields: dict[str, Any]) -> Request:
    action = fields.get("action")
    if not isinstance(action, str) or action not in _ACTIONS:
        named = f"unknown action {shown(action)}" if isinstance(action, str) else "no action"
        raise BadMessageError("INVALID_ACTION", f"{named}; one of {', '.join(_ACTIONS)}")
    form: type[Request] = _ACTIONS[action]
    if "stream" in fields and form is not Ping:
        if "symbols" in fields:
            raise BadMessageError(
                "INVALID_MESSAGE",
                f"{action}: a message is for symbols or for a stream, not for both; send two",
            )
        form = StreamRequest
    try:
        request = msgspec.convert(fields, form)
    except msgspec.ValidationError as error:
        raise BadMessageError("INVALID_MESSAGE", f"{action}: {_reason(error)}") from None
    _check_limits(request)
    return request


def _read_object(raw: str) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise BadMessageError("INVALID_MESSAGE", "the message is not valid JSON") from None
    if not isinstance(fields, dict):
        raise BadMessageError("INVALID_MESSAGE", 'the message must be an object such as {"action":"ping"}')
    return fields


def _reason(error: msgspec.ValidationError) -> str:
    reason = str(error).replace("Object missing required field", "missing field").replace("`", "")
    return reason.removesuffix(" - at $").replace(" - at $.", " in ")[:120]


def _check_limits(request: Request) -> None:
    symbols = None if isinstance(request, Ping | StreamRequest) else request.symbols
    if symbols is not None and not 1 <= len(symbols) <= MAX_SYMBOLS_PER_MESSAGE:
        raise BadMessageError(
            "INVALID_MESSAGE", f"symbols must name 1 to {MAX_SYMBOLS_PER_MESSAGE} symbols, not {len(symbols)}"
        )
    if isinstance(request.id, str) and len(request.id) > MAX_ID_CHARS:
        raise BadMessageError("INVALID_MESSAGE", f"id must be at most {MAX_ID_CHARS} characters")
    if isinstance(request, Subscribe | StreamRequest) and request.proto not in (1, 2):
        raise BadMessageError(
            "INVALID_MESSAGE", "this server speaks proto 1 and 2", close=UNSUPPORTED_PROTOCOL
        )


def _encode(**fields: object) -> bytes:
    return msgspec.json.encode({key: value for key, value in fields.items() if value is not None})


def _warning(code: WarningCode, message: str, **fields: object) -> bytes:
    return _encode(type="warning", code=code, message=message, **fields)


def error_message(
    code: ErrorCode, message: str, *, request_id: RequestId | None = None, symbols: Sequence[str] = ()
) -> bytes:
    """What is wrong with a client's message, in a sentence; of INVALID_SYMBOL also which are not followed."""
    return _encode(type="error", code=code, message=message, id=request_id, symbols=list(symbols) or None)


def rate_limited_message(*, retry_after_ms: int) -> bytes:
    """That a client sends too fast: its message was not read; when it may send the next."""
    return _encode(
        type="error",
        code="RATE_LIMITED",
        message="you send too many messages; this one was not read",
        retry_after_ms=retry_after_ms,
    )


def slow_consumer_message(dropped: dict[str, int]) -> bytes:
    """That a client reads too slowly: snapshots dropped for it since the last such warning, by symbol."""
    count = sum(dropped.values())
    text = f"you read too slowly: {count} snapshots were replaced by newer ones"
    return _warning("SLOW_CONSUMER", text, dropped_messages=count, dropped_by_symbol=dropped)


def no_data_message(symbols: list[str]) -> bytes:
    """That there is no map of these symbols yet (proto 2); it comes by itself once there is one."""
    text = f"no map of {', '.join(symbols)} yet: the server waits for its data"
    return _warning("NO_DATA_YET", text, symbols=symbols)


def market_ended_message(symbol: str, reason: str) -> bytes:
    """That a symbol is not followed any more, and why; whoever subscribed to it is sent no more of it."""
    text = f"{symbol} is not followed any more: {reason}; you are not subscribed to it any longer"
    return _warning("MARKET_ENDED", text, symbols=[symbol])


def shutdown_message(*, retry_after_ms: int) -> bytes:
    """That the server stops, and when to reconnect (proto 2)."""
    text = "the server is going down; reconnect after retry_after_ms"
    return _warning("SERVER_SHUTDOWN", text, retry_after_ms=retry_after_ms)


def stream_failed_message(*, retry_after_ms: int) -> bytes:
    """That this server makes no snapshots just now, and when to come back; another may (proto 2)."""
    text = "this server makes no snapshots just now; reconnect after retry_after_ms, another may serve you"
    return _warning("STREAM_FAILED", text, retry_after_ms=retry_after_ms)


def pong_message(
    timestamp: str,
    *,
    positions: dict[str, StreamPosition] | None = None,
    request_id: RequestId | None = None,
) -> bytes:
    """The answer to {"action":"ping"}; `timestamp` is the server's clock.

    `positions` (proto 2) is where the server stands with each symbol that the client follows.
    """
    where = None if positions is None else _positions(positions)
    return _encode(type="pong", timestamp=timestamp, id=request_id, positions=where)


def subscribed_message(
    symbols: list[str],
    *,
    update_interval_s: int,
    delta: bool,
    ticks: bool,
    positions: dict[str, StreamPosition],
    request_id: RequestId | None = None,
) -> bytes:
    """The acknowledgement of a subscribe (proto 2): what is followed from now on, how often, and how.

    `positions` is where the server stands with each of the symbols.
    """
    return _encode(
        type="subscribed",
        id=request_id,
        proto=2,
        symbols=symbols,
        update_interval=update_interval_s,
        delta=delta,
        ticks=ticks,
        positions=_positions(positions),
    )


def unsubscribed_message(symbols: list[str], *, request_id: RequestId | None = None) -> bytes:
    """The acknowledgement of an unsubscribe (proto 2)."""
    return _encode(type="unsubscribed", id=request_id, symbols=symbols)


def stream_subscribed_message(stream: str, *, request_id: RequestId | None = None) -> bytes:
    """The acknowledgement of a subscribe to a stream: it comes from now on."""
    return _encode(type="subscribed", id=request_id, proto=2, stream=stream)


def stream_unsubscribed_message(stream: str, *, request_id: RequestId | None = None) -> bytes:
    """The acknowledgement of an unsubscribe from a stream."""
    return _encode(type="unsubscribed", id=request_id, stream=stream)


def heartbeat_message(timestamp: str, positions: dict[str, StreamPosition]) -> bytes:
    """That the stream lives, and where the server stands with each symbol (proto 2)."""
    return _encode(type="heartbeat", timestamp=timestamp, symbols=_positions(positions))


def _positions(positions: dict[str, StreamPosition]) -> dict[str, dict[str, int]]:
    return {symbol: {"epoch": epoch, "seq": seq} for symbol, (epoch, seq) in positions.items()}
