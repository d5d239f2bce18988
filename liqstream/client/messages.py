"""The messages of protocol 2, typed: what the server may send, parsed and checked at the edge."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct

from .errors import OldServerError
from .snapshot import Count, Ordinal, Price, StateFields, Totals, parse_time

MAX_ROWS = 10_000
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding bytes raises that are not what was asked for: of another shape, no UTF-8, nested deeply."""

_Usd = Annotated[float, Meta(ge=0, le=1e15)]
_Column = Annotated[list[_Usd], Meta(min_length=1, max_length=MAX_ROWS)]
_Value: TypeAlias = int | float | str | bool | list[str] | None
_Milliseconds = Annotated[int, Meta(ge=0, le=3_600_000)]


class Columns(Totals, frozen=True, kw_only=True):
    """A whole state: USD per level of the grid p0, p0 + step, ..."""

    p0: Price
    step: Price
    long: _Column
    short: _Column


class SideChange(Struct, frozen=True):
    """New values `v` at the grid indices `i`."""

    i: Annotated[list[Count], Meta(max_length=MAX_ROWS)]
    v: Annotated[list[_Usd], Meta(max_length=MAX_ROWS)]


class Changes(Totals, frozen=True, kw_only=True):
    """What changed since the state `prev_seq`."""

    long: SideChange
    short: SideChange


class SnapshotMessage(StateFields, frozen=True, kw_only=True, tag="snapshot"):
    """A whole state of a symbol."""

    data: Columns
    skipped: Count = 0
    repeat: bool = False


class DeltaMessage(StateFields, frozen=True, kw_only=True, tag="delta"):
    """A state of a symbol as the difference to an earlier one."""

    prev_seq: Ordinal
    data: Changes
    skipped: Count = 0
    repeat: bool = False


class StreamPosition(Struct, frozen=True):
    """Where a symbol's stream stands."""

    epoch: Ordinal
    seq: Ordinal


class HeartbeatMessage(Struct, frozen=True, tag="heartbeat"):
    """Nothing new: where each symbol stands."""

    symbols: dict[str, StreamPosition] = {}


class TickMessage(Struct, frozen=True, tag="tick"):
    """The newest price, and what was passed since the state `seq`. Prices in USD."""

    symbol: str
    timestamp: str
    epoch: Ordinal
    seq: Ordinal
    n: Count
    current_price: Price
    low: Price
    high: Price


class FieldChange(Struct, frozen=True):
    """New values `v` of a column of the table of markets at the indices `i`."""

    i: Annotated[list[Count], Meta(max_length=MAX_ROWS)]
    v: Annotated[list[_Value], Meta(max_length=MAX_ROWS)]


class MarketsMessage(Struct, frozen=True, tag="markets"):
    """The table of markets: whole with `symbols`, else what changed since `prev_seq`."""

    timestamp: str
    epoch: Ordinal
    seq: Ordinal
    fields: dict[str, Annotated[list[_Value], Meta(max_length=MAX_ROWS)] | FieldChange]
    symbols: Annotated[list[str], Meta(max_length=MAX_ROWS)] | None = None
    prev_seq: Ordinal | None = None


class SubscribedMessage(Struct, frozen=True, tag="subscribed"):
    """What was accepted of a subscription: symbols and their interval, or a stream."""

    symbols: list[str] = []
    update_interval: Count = 0
    stream: str = ""
    id: int | str | None = None
    positions: dict[str, StreamPosition] = {}

    def __post_init__(self) -> None:
        if not self.stream and not (self.symbols and self.update_interval):
            raise ValueError("neither symbols with an interval nor a stream")


class ErrorMessage(Struct, frozen=True, tag="error"):
    """What the server refused, and why."""

    code: str
    message: str = ""
    id: int | str | None = None
    symbols: list[str] = []  # of INVALID_SYMBOL: those that are not followed
    retry_after_ms: _Milliseconds = 0


class WarningMessage(Struct, frozen=True, tag="warning"):
    """Something is not well.

    SLOW_CONSUMER, CONNECTION_UNSTABLE, SERVER_SHUTDOWN, NO_DATA_YET, STREAM_FAILED or MARKET_ENDED.
    """

    code: str
    message: str = ""
    dropped_messages: Count = 0
    dropped_by_symbol: dict[str, Count] = {}
    symbols: list[str] = []
    retry_after_ms: _Milliseconds = 0


class PongMessage(Struct, frozen=True, tag="pong"):
    """The answer to a ping."""

    timestamp: str = ""
    positions: dict[str, StreamPosition] = {}


StateMessage: TypeAlias = SnapshotMessage | DeltaMessage
Message: TypeAlias = (
    StateMessage
    | MarketsMessage
    | TickMessage
    | HeartbeatMessage
    | SubscribedMessage
    | ErrorMessage
    | WarningMessage
    | PongMessage
)

_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


class NotUnderstoodError(Exception):
    """A message of another kind or form."""


def decode(text: str) -> Message:
    """The message in a text frame.

    Raises OldServerError for a snapshot of the first protocol, NotUnderstoodError for anything else that is
    no message of protocol 2; a client passes over the latter, so that servers may send new kinds.
    """
    try:
        message: Message = _decoder.decode(text)
        if isinstance(message, SnapshotMessage | DeltaMessage | MarketsMessage | TickMessage):
            parse_time(message.timestamp)
    except UNREADABLE as error:
        if _is_first_protocol(text):
            raise OldServerError("the server speaks only protocol 1; this client needs protocol 2") from None
        raise NotUnderstoodError(str(error)) from None
    return message


def _is_first_protocol(text: str) -> bool:
    try:
        message = msgspec.json.decode(text)
    except UNREADABLE:
        return False
    data = message.get("data") if isinstance(message, dict) else None
    return isinstance(data, dict) and "levels" in data and "p0" not in data
