"""A snapshot as bytes in Redis, for other servers: written once, trusted only when all of it is checked.

JSON, so that `redis-cli SUBSCRIBE heatmap:BTCUSDT` shows something a person can read.
"""

from __future__ import annotations

import math
import time
from typing import Literal

import msgspec

from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.market import DAY_MS
from liqstream.wire.snapshot_message import SnapshotMessage, message_of, snapshot_of

MAX_PAYLOAD_BYTES = 256 * 1024
"""A map of 300 levels takes 2-5 KB; whatever is far beyond that is no snapshot of ours."""
MAX_EPOCH_AHEAD_MS = 10 * 365 * DAY_MS
"""An epoch further in the future is forged. It moves with the clock, so that the epoch after one at the
limit is within it again."""
_VERSION = 1


class BadPayloadError(ValueError):
    """Bytes that are no snapshot of ours; the message says why in one line."""


class _Payload(SnapshotMessage, frozen=True, kw_only=True):
    """What is decoded; a key that a later version adds is passed over."""

    v: Literal[1]


_decoder = msgspec.json.Decoder(_Payload)


def encode_snapshot(snapshot: HeatmapSnapshot) -> bytes:
    """The snapshot with all its fields, about 10 bytes per level."""
    return msgspec.json.encode({"v": _VERSION, **msgspec.structs.asdict(message_of(snapshot))})


def decode_snapshot(payload: bytes, symbol: str) -> HeatmapSnapshot:
    """The snapshot of `symbol` in `payload`.

    Raises BadPayloadError for anything oversized, malformed, out of range, about another symbol, or whose
    levels do not add up to its checksum.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise BadPayloadError(f"{len(payload)} bytes, more than {MAX_PAYLOAD_BYTES}")
    try:
        message = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadPayloadError(str(error)) from None
    if message.symbol != symbol:
        raise BadPayloadError("another symbol's snapshot")
    if len(message.long) != len(message.short):
        raise BadPayloadError("long and short differ in length")
    if not all(map(math.isfinite, (message.p0, message.step, message.current_price))):
        raise BadPayloadError("a price that is no number")
    if message.epoch > time.time() * 1000 + MAX_EPOCH_AHEAD_MS:
        raise BadPayloadError("an epoch of the far future")
    snapshot = snapshot_of(message)
    if snapshot.checksum != message.checksum:
        raise BadPayloadError("the checksum differs")
    return snapshot
