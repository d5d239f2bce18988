"""The words of protocol 2, typed: what the server may say, parsed and checked at the edge."""

from __future__ import annotations

from typing import TypeAlias

import msgspec
from msgspec import Struct

from liqstream.client.errors import OldServerError


class Columns(Struct, frozen=True):
    """A whole state: USD per level of the grid p0, p0 + step, ..."""

    p0: float
    step: float
    long: list[float]
    short: list[float]
    current_price: float
    positions_created: int = 0
    positions_consumed: int = 0


class SideChange(Struct, frozen=True):
    """New values `v` at the grid indices `i`."""

    i: list[int]
    v: list[float]


class Changes(Struct, frozen=True):
    """What changed since the state `prev_seq`."""

    long: SideChange
    short: SideChange
    current_price: float
    positions_created: int = 0
    positions_consumed: int = 0


class SnapshotMessage(Struct, frozen=True, tag="snapshot"):
    """A whole state of a symbol."""

    symbol: str
    timestamp: str
    epoch: int
    seq: int
    checksum: int
    data: Columns
    skipped: int = 0
    stale: bool = False
    source: str = "live"
    quality: list[str] = []
    repeat: bool = False


class DeltaMessage(Struct, frozen=True, tag="delta"):
    """A state of a symbol, told as the difference to an earlier one."""

    symbol: str
    timestamp: str
    epoch: int
    seq: int
    prev_seq: int
    checksum: int
    data: Changes
    skipped: int = 0
    stale: bool = False
    source: str = "live"
    quality: list[str] = []
    repeat: bool = False


class At(Struct, frozen=True):
    """Where a symbol's stream stands."""

    epoch: int
    seq: int


class HeartbeatMessage(Struct, frozen=True, tag="heartbeat"):
    """Nothing new: where each symbol stands."""

    symbols: dict[str, At] = {}


class SubscribedMessage(Struct, frozen=True, tag="subscribed"):
    """What was accepted of a subscription."""

    symbols: list[str]
    update_interval: int
    id: int | str | None = None


class ErrorMessage(Struct, frozen=True, tag="error"):
    """What the server refused, and why."""

    code: str
    message: str = ""
    id: int | str | None = None
    retry_after_ms: int = 0


class WarningMessage(Struct, frozen=True, tag="warning"):
    """The connection is not well: SLOW_CONSUMER, CONNECTION_UNSTABLE, SERVER_SHUTDOWN."""

    code: str
    message: str = ""
    dropped_messages: int = 0
    retry_after_ms: int = 0


class PongMessage(Struct, frozen=True, tag="pong"):
    """The answer to a ping."""

    timestamp: str = ""


StateMessage: TypeAlias = SnapshotMessage | DeltaMessage
Message: TypeAlias = (
    StateMessage | HeartbeatMessage | SubscribedMessage | ErrorMessage | WarningMessage | PongMessage
)

_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


class NotUnderstoodError(Exception):
    """A message of another kind or form."""


def decode(text: str) -> Message:
    """The message in a text frame.

    Raises OldServerError for a snapshot of the first protocol, NotUnderstoodError for anything else that is
    no message of protocol 2; a client passes over the latter, so that servers may learn new words.
    """
    try:
        message: Message = _decoder.decode(text)
    except msgspec.MsgspecError as error:
        if _is_first_protocol(text):
            raise OldServerError("the server speaks only protocol 1; this client needs protocol 2") from None
        raise NotUnderstoodError(str(error)) from None
    return message


def _is_first_protocol(text: str) -> bool:
    try:
        message = msgspec.json.decode(text)
    except msgspec.MsgspecError:
        return False
    data = message.get("data") if isinstance(message, dict) else None
    return isinstance(data, dict) and "levels" in data and "p0" not in data
